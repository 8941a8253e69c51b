"""What can be reached from where: every Service port with its ways in, who may use them, and who stands behind.

Proven, not guessed: ways from outside are followed as packets (`trace`), those of pods and nodes are judged by the
policies. Pods are asked about by class (namespace, labels, named ports), never pod by pod, and a class of clients is
asked once for each different set of policies and port on the other side, however many Services share it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis.target import Place, Target
from portway.analysis.trace import Terrain, Trace, trace
from portway.model import Backend, Connection, NetworkPolicy, Pod, PolicySnapshot, Service, ServicePort, family_of
from portway.policy import judge

Entry = Literal["nodePort", "loadBalancer", "externalIP", "door", "clusterIP", "headless"]
Verdict = Literal["open", "partly", "closed", "none"]
"""partly: some backends, nodes or workloads; none: there is no way that could be used."""


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


class Clients(Struct, frozen=True):
    """Who inside may connect to the pods behind."""

    nodes: Verdict
    namespaces: tuple[str, ...]
    """Those of which every workload may."""
    partly: tuple[str, ...]
    """`namespace/workload` of those that may, where others of the namespace may not."""
    asked: int
    """How many classes of pods there are."""
    allowed: int


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
        self._classes = _classes(terrain.policies)
        self._policies: dict[str, dict[tuple[str, str], NetworkPolicy]] = {}
        for key, policy in terrain.policies.policies.items():
            self._policies.setdefault(key[0], {})[key] = policy
        limits = any("Egress" in policy.directions for policy in terrain.policies.policies.values())
        self._egress = limits or bool(terrain.policies.cluster_policies)
        """Whether clients' own policies may tell servers apart by labels."""
        self._answers: dict[tuple[object, ...], Clients] = {}
        self._deciding: dict[tuple[str, str], Mapping[tuple[str, str], NetworkPolicy]] = {}
        self._sizes = Counter(pod.namespace for pod in self._classes)
        self._backends: dict[tuple[str, str], list[tuple[str, str, Backend]]] = {}
        for piece in terrain.snapshot.slices.values():
            ready = [endpoint for endpoint in piece.endpoints if endpoint.ready]
            for slot in piece.ports:
                self._backends.setdefault((piece.namespace, piece.service), []).extend(
                    (slot.name, slot.protocol, Backend(e.address, slot.port, e.node_name, e.target)) for e in ready
                )

    def exposure(self, service: Service, port: ServicePort) -> Exposure:
        """One Service port, whole."""
        mine = self._behind(service, port)
        clients = self._clients(mine, port)
        ways = tuple(self._ways(service, port, self._terrain_of(mine)))
        restricted = self._restricted(mine, service)
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
            ways,
            tuple(dict.fromkeys(f"{self._workload(b)}:{b.port}" for b in mine)),
            len(pods),
            len({backend.node_name for backend in mine}),
            clients,
            restricted,
        )
        return _flagged(found)

    def _behind(self, service: Service, port: ServicePort) -> list[Backend]:
        entries = self._backends.get((service.namespace, service.name), ())
        mine = [b for name, protocol, b in entries if (name, protocol) == (port.name, port.protocol)]
        first = {family_of(b.address) for b in mine}
        family = "IPv4" if "IPv4" in first else "IPv6"
        return [backend for backend in mine if family_of(backend.address) == family]

    def _workload(self, backend: Backend) -> str:
        pod = self._pods.get(backend.address)
        return f"{pod.namespace}/{owner(pod.name)}" if pod else backend.address

    def _terrain_of(self, mine: Sequence[Backend]) -> Terrain:
        """With the policies of these backends' pods alone: nobody else's decide for a client from outside."""
        pods = {(pod.namespace, pod.name): pod for b in mine if (pod := self._pods.get(b.address))}
        deciding = {key: policy for pod in pods.values() for key, policy in self._deciders(pod).items()}
        return replace(self._terrain, policies=replace(self._terrain.policies, pods=pods, policies=deciding))

    def _ways(self, service: Service, port: ServicePort, terrain: Terrain) -> Iterator[Way]:
        nodes = list(self._terrain.snapshot.nodes.values())
        if port.node_port and nodes:
            alike = service.external_traffic_policy != "Local" and not _may_tell_nodes_apart(terrain)
            asked = nodes[:1] if alike else nodes
            traces = [
                self._from_outside(terrain, node.addresses, port.node_port, port) for node in asked if node.addresses
            ]
            yield _joined("nodePort", f"any node:{port.node_port}", traces)
        for address in service.load_balancer_ips:
            yield _joined(
                "loadBalancer", f"{address}:{port.port}", [self._from_outside(terrain, (address,), port.port, port)]
            )
        for address in service.external_ips:
            yield _joined(
                "externalIP", f"{address}:{port.port}", [self._from_outside(terrain, (address,), port.port, port)]
            )
        for door in self._doors.get((service.namespace, service.name), ()):
            if door.port == port.port:
                yield Way("door", door.address, "open", code="ROUTED")
        for address in service.cluster_ips:
            yield Way("clusterIP", f"{address}:{port.port}", "none", code="NO_ROUTE")
        if service.headless:
            yield Way("headless", f"pods:{port.target_port}", "none", code="NO_ROUTE")

    def _from_outside(self, terrain: Terrain, addresses: Sequence[str], number: int, port: ServicePort) -> Trace:
        families = {family_of(address) for address in self._terrain.outside}
        address = next((a for a in addresses if family_of(a) in families), addresses[0])
        target = Target(address, str(number), port.protocol, host=address)
        return trace(terrain, Place("outside"), target)

    def _restricted(self, mine: Sequence[Backend], service: Service) -> tuple[str, ...]:
        named = [f"NetworkPolicy {'/'.join(key)}" for key in sorted(self._isolating(mine))]
        named += [f"ClusterNetworkPolicy {name}" for name in self._terrain.policies.cluster_policies]
        return (*named, *(["loadBalancerSourceRanges"] if service.load_balancer_source_ranges else []))

    def _isolating(self, mine: Sequence[Backend]) -> set[tuple[str, str]]:
        pods = {one.name: one for b in mine if (one := self._pods.get(b.address))}.values()
        deciding = (entry for pod in pods for entry in self._deciders(pod).items())
        return {key for key, policy in deciding if "Ingress" in policy.directions}

    def _clients(self, mine: Sequence[Backend], port: ServicePort) -> Clients:
        """Asked once for each set of policies, named ports and number."""
        pods = {b.port: pod for b in mine if (pod := self._pods.get(b.address))}
        if not pods:
            return Clients("none", (), (), len(self._classes), 0)
        number, pod = next(iter(pods.items()))
        policies = frozenset(self._isolating(mine))
        labels = frozenset(pod.labels.items()) if self._egress else frozenset()
        key = (policies, number, port.protocol, pod.ports, pod.namespace, labels)
        if key not in self._answers:
            self._answers[key] = self._asked(pod, number, port.protocol)
        return self._answers[key]

    def _asked(self, server: Pod, number: int, protocol: str) -> Clients:
        allowed: dict[str, list[str]] = {}
        sure = not self._deciders(server) and not self._egress
        for client in self._candidates(server):
            if sure or self._may(client, server, number, protocol):
                allowed.setdefault(client.namespace, []).append(f"{client.namespace}/{owner(client.name)}")
        whole = tuple(sorted(space for space, names in allowed.items() if len(names) == self._sizes[space]))
        partly = tuple(sorted(name for space, names in allowed.items() if space not in whole for name in names))
        count = sum(map(len, allowed.values()))
        return Clients(self._nodes_may(server, number, protocol), whole, partly, len(self._classes), count)

    def _may(self, client: Pod, server: Pod, number: int, protocol: str) -> bool:
        snapshot = self._around(client, server)
        source = next((a for a in client.addresses if family_of(a) == family_of(server.addresses[0])), "")
        return bool(source) and judge(snapshot, Connection(source, server.addresses[0], protocol, number)).allowed

    def _nodes_may(self, server: Pod, number: int, protocol: str) -> Verdict:
        """Other nodes than the pod's own, which always may."""
        for node in self._terrain.snapshot.nodes.values():
            address = next((a for a in node.addresses if family_of(a) == family_of(server.addresses[0])), "")
            if node.name != server.node_name and address:
                connection = Connection(address, server.addresses[0], protocol, number)
                return "open" if judge(self._around(server, server), connection).allowed else "closed"
        return "open"

    def _candidates(self, server: Pod) -> Sequence[Pod]:
        """The classes that could be let in: only those of its namespace where no rule speaks of anybody else."""
        closing = [policy for policy in self._deciders(server).values() if "Ingress" in policy.directions]
        if not closing or self._terrain.policies.cluster_policies or any(map(_speaks_of_strangers, closing)):
            return self._classes
        return self._classes_by_namespace.get(server.namespace, ())

    @cached_property
    def _classes_by_namespace(self) -> Mapping[str, list[Pod]]:
        found: dict[str, list[Pod]] = {}
        for pod in self._classes:
            found.setdefault(pod.namespace, []).append(pod)
        return found

    def _deciders(self, pod: Pod) -> Mapping[tuple[str, str], NetworkPolicy]:
        """The policies that select a pod."""
        key = pod.namespace, pod.name
        if key not in self._deciding:
            mine = self._policies.get(pod.namespace, {})
            self._deciding[key] = {name: policy for name, policy in mine.items() if policy.pods.matches(pod.labels)}
        return self._deciding[key]

    def _around(self, client: Pod, server: Pod) -> PolicySnapshot:
        """What can decide between two pods, and nothing else: judging is a walk over it."""
        whole = self._terrain.policies
        policies = {**self._deciders(client), **self._deciders(server)}
        pods = {(client.namespace, client.name): client, (server.namespace, server.name): server}
        return PolicySnapshot(pods, whole.namespaces, policies, whole.cluster_policies, whole.nodes, whole.node_labels)


