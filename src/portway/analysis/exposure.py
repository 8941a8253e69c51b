"""What can be reached from where: every Service port with its ways in, who may use them, and who stands behind.

Proven, not guessed: ways from outside are followed as packets (`trace`) through one node of each class of nodes that
they could tell apart, those of pods and nodes are judged by the policies (`insiders`). A packet sees only what its
frontend has to do with: what the whole costs is the sum of its parts.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis.excerpt import Excerpts
from portway.analysis.insiders import Clients, Insiders, Verdict, owner
from portway.analysis.nodeclasses import NodeClasses, Speaks
from portway.analysis.target import Place, Target
from portway.analysis.trace import Terrain, Trace, trace
from portway.model import Backend, EndpointSlice, Node, Pod, Service, ServicePort, family_of
from portway.policy import Deciders

Entry = Literal["nodePort", "loadBalancer", "externalIP", "door", "clusterIP", "headless"]


class Way(Struct, frozen=True):
    """One way into a Service port."""

    entry: Entry
    address: str
    """`any node:30080`, `192.0.2.1:80`, `shop.example/cart`, `10.96.1.1:80`."""
    outside: Verdict
    """Whether a client outside the cluster gets through."""
    example: str = ""
    """A connection that shows it: `outside 172.18.0.1 → node-1:30080 → 10.244.1.2:8080`."""
    code: str = ""
    """Why not, or how: a trace's code."""


class Exposure(Struct, frozen=True):
    """One Service port."""

    namespace: str
    service: str
    port_name: str
    protocol: str
    port: int
    target_port: str
    node_port: int
    """0: none."""
    drawn: bool
    """Whether the nodePort is nobody's choice: another cluster, or the next day, has another."""
    type: str
    ways: tuple[Way, ...]
    backends: tuple[str, ...]
    """`workload:port`, each once."""
    pods: int
    nodes: int
    """On how many nodes the pods are."""
    clients: Clients
    restricted_by: tuple[str, ...]
    """Policies that isolate the pods, and `loadBalancerSourceRanges`."""
    flags: tuple[str, ...] = ()
    """`unrestricted`: open to the outside, and nothing limits who; `single-pod`, `single-node`, `no-pods`."""

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What it is known by over time: the port's name, or its number where it has none."""
        return self.namespace, self.service, self.port_name, 0 if self.port_name else self.port, self.protocol

    @property
    def outside(self) -> bool:
        """Whether some way leads in from outside."""
        return any(way.outside in ("open", "partly") for way in self.ways)

    @property
    def named(self) -> str:
        """`shop/web:http`, `shop/web:80`."""
        return f"{self.namespace}/{self.service}:{self.port_name or self.port}"


class Door(Struct, frozen=True):
    """A route of layer 7 to a Service port."""

    service: tuple[str, str]
    port: int
    address: str
    """`https://shop.example/cart`."""


def exposures(
    terrain: Terrain, doors: Sequence[Door] = (), drawn: frozenset[tuple[str, str, int]] = frozenset()
) -> tuple[Exposure, ...]:
    """All Service ports of a cluster, by namespace, name and order. `drawn`: see Imagined."""
    view = _View(terrain, doors, drawn)
    services = sorted(terrain.snapshot.services.values(), key=lambda one: (one.namespace, one.name))
    return tuple(view.exposure(service, port) for service in services for port in service.ports)


