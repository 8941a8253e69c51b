"""The host's address of each LoadBalancer address: one of the fleet's own 127.x.y.n.

Of an IPv4 address n is its own last number where that is free, of an IPv6 address that less 100. IPv6 has one loopback
address, ::1, which all programs of the machine share; so clients here speak IPv4 to the relay, and the relay IPv6.

There are some 250 of them. When all are given, LoadBalancers share one, and the second answers at another port of it.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import ip_address

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.model.address import canonical_address

HIGHEST = 250
"""The numbers above are the fleet's own (its DNS)."""
_PLENTY = 200
"""Nodes have the numbers up to theirs; those above this are IPv4's first, the others IPv6's."""
_APART = 100
"""Between the numbers of a Service's two addresses, which in the fleet's own pool end alike."""


class Front(Struct, frozen=True, order=True):
    """A port of a LoadBalancer's address."""

    address: str
    protocol: str
    port: int


def fronts(service: Doc) -> frozenset[Front]:
    """What a Service document answers at that the relay can carry: TCP and UDP, at each of its addresses."""
    points = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    given = (canonical_address(point.get("ip") or "") for point in points if point.get("ipMode") != "Proxy")
    addresses = [address for address in given if address]
    ports = (service.get("spec") or {}).get("ports") or ()
    found = (Front(address, port.get("protocol", "TCP"), port["port"]) for address in addresses for port in ports)
    return frozenset(front for front in found if front.protocol in ("TCP", "UDP"))


class HostAddresses:
    """Which host address stands for which LoadBalancer address, as long as one of its ports is wanted."""

    def __init__(self, loopback: str, nodes: int) -> None:
        """`loopback`: the fleet's `127.x.y`."""
        self._loopback, self._nodes = loopback, nodes
        self._of: dict[str, int] = {}
        self._users: Counter[str] = Counter()

    def take(self, address: str) -> str:
        """Its host address: its own while there is one left, else one of those that fewest share."""
        self._users[address] += 1
        if address not in self._of:
            given = Counter(self._of.values())
            self._of[address] = min(self._preferred(address), key=lambda number: given[number])
        return f"{self._loopback}.{self._of[address]}"

    def is_shared(self, address: str) -> bool:
        """Whether another LoadBalancer has the same host address."""
        return Counter(self._of.values())[self._of[address]] > 1

    def release(self, address: str) -> None:
        """One port less."""
        self._users[address] -= 1
        if self._users[address] <= 0:
            del self._users[address]
            self._of.pop(address, None)

    def _preferred(self, address: str) -> Iterator[int]:
        """What the address's own last number says, then any that no node has, from a place that its hash says."""
        six = ":" in address
        own = address.rpartition(":" if six else ".")[2]
        number = int(own) - _APART * six if own.isdecimal() else 0
        if self._nodes < number <= HIGHEST:
            yield number
        high, low = range(_PLENTY + 1, HIGHEST + 1), range(_PLENTY, self._nodes, -1)
        for numbers in (low, high) if six else (high, low):
            start = _hash(address) % max(1, len(numbers))
            yield from (*numbers[start:], *numbers[:start])


def _hash(address: str) -> int:
    return int.from_bytes(blake2b(ip_address(address).packed, digest_size=4).digest(), "big")


def instead_of(port: int) -> Iterator[int]:
    """The ports to try at the host: its own, then others that an ordinary user may have, always the same."""
    yield from range(port, 65536, 10_000)
