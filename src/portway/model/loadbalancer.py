"""LoadBalancer Services, the pools that give them addresses, and the advertisements that announce those.

Source of names and meanings: MetalLB 0.15's IPAddressPool and L2Advertisement (metallb.io/v1beta1).
"""

import ipaddress
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from portway.model.address import Family
from portway.model.selector import Labels, LabelSelector
from portway.model.service import TrafficPolicy

ServiceKey = tuple[str, str]
"""(namespace, name)."""
FamilyPolicy = Literal["SingleStack", "PreferDualStack", "RequireDualStack"]
_MAKE = {"IPv4": ipaddress.IPv4Address, "IPv6": ipaddress.IPv6Address}


def written(family: Family, number: int) -> str:
    """The canonical text of an address."""
    return str(_MAKE[family](number))


class AddressRange(Struct, frozen=True, order=True):
    """Addresses of one family from `first` to `last`, both included, as numbers."""

    family: Family
    first: int
    last: int

    def overlaps(self, other: "AddressRange") -> bool:
        """Whether some address is in both."""
        return self.family == other.family and self.first <= other.last and other.first <= self.last

    def __contains__(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return f"IPv{parsed.version}" == self.family and self.first <= int(parsed) <= self.last

    def __str__(self) -> str:
        make = _MAKE[self.family]
        return f"{make(self.first)}-{make(self.last)}"

    @property
    def size(self) -> int:
        """How many addresses."""
        return self.last - self.first + 1


def parse_range(text: str) -> AddressRange:
    """`192.168.1.240-192.168.1.250`, `192.168.10.0/24`, `fd00::/120`. Raises ValueError, saying what is wrong."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not dash:
        return _parse_cidr(text)
    try:
        ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError as error:
        raise ValueError(f"{error}; write FIRST-LAST, e.g. 192.168.1.240-192.168.1.250") from None
    if ends[0].version != ends[1].version:
        raise ValueError("its ends are of different IP families")
    if int(ends[0]) > int(ends[1]):
        raise ValueError(f"its first address comes after its last; did you mean {last}-{first}?")
    return AddressRange(_family(ends[0].version), int(ends[0]), int(ends[1]))


def _parse_cidr(text: str) -> AddressRange:
    if "/" not in text:
        raise ValueError(f"must be a CIDR or a range; for one address write {text}/{128 if ':' in text else 32}")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{error}; write a CIDR, e.g. 192.168.10.0/24, or FIRST-LAST") from None
    return AddressRange(_family(network.version), int(network[0]), int(network[-1]))


def _family(version: int) -> Family:
    return "IPv6" if version == 6 else "IPv4"


class ServiceAllocation(Struct, frozen=True):
    """Which Services a pool is for: all that is given must hold."""

    priority: int = 0
    """The lower, the earlier; 0 comes last."""
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class AddressPool(Struct, frozen=True):
    """An IPAddressPool."""

    name: str
    ranges: tuple[AddressRange, ...]
    auto_assign: bool = True
    """Whether Services that ask for no pool and no address may have its addresses."""
    avoid_buggy_ips: bool = False
    """Leave out IPv4 addresses that end in .0 or .255."""
    allocation: ServiceAllocation | None = None
    labels: Labels = {}
    fallback: bool = False
    """Only when no other pool has an address: the one that a fleet begins with."""

    def usable(self, address: str) -> bool:
        """Whether it may give this address away."""
        buggy = self.avoid_buggy_ips and ":" not in address and address.rpartition(".")[2] in ("0", "255")
        return not buggy and any(address in part for part in self.ranges)

    def numbers(self, family: Family) -> Iterator[int]:
        """The addresses that it may give away, in order, as numbers."""
        avoiding = self.avoid_buggy_ips and family == "IPv4"
        for part in self.ranges:
            if part.family == family:
                numbers = range(part.first, part.last + 1)
                yield from (n for n in numbers if n & 0xFF not in (0, 0xFF)) if avoiding else numbers

    def size(self, family: Family) -> int:
        """How many it may give away."""
        parts = [part for part in self.ranges if part.family == family]
        buggy = sum(map(_buggy_in, parts)) if self.avoid_buggy_ips and family == "IPv4" else 0
        return sum(part.size for part in parts) - buggy


def _buggy_in(part: AddressRange) -> int:
    """How many addresses of a range end in .0 or .255."""
    return sum((part.last - low) // 256 - (part.first - 1 - low) // 256 for low in (0, 255))


class L2Advertisement(Struct, frozen=True):
    """An L2Advertisement: which pools' addresses which nodes may announce, and on which interfaces."""

    name: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    """With `pools`: either will do. Neither given: every pool."""
    node_selectors: tuple[LabelSelector, ...] = ()
    """Any will do; none given: every node."""
    interfaces: tuple[str, ...] = ()
    """None given: every interface with the address in reach."""
    service_selectors: tuple[LabelSelector, ...] = ()
    """Any will do; none given: every Service."""


class BgpAdvertisement(Struct, frozen=True):
    """A BGPAdvertisement: which pools' addresses become routes, and to which peers."""

    name: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    peers: tuple[str, ...] = ()
    """Names of BGPPeers; none given: all."""
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    """0: not sent."""
    communities: tuple[str, ...] = ()
    """`64512:100`."""


class BgpPeer(Struct, frozen=True):
    """A BGPPeer: a router that the nodes tell of addresses."""

    name: str
    address: str
    my_asn: int
    peer_asn: int
    port: int = 179
    hold_seconds: int = 90
    source_address: str = ""
    router_id: str = ""
    node_selectors: tuple[LabelSelector, ...] = ()
    multi_hop: bool = False
    password: str = ""
    namespace: str = ""
    password_secret: str = ""
    """The Secret beside it that has the password."""
    bfd_profile: str = ""


class PeerSecret(Struct, frozen=True):
    """A Secret, reduced to what a BGPPeer may want of it."""

    type: str
    password: str = ""
    fault: str = ""
    """Why there is no password that can be used."""


class SharingTerms(Struct, frozen=True):
    """On what terms a Service shares an address: the same `key`, the same `backend`, other `ports`."""

    key: str
    backend: str
    """The selector, where externalTrafficPolicy is Local; empty for Cluster, where any node reaches any pod."""
    ports: frozenset[str]
    """`TCP/80`."""

    def __str__(self) -> str:
        return "|".join((self.key, self.backend, ",".join(sorted(self.ports))))


class BalancedService(Struct, frozen=True):
    """A Service of type LoadBalancer as allocation and announcement see it."""

    namespace: str
    name: str
    labels: Labels = {}
    families: tuple[Family, ...] = ("IPv4",)
    """spec.ipFamilies."""
    family_policy: FamilyPolicy = "SingleStack"
    load_balancer_class: str = ""
    addresses: tuple[str, ...] = ()
    """What its status says it has."""
    requested: tuple[str, ...] = ()
    """Addresses that it asks for, canonical."""
    requested_pool: str = ""
    request_fault: str = ""
    """Why what it asks for cannot be read."""
    ports: frozenset[str] = frozenset()
    """`TCP/80`."""
    sharing: SharingTerms | None = None
    granted: str = ""
    """The terms (as text) on which it was given its addresses; empty: it shares with nobody."""
    born: str = ""
    """When it was created, and its uid: who of two is older."""
    external_traffic_policy: TrafficPolicy = "Cluster"
    pool: str = ""
    """The pool that its addresses came from, as its annotation says."""

    @property
    def key(self) -> ServiceKey:
        """(namespace, name)."""
        return self.namespace, self.name


class AnnouncingNode(Struct, frozen=True):
    """A node as announcements see it."""

    name: str
    labels: Labels = {}
    available: bool = True
    """It is not being deleted, not tainted by the autoscaler and its network is not unavailable."""
    addresses: tuple[str, ...] = ()
    uid: str = ""
    provider: str = ""
    """What spec.providerID begins with: `aws`, `openstack`; empty on machines of one's own."""


class Doubt(Struct, frozen=True, order=True):
    """Why clients may not reach an address although its node announces it, in words for people."""

    code: str
    message: str
    address: str = ""
    """The only one that it concerns; empty: all that the node answers for."""
    peer: str = ""
    """The BGPPeer that the node tells nothing; empty: it is about answering."""