class _View:
    """A cluster, indexed for many questions."""

    def __init__(self, terrain: Terrain, doors: Sequence[Door], drawn: frozenset[tuple[str, str, int]]) -> None:
        self._drawn = drawn
        self._terrain = terrain
        self._doors: dict[tuple[str, str], list[Door]] = {}
        for door in doors:
            self._doors.setdefault(door.service, []).append(door)
        self._pods = {address: pod for pod in terrain.policies.pods.values() for address in pod.addresses}
        self._deciders = Deciders(terrain.policies.policies.values())
        self._insiders = Insiders(terrain.policies, self._deciders)
        self._excerpts = Excerpts(terrain)
        self._nodes = NodeClasses(terrain.snapshot.nodes.values(), terrain.policies.node_labels)
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = {}
        for piece in terrain.snapshot.slices.values():
            self._slices.setdefault((piece.namespace, piece.service), []).append(piece)

    def exposure(self, service: Service, port: ServicePort) -> Exposure:
        """One Service port, whole."""
        mine = self._behind(service, port)
        pods = {backend.target or backend.address for backend in mine}
        found = Exposure(
            service.namespace,
            service.name,
            port.name,
            port.protocol,
            port.port,
            str(port.target_port),
            port.node_port,
            bool(port.node_port) and (service.namespace, service.name, port.port) in self._drawn,
            service.type,
            tuple(self._ways(service, port, mine)),
            tuple(dict.fromkeys(f"{self._workload(b)}:{b.port}" for b in mine)),
            len(pods),
            len({backend.node_name for backend in mine}),
            self._clients(mine, port),
            self._restricted(mine, service),
        )
        return _flagged(found)

    def _behind(self, service: Service, port: ServicePort) -> list[Backend]:
        mine = [
            Backend(endpoint.address, slot.port, endpoint.node_name, endpoint.target)
            for piece in self._slices.get((service.namespace, service.name), ())
            for slot in piece.ports
            if (slot.name, slot.protocol) == (port.name, port.protocol)
            for endpoint in piece.endpoints
            if endpoint.ready
        ]
        first = {family_of(b.address) for b in mine}
        family = "IPv4" if "IPv4" in first else "IPv6"
        return [backend for backend in mine if family_of(backend.address) == family]

    def _workload(self, backend: Backend) -> str:
        pod = self._pods.get(backend.address)
        return f"{pod.namespace}/{owner(pod.name)}" if pod else backend.address

    def _behind_them(self, mine: Iterable[Backend]) -> list[Pod]:
        return [pod for backend in mine if (pod := self._pods.get(backend.address))]

    def _policed(self, terrain: Terrain, mine: Sequence[Backend]) -> Terrain:
        """With the policies of these backends' pods alone: nobody else's decide for a client from outside."""
        pods = {(pod.namespace, pod.name): pod for pod in self._behind_them(mine)}
        deciding = {(one.namespace, one.name): one for pod in pods.values() for one in self._deciders.of(pod)}
        return replace(terrain, policies=replace(self._terrain.policies, pods=pods, policies=deciding))

    def _ways(self, service: Service, port: ServicePort, mine: Sequence[Backend]) -> Iterator[Way]:
        terrain = self._policed(self._terrain, mine)
        if port.node_port and self._terrain.snapshot.nodes:
            asked = [(node.addresses, port.node_port) for node in self._asked(terrain, service, port.node_port)]
            yield _joined("nodePort", f"any node:{port.node_port}", self._from_outside(terrain, asked, port))
        outer: dict[Entry, tuple[str, ...]] = {
            "loadBalancer": service.load_balancer_ips,
            "externalIP": service.external_ips,
        }
        for entry, addresses in outer.items():
            for address in addresses:
                traces = self._from_outside(terrain, [((address,), port.port)], port)
                yield _joined(entry, f"{address}:{port.port}", traces)
        for door in self._doors.get((service.namespace, service.name), ()):
            if door.port == port.port:
                yield Way("door", door.address, "open", code="ROUTED")
        for address in service.cluster_ips:
            yield Way("clusterIP", f"{address}:{port.port}", "none", code="NO_ROUTE")
        if service.headless:
            yield Way("headless", f"pods:{port.target_port}", "none", code="NO_ROUTE")

    def _asked(self, terrain: Terrain, service: Service, number: int) -> list[Node]:
        """One node of each class: policies that see nodes, and Local, tell them apart."""
        if service.external_traffic_policy != "Local" and not _may_tell_nodes_apart(terrain):
            return [node for node in terrain.snapshot.nodes.values() if node.addresses][:1]
        found = [one for piece in self._excerpts.behind(number) for one in self._kinds(piece)]
        return self._nodes.firsts(_spoken(terrain), found)

    def _kinds(self, piece: EndpointSlice) -> Iterator[tuple[str, Hashable]]:
        """Each endpoint's node and what tells it from others on the way from outside."""
        for one in piece.endpoints:
            pod = self._pods.get(one.address)
            said = tuple((policy.namespace, policy.name) for policy in self._deciders.of(pod)) if pod else one.address
            labels = frozenset(pod.labels.items()) if pod and self._terrain.policies.cluster_policies else None
            state = one.ready, one.serving, one.terminating, one.zone_hints, one.node_hints
            kind = (said, labels, pod.ports if pod else (), state, piece.ports, piece.service)
            yield one.node_name, kind
            yield from ((node, ("hinted", node, kind)) for node in one.node_hints)

    def _from_outside(
        self, terrain: Terrain, doors: Sequence[tuple[Sequence[str], int]], port: ServicePort
    ) -> list[Trace]:
        """A packet to each of these addresses (the first that outside has a family for) and numbers."""
        families = {family_of(address) for address in self._terrain.outside}
        dialled = [(next((a for a in them if family_of(a) in families), them[0]), number) for them, number in doors]
        near = self._excerpts.around(terrain, dialled)
        return [
            trace(near, Place("outside"), Target(address, str(number), port.protocol, host=address))
            for address, number in dialled
        ]

    def _restricted(self, mine: Sequence[Backend], service: Service) -> tuple[str, ...]:
        closing = {
            f"{policy.namespace}/{policy.name}"
            for pod in self._behind_them(mine)
            for policy in self._deciders.of(pod)
            if "Ingress" in policy.directions
        }
        named = [f"NetworkPolicy {name}" for name in sorted(closing)]
        named += [f"ClusterNetworkPolicy {name}" for name in self._terrain.policies.cluster_policies]
        return (*named, *(["loadBalancerSourceRanges"] if service.load_balancer_source_ranges else []))

    def _clients(self, mine: Sequence[Backend], port: ServicePort) -> Clients:
        pods = {b.port: pod for b in mine if (pod := self._pods.get(b.address))}
        number, pod = next(iter(pods.items()), (0, None))
        return self._insiders.of(pod, number, port.protocol)


