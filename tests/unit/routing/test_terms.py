"""Who may stay when other certificates are wanted of clients."""

import pytest

from portway.routing.haproxy.handover import handing_over, taken_over
from portway.routing.table import ClientValidation
from portway.routing.terms import certificates, still_hold
from portway.testing.doordocs import key_pair

ONE, TWO, THREE = (key_pair(name)[0] for name in ("one", "two", "three"))


def _wants(*authorities: str, is_required: bool = True) -> ClientValidation:
    return ClientValidation("".join(authorities), is_required)


@pytest.mark.parametrize(
    ("shown", "wanted", "stays"),
    [
        (None, None, True),
        (None, _wants(ONE), False),
        (_wants(ONE), None, True),
        (_wants(ONE), _wants(ONE), True),
        (_wants(ONE), _wants(TWO), False),
        (_wants(ONE), _wants(TWO, ONE), True),
        (_wants(ONE, TWO), _wants(ONE), False),
        (_wants(ONE, TWO), _wants(TWO, ONE, THREE), True),
        (_wants(ONE, is_required=False), _wants(ONE), False),
        (None, _wants(ONE, is_required=False), True),
        (_wants(ONE), _wants(TWO, is_required=False), True),
    ],
)
def test_who_may_stay(shown: ClientValidation | None, wanted: ClientValidation | None, stays: bool) -> None:
    assert still_hold(shown, wanted) is stays


def test_each_certificate_once() -> None:
    assert certificates(f"{ONE}\n{TWO}{ONE}") == (ONE.strip(), TWO.strip())
    assert certificates("") == ()


def test_terms_of_many_authorities_are_one_mark() -> None:
    """It fits into a field, and a worker that asks the same knows it."""
    authorities = [key_pair(f"authority {number}")[0] for number in range(17)]
    told = next(line.split()[3] for line in handing_over("/run/door", _wants(*authorities)) if "set-header" in line)
    assert len(told) < 40
    assert f"regsub({told},)" in next(taken_over(_wants(*reversed(authorities))))
