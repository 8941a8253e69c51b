"""What Services hold of one cluster: its address families, cluster IPs and node ports.

A **Request** is what one API call takes and will give back: it implements kinds.Claims. Everything taken is held at
once (the API server serves from one thread), is given back on rollback, and what the old object held is released
only on commit. A dry run takes nothing.

Source: pkg/registry/core/service/storage/alloc.go, portallocator/operation.go.
"""

from collections.abc import Callable, Iterable, Sequence

from portway.kubeapi import ip
from portway.kubeapi.allocators import Addresses, AddressRange, AllocationError, NodePorts, Pick, PortRange
from portway.kubeapi.errors import Doc
from portway.kubeapi.ipaddresspool import Pools
from portway.kubeapi.service.document import held_addresses, held_ports, spec_of
from portway.model import Family, family_of

SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")
NODE_PORT_RANGE = (30000, 32767)


class Cluster:
    """The allocation state of one API server, derived from the Services it has stored."""

    def __init__(
        self,
        service_cidrs: Sequence[str] = SERVICE_CIDRS,
        node_port_range: tuple[int, int] = NODE_PORT_RANGE,
        *,
        pick: Pick,
        bare_allocators: bool = False,
    ) -> None:
        """`service_cidrs`: the first one's family is the primary. `pick(n)`: a random number in [0, n).

        Both raise ValueError, saying what would be right, when malformed.

        `bare_allocators` words an address out of range as the allocator of a single CIDR does (Kubernetes before
        1.33 and its unit tests), not as the one over all ServiceCIDRs does.
        """
        if not service_cidrs:
            raise ValueError(f"service CIDRs: at least one is required, e.g. {SERVICE_CIDRS[0]}")
        self._configured = tuple(service_cidrs)
        self._more: tuple[str, ...] = ()
        self.addresses = {
            family: Addresses(ranges, pick, bare=bare_allocators) for family, ranges in _ranges(service_cidrs).items()
        }
        self.more_cidrs: Callable[[], Iterable[str]] = tuple
        """Those that ServiceCIDR objects add, as they are now; what AddressRange refuses is left out."""
        self.node_ports = NodePorts(PortRange(*node_port_range), pick)
        self.pools = Pools()
        """What IPAddressPools say, so that no two overlap."""
        self.default_ingress_class: Callable[[], str] = lambda: ""
        """The name of the class that Ingresses without one get; empty: there is none."""

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that Services can have, the primary first."""
        return tuple(self.addresses)

    def observe(self, service: Doc) -> None:
        """Counts in a stored Service, at start-up."""
        spec = spec_of(service)
        for address in held_addresses(spec):
            if pool := self.addresses.get(ip.family(address)):
                pool.observe(address)
        for port in held_ports(spec):
            self.node_ports.held.take(port)

    def request(self, dry_run: bool = False) -> "Request":
        """Begins a request's claims."""
        self._follow()
        return DryRun(self) if dry_run else Request(self)

    def _follow(self) -> None:
        """Addresses come from the ServiceCIDRs of this moment, the configured ones first."""
        more = tuple(self.more_cidrs())
        if more == self._more:
            return
        self._more = more
        cidrs = dict.fromkeys((*self._configured, *filter(_can_be_served, more)))
        for family, ranges in _ranges(cidrs).items():
            if pool := self.addresses.get(family):
                pool.serve(ranges)


def _can_be_served(cidr: str) -> bool:
    try:
        AddressRange(cidr)
    except ValueError:
        return False
    return True


def _ranges(cidrs: Iterable[str]) -> dict[Family, list[AddressRange]]:
    """By family, in order."""
    found: dict[Family, list[AddressRange]] = {}
    for cidr in cidrs:
        found.setdefault(family_of(cidr), []).append(AddressRange(cidr))
    return found


class Request:
    """The claims of one API call; see the module's head."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.taken_addresses: list[str] = []
        self._taken_ports: list[int] = []
        self._releases = Releases(cluster)

    def take_address(self, address: str) -> None:
        """This address. Raises AllocationError."""
        self._cluster.addresses[ip.family(address)].allocate(address)
        self.taken_addresses.append(address)

    def next_address(self, family: Family) -> str:
        """Any address of the family. Raises RangeFull."""
        address = self._cluster.addresses[family].allocate_next()
        self.taken_addresses.append(address)
        return address

    def take_port(self, port: int) -> None:
        """This node port. Raises AllocationError."""
        self._cluster.node_ports.allocate(port)
        self._taken_ports.append(port)

    def next_port(self) -> int:
        """Any node port. Raises RangeFull."""
        port = self._cluster.node_ports.allocate_next()
        self._taken_ports.append(port)
        return port

    @property
    def released_addresses(self) -> Sequence[str]:
        """Those that it frees on commit."""
        return self._releases.addresses

    def release(self, addresses: Sequence[str] = (), ports: Sequence[int] = ()) -> None:
        """Frees these on commit."""
        self._releases.add(addresses, ports)

    def commit(self) -> None:
        """The document is stored."""
        self._releases.carry_out()

    def rollback(self) -> None:
        """The document is not stored."""
        undo = Releases(self._cluster)
        undo.add(self.taken_addresses, self._taken_ports)
        undo.carry_out()


class DryRun(Request):
    """Claims of a dry run: checks what upstream's dry run checks and shows stand-ins; nothing is held or released.

    Its quirks are upstream's: an explicit port need not be in range, an explicit address may be held by another,
    an allocated address is the range's network address and an allocated port follows the highest one so far.
    """

    def take_address(self, address: str) -> None:
        self._cluster.addresses[ip.family(address)].check(address, bare=True)

    def next_address(self, family: Family) -> str:
        return self._cluster.addresses[family].ranges[0].network_address

    def take_port(self, port: int) -> None:
        if port in self._cluster.node_ports.held or port in self._taken_ports:
            raise AllocationError("provided port is already allocated")
        self._taken_ports.append(port)

    def next_port(self) -> int:
        self._taken_ports.append(max(self._taken_ports, default=32768) + 1)
        return self._taken_ports[-1]

    def commit(self) -> None:
        """Nothing to do."""

    def rollback(self) -> None:
        """Nothing to do."""


class Releases:
    """Addresses and ports to be freed together."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.addresses: list[str] = []
        self._ports: list[int] = []

    def add(self, addresses: Sequence[str], ports: Sequence[int]) -> None:
        """Notes them down."""
        self.addresses += addresses
        self._ports += ports

    def carry_out(self) -> None:
        """Frees them, once."""
        for address in self.addresses:
            if pool := self._cluster.addresses.get(ip.family(address)):
                pool.release(address)
        for port in self._ports:
            self._cluster.node_ports.held.give_back(port)
        self.addresses, self._ports = [], []