def _may_tell_nodes_apart(terrain: Terrain) -> bool:
    """Whether policies decide: a pod sees the client by its own node's door, and the other nodes by theirs."""
    return bool(terrain.policies.policies or terrain.policies.cluster_policies)


def _spoken(terrain: Terrain) -> Speaks:
    """What the policies of a terrain say of addresses."""
    network = [peer for one in terrain.policies.policies.values() for rule in one.ingress for peer in rule.peers]
    blocks = [peer.block for peer in network if peer.block]
    cluster = [
        peer for one in terrain.policies.cluster_policies.values() for rule in one.ingress for peer in rule.peers
    ]
    cidrs = {cidr for block in blocks for cidr in (block.cidr, *block.excepts)}
    cidrs |= {cidr for peer in cluster for cidr in peer.networks}
    return Speaks(frozenset(cidrs), frozenset(peer.nodes for peer in cluster if peer.nodes is not None))


def _joined(entry: Entry, address: str, traces: Sequence[Trace]) -> Way:
    """One way in, of one trace or of one a node."""
    arriving = [found for found in traces if found.arrives]
    shown = (arriving or list(traces))[0] if traces else None
    if shown is None:
        return Way(entry, address, "none")
    denied = any(not fate.allowed for found in arriving for fate in found.judged)
    verdict: Verdict = "closed" if not arriving else "partly" if denied or len(arriving) < len(traces) else "open"
    return Way(entry, address, verdict, _example(shown) if arriving else "", shown.code)


def _example(found: Trace) -> str:
    allowed = {fate.backend for fate in found.judged if fate.allowed}
    backend = next((b for b in found.backends if not found.judged or b in allowed), None)
    source = found.packet.source if found.packet else ""
    return f"outside {source} → {found.target}:{found.packet.port if found.packet else ''} → {backend}"


def _flagged(found: Exposure) -> Exposure:
    flags = []
    if found.outside and not found.restricted_by:
        flags.append("unrestricted")
    if not found.pods:
        flags.append("no-pods")
    elif found.outside and found.pods == 1:
        flags.append("single-pod")
    elif found.outside and found.nodes == 1:
        flags.append("single-node")
    return replace(found, flags=tuple(flags))


def by_key(found: Sequence[Exposure]) -> Mapping[tuple[str, str, str, int, str], Exposure]:
    """For comparing two moments."""
    return {one.key: one for one in found}
