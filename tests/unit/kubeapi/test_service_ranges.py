"""Addresses out of several ranges, some of them added later, some reserved."""

from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi.allocators import RangeFull
from portway.kubeapi.cluster import Cluster


def of(*more: str) -> Cluster:
    cluster = Cluster(("10.0.0.0/29",), pick=lambda n: n - 1)
    cluster.more_cidrs = lambda: more
    return cluster


def drawn(cluster: Cluster) -> list[str]:
    """All that it gives."""
    found: list[str] = []
    while True:
        try:
            found.append(cluster.request().next_address("IPv4"))
        except RangeFull:
            return found


def test_the_configured_range_is_used_up_first() -> None:
    given_out = drawn(of("10.9.0.0/30"))
    assert sorted(given_out[:6]) == [f"10.0.0.{n}" for n in range(1, 7)]
    assert sorted(given_out[6:]) == ["10.9.0.1", "10.9.0.2"]


def test_ranges_that_overlap_give_each_address_once() -> None:
    given_out = drawn(of("10.0.0.0/28", "10.0.0.0/29"))
    assert sorted(given_out, key=lambda text: int(text.rpartition(".")[2])) == [f"10.0.0.{n}" for n in range(1, 15)]


def test_what_cannot_be_given_from_is_left_out() -> None:
    assert len(drawn(of("2001:db8::/48", "2001:db8::/112"))) == 6


@given(st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)))
def test_what_is_reserved_is_not_given(reserved: set[int], freed: set[int]) -> None:
    cluster = of()
    pool = cluster.addresses["IPv4"]
    for number in reserved:
        pool.reserve(f"10.0.0.{number}")
    for number in freed:
        pool.unreserve(f"10.0.0.{number}")
    left = {f"10.0.0.{number}" for number in range(1, 7) if number not in reserved - freed}
    assert set(drawn(cluster)) == left
