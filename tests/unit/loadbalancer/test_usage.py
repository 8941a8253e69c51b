"""What is in use of a pool."""

from portway.loadbalancer import Held
from portway.loadbalancer.usage import Usage, usage
from portway.model.loadbalancer import AddressPool, BalancedService, SharingTerms, parse_range

POOL = AddressPool("p", (parse_range("192.0.2.0-192.0.2.9"), parse_range("2001:db8::/126")), avoid_buggy_ips=True)
SHARED = SharingTerms("key", "", frozenset(("TCP/80",)))


def test_a_shared_address_counts_once_and_strangers_do_not() -> None:
    held = Held()
    for name, *addresses in (
        ("dual", "192.0.2.1", "2001:db8::1"),
        ("one", "192.0.2.2"),
        ("two", "192.0.2.2"),
        ("buggy", "192.0.2.0"),
        ("elsewhere", "198.51.100.1"),
    ):
        held.put(BalancedService("shop", name, addresses=tuple(addresses), sharing=SHARED))
    assert usage(POOL, held) == Usage({"IPv4": 9, "IPv6": 4}, {"IPv4": 2, "IPv6": 1}, services=3)
    held.drop(("shop", "one"))
    assert usage(POOL, held).services == 2 and usage(POOL, held).in_use["IPv4"] == 2
    assert usage(POOL, Held()).in_use == {"IPv4": 0, "IPv6": 0}
