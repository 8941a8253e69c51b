"""Which pod addresses are handed out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.fleet.kubelet.addresses import AddressPool, PoolExhausted


def test_lowest_first_and_a_released_one_rests() -> None:
    pool = AddressPool("10.244.1.0/24")
    assert [pool.take() for _ in range(3)] == ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
    pool.release("10.244.1.3")
    assert pool.take() == "10.244.1.5"


def test_claimed_addresses_are_not_handed_out() -> None:
    pool = AddressPool("fd00:244:0:1::/64")
    pool.claim("fd00:244:0:1::2")
    assert pool.take() == "fd00:244:0:1::3"


def test_a_full_range_uses_the_address_that_rested_longest_then_says_so() -> None:
    pool = AddressPool("10.0.0.0/29")
    taken = [pool.take() for _ in range(5)]
    assert taken[-1] == "10.0.0.6", "the last but the broadcast address"
    pool.release(taken[1])
    pool.release(taken[0])
    assert [pool.take(), pool.take()] == [taken[1], taken[0]]
    with pytest.raises(PoolExhausted, match=r"no address left in pod range 10\.0\.0\.0/29"):
        pool.take()


@given(st.lists(st.integers(0, 5)))
def test_no_address_is_ever_held_twice(releases: list[int]) -> None:
    pool = AddressPool("10.0.0.0/27")
    held: list[str] = []
    for each in releases:
        address = pool.take()
        assert address not in held
        held.append(address)
        if each < len(held):
            pool.release(held.pop(each))
        if len(held) > 20:
            pool.release(held.pop())
