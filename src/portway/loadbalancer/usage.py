"""What is in use of a pool: counters for its status and for metrics.

Source: MetalLB 0.15 internal/allocator/stats.go. An address that several Services share counts once.
"""

from collections.abc import Iterable

from msgspec import Struct

from portway.loadbalancer.held import Held
from portway.model import Family, family_of
from portway.model.loadbalancer import AddressPool

FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")


class Usage(Struct, frozen=True):
    """Of one pool, by IP family."""

    total: dict[Family, int]
    """How many addresses it may give away."""
    in_use: dict[Family, int]
    services: int
    """How many Services have addresses of it."""


def usage(pool: AddressPool, held: Held) -> Usage:
    """As it is now."""
    mine = [address for address in held.addresses() if pool.usable(address)]
    services = {service for address in mine for service in held.at(address)}
    return Usage({family: pool.size(family) for family in FAMILIES}, _by_family(mine), len(services))


def _by_family(addresses: Iterable[str]) -> dict[Family, int]:
    families = [family_of(address) for address in addresses]
    return {family: families.count(family) for family in FAMILIES}
