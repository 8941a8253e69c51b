"""The ranges that Services get their clusterIPs from: what the agent was told, and what ServiceCIDR objects say."""

import ipaddress
from collections.abc import Iterable

from portway.client import Key


class ServiceCidrs:
    """`ranges` follows the objects that are put; none contains another."""

    def __init__(self, told: Iterable[str] = ()) -> None:
        self._told = tuple(told)
        self._objects: dict[Key, tuple[str, ...]] = {}
        self.ranges = _collapsed(self._told)

    def put(self, key: Key, cidrs: tuple[str, ...] | None) -> None:
        """A ServiceCIDR came or changed, or went (None)."""
        if cidrs is None:
            self._objects.pop(key, None)
        else:
            self._objects[key] = cidrs
        self.ranges = _collapsed([*self._told, *(cidr for some in self._objects.values() for cidr in some)])


def _collapsed(cidrs: Iterable[str]) -> tuple[str, ...]:
    """Without overlap, which a set of ranges cannot have; IPv4 first, in order."""
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return (*map(str, four), *map(str, six))
