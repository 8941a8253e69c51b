"""What is of use is kept, and never more than twice what is promised."""

from hypothesis import given
from hypothesis import strategies as st

from portway.nameserver.recent import Recent


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 9))))
def test_like_a_dict_that_may_forget_what_was_not_asked_for_lately(most: int, steps: list[tuple[str, int]]) -> None:
    recent: Recent[int, int] = Recent(most)
    whole: dict[int, int] = {}
    used: list[int] = []
    for number, (step, key) in enumerate(steps):
        if step == "put":
            recent.put(key, number)
            whole[key] = number
        elif step == "drop":
            recent.drop(key)
            whole.pop(key, None)
        else:
            found = recent.get(key)
            assert found in (whole.get(key), None)
            assert found is not None or key not in whole or key not in used[-most:]
        if step != "drop" and key in whole:
            used = [one for one in used if one != key] + [key]
        assert len(recent) <= 2 * most