def _may_tell_nodes_apart(terrain: Terrain) -> bool:
    """Whether policies decide: a pod sees the client by its own node's door, and the other nodes by theirs."""
    return bool(terrain.policies.policies or terrain.policies.cluster_policies)


def _speaks_of_strangers(policy: NetworkPolicy) -> bool:
    """Whether an ingress rule can let in pods of other namespaces: everybody, namespaces or addresses."""
    return any(
        not rule.peers or any(peer.namespaces is not None or peer.block is not None for peer in rule.peers)
        for rule in policy.ingress
    )


def _classes(policies: PolicySnapshot) -> list[Pod]:
    """A pod for each namespace, labels and named ports: what policies cannot tell apart."""
    found: dict[tuple[object, ...], Pod] = {}
    for pod in policies.pods.values():
        if pod.has_policies:
            labels = {k: v for k, v in pod.labels.items() if k not in _BY_CONTROLLERS}
            found.setdefault((pod.namespace, frozenset(labels.items()), pod.ports), pod)
    return list(found.values())


_BY_CONTROLLERS = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    }
)


def owner(pod: str) -> str:
    """A pod's name without what its controllers appended: `web-7d9f8b6c5-x2x4z` is `web`, `db-0` is `db`."""
    parts = pod.split("-")
    if len(parts) > 2 and len(parts[-1]) == 5 and 8 <= len(parts[-2]) <= 10:
        return "-".join(parts[:-2])
    if len(parts) > 1 and (parts[-1].isdigit() or len(parts[-1]) == 5):
        return "-".join(parts[:-1])
    return pod


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
