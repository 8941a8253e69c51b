"""Which way one packet takes: from a place, to a target, hop by hop, to its end and the reason.

A client's first packet meets at most two forwarding tables: its own node's (nodes and pods dial through it), and, when
it is addressed to another node, that node's. Outside clients meet the table of the node they dial; no route leads
them to clusterIPs or pods.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis import balancing, replies
from portway.analysis.balancing import Balancing
from portway.analysis.policy import Judged, findings, judged
from portway.analysis.target import Place, Target
from portway.forwarding import ForwardingTable, hops, lookup
from portway.kubeapi.cluster import NODE_PORT_RANGE
from portway.loadbalancer import Refusal
from portway.model import (
    NODEPORT_UNSET,
    Backend,
    Disposition,
    Hop,
    Packet,
    PolicySnapshot,
    Protocol,
    Reason,
    Service,
    ServicePort,
    Snapshot,
    Verdict,
    family_of,
)

#: What a code says, in a sentence. Codes of forwarding (model.Reason), of policies (policy.Reason, those that deny) and
#: those that only a trace can give.
MEANING = {
    "FORWARDED": "the packet reaches one of the backends",
    "FORWARDED_TERMINATING": "only terminating pods are left, and they still serve",
    "NO_ENDPOINTS": "no pod is ready behind this port: the node refuses the connection",
    "NO_LOCAL_ENDPOINT": "the traffic policy is Local and no ready pod runs on this node: the node drops the packet",
    "SOURCE_NOT_ALLOWED": "the client is outside loadBalancerSourceRanges: the node drops the packet",
    "SERVICE_PORT_UNDEFINED": "the Service has this address but not this port: the node refuses the connection",
    "CLUSTER_IP_UNALLOCATED": "no Service has this cluster IP: the node drops the packet",
    "NO_RULE_MATCHES": "NetworkPolicies isolate the pod and none of their rules matches: the packet is dropped",
    "RULE_DENIES": "a ClusterNetworkPolicy denies it: the packet is dropped",
    "POLICY_UNREADABLE": "a policy that cannot be read closes the pod: the packet is dropped",
    "POD_DIRECT": "straight to the pod's own address, without any Service",
    NODEPORT_UNSET: "no Service has this nodePort: the node itself refuses the connection",
    "NO_ROUTE": "nothing outside the cluster has a route to this address",
    "UNKNOWN_ADDRESS": "no node, pod or Service has this address",
    "NO_ADDRESS_IN_FAMILY": "the client has no address of the target's IP family",
    "SVC_NOT_FOUND": "there is no such Service",
    "SVC_PORT_NOT_FOUND": "the Service has no such port",
    "HEADLESS_NO_MAPPING": "the Service is headless: it has no address, and clients dial its pods' own ports",
    "EXTERNAL_NAME": "the Service is only a name for another host; nothing is forwarded",
    "NODE_NOT_FOUND": "there is no such node",
    "POD_NOT_FOUND": "there is no such pod, or it has no address yet",
    "DNS_WRONG_DOMAIN": "the name ends in another domain than the cluster's, so cluster DNS does not know it",
    "DNS_WRONG_NAMESPACE": "the name means no Service in the client's namespace, but one of another namespace has it",
    **balancing.MEANING,
    **replies.MEANING,
}
_ARRIVES = {"FORWARDED", "FORWARDED_TERMINATING", "POD_DIRECT"}


class Pod(Struct, frozen=True):
    """A pod as the network sees it."""

    namespace: str
    name: str
    node: str
    addresses: tuple[str, ...] = ()
    ports: frozenset[tuple[Protocol, int]] = frozenset()
    """What its containers declare; something else may listen, and a declared port may be deaf."""


class Terrain(Struct, frozen=True):
    """Where packets can travel: the cluster's objects, each node's table, and the outside's addresses."""

    snapshot: Snapshot
    tables: Mapping[str, ForwardingTable]
    pods: Mapping[tuple[str, str], Pod]
    outside: tuple[str, ...] = ()
    policies: PolicySnapshot = PolicySnapshot()
    balancing: Balancing = Balancing()
    delivered: Mapping[str, str] = {}
    """Addresses that something outside the cluster, such as a cloud's load balancer, delivers to a node."""
    pod_cidrs: tuple[str, ...] = ()
    """By which nodes know pods, where `tables` were made with any."""
    cluster_domain: str = ""
    """What names of Services end in; empty: nobody said, and any will do."""


class Trace(Struct, frozen=True):
    """A packet's way and its end."""

    target: str
    origin: str
    code: str
    arrives: bool
    hops: tuple[Hop, ...] = ()
    packet: Packet | None = None
    disposition: str = ""
    """Empty when no packet could be sent at all."""
    backends: tuple[Backend, ...] = ()
    shares: tuple[float, ...] = ()
    """The part of new connections that each backend gets, where they are not all the same, or some are refused."""
    masquerade: bool = False
    frontend: str = ""
    service_port: str = ""
    refused: float = 0.0
    """The part that is refused although there are backends: a Gateway's route gives it to one without endpoints."""
    sticky: bool = False
    """The Service remembers its clients (sessionAffinity ClientIP): each always draws the same backend."""
    judged: tuple[Judged, ...] = ()
    """What policies, and the way back, make of each backend."""
    undeclared: tuple[Backend, ...] = ()
    """Those of them whose pods declare no such port: whether something listens there, nobody has said."""
    findings: tuple[str, ...] = ()
    """What else a person should know: how to lift a denial, what policies cannot see."""

    @property
    def meaning(self) -> str:
        """The code in a sentence."""
        return MEANING[self.code]

    @property
    def reached(self) -> tuple[Backend, ...]:
        """The backends that nothing keeps the packet from, one of which gets it; or the pod dialled directly."""
        if not self.arrives:
            return ()
        kept = {fate.backend for fate in self.judged if not fate.allowed}
        direct = [fate.backend for fate in self.judged] if not self.backends else []
        return tuple(backend for backend in (*self.backends, *direct) if backend not in kept)


_OWN_NODES_OTHERS = "an address of the pod's own node that its Node object does not name would not be closed to it"


class _Unsendable(Exception):
    """No packet can be made for this question; the arguments are the code, and more findings."""


def trace(terrain: Terrain, origin: Place, target: Target) -> Trace:
    """Follows the first packet of a connection from `origin` to `target`."""
    try:
        packet = _packet(terrain, origin, target)
    except _Unsendable as end:
        code, *more = end.args
        return Trace(target.text, str(origin), code, arrives=False, hops=(_client(origin, None),), findings=tuple(more))
    found = _walk(terrain, origin, target, packet)
    return replace(found, undeclared=tuple(_undeclared(terrain, found))) if found.arrives else found


def _undeclared(terrain: Terrain, found: Trace) -> Iterator[Backend]:
    """Of the backends that the packet may reach. Pods in a node's network share its addresses."""
    assert found.packet is not None
    reached = {backend.address for backend in found.reached}
    pods = [pod for pod in terrain.pods.values() if not reached.isdisjoint(pod.addresses)]
    for backend in found.reached:
        own = [pod for pod in pods if backend.address in pod.addresses]
        if own and not any((found.packet.protocol, backend.port) in pod.ports for pod in own):
            yield backend


def _packet(terrain: Terrain, origin: Place, target: Target) -> Packet:
    destination, protocol, port = _destination(terrain, origin, target)
    mine = [a for a in _addresses(terrain, origin) if family_of(a) == family_of(destination)]
    if not mine:
        raise _Unsendable("NO_ADDRESS_IN_FAMILY")
    return Packet(mine[0], destination, protocol, port)


def _addresses(terrain: Terrain, origin: Place) -> tuple[str, ...]:
    if origin.kind == "outside":
        return (origin.name,) if origin.name else terrain.outside
    if origin.kind == "node":
        return _node_addresses(terrain, origin.name)
    pod = terrain.pods.get((origin.namespace, origin.name))
    if pod is None or not pod.addresses:
        raise _Unsendable("POD_NOT_FOUND")
    return pod.addresses


def _node_addresses(terrain: Terrain, name: str) -> tuple[str, ...]:
    if name not in terrain.snapshot.nodes:
        raise _Unsendable("NODE_NOT_FOUND")
    return terrain.snapshot.nodes[name].addresses


def _destination(terrain: Terrain, origin: Place, target: Target) -> tuple[str, Protocol, int]:
    if target.service is not None:
        return _service_destination(terrain, origin, target)
    is_address = ":" in target.host or target.host.replace(".", "").isdigit()
    if is_address:
        return target.host, target.protocol or "TCP", int(target.port)
    if target.host not in terrain.snapshot.nodes and (named := _named_service(terrain, origin, target.host)):
        return _service_destination(terrain, origin, replace(target, service=named))
    return _node_addresses(terrain, target.host)[0], target.protocol or "TCP", int(target.port)


def _named_service(terrain: Terrain, origin: Place, host: str) -> tuple[str, str] | None:
    """The Service that a name of cluster DNS means to this client; None for a plain word that none has."""
    short = _without_domain(host.removesuffix("."), terrain.cluster_domain)
    name, dot, namespace = short.partition(".")
    own = origin.namespace or "default"
    services = terrain.snapshot.services
    if (namespace or own, name) in services:
        return namespace or own, name
    elsewhere = sorted(space for space, other in services if other == name)
    if elsewhere:
        raise _Unsendable("DNS_WRONG_NAMESPACE", f"fix: {name}.{elsewhere[0]} instead of {host}")
    if dot:
        raise _Unsendable("SVC_NOT_FOUND")
    return None


def _without_domain(name: str, domain: str) -> str:
    """`web.shop` of `web.shop.svc.DOMAIN`, of `web.shop.svc` and of itself."""
    short, svc, end = name.partition(".svc.")
    if svc and domain and end != domain:
        raise _Unsendable("DNS_WRONG_DOMAIN", f"fix: {short}.svc.{domain}")
    return short.removesuffix(".svc")


def _service_destination(terrain: Terrain, origin: Place, target: Target) -> tuple[str, Protocol, int]:
    service = terrain.snapshot.services.get(target.service or ("", ""))
    if service is None:
        raise _Unsendable("SVC_NOT_FOUND")
    if not service.cluster_ips:
        raise _Unsendable("HEADLESS_NO_MAPPING" if service.headless else "EXTERNAL_NAME")
    port = _named_port(service, target)
    if origin.kind == "outside" and service.type == "LoadBalancer":
        return _balanced_address(terrain, origin, service), port.protocol, port.port
    return service.cluster_ips[0], port.protocol, port.port


def _balanced_address(terrain: Terrain, origin: Place, service: Service) -> str:
    """What outside clients dial."""
    if not service.load_balancer_ips:
        why = balancing.pending(terrain.balancing, (service.namespace, service.name))
        raise _Unsendable(why.code, f"why: {why.message}")
    mine = {family_of(address) for address in _addresses(terrain, origin)}
    return next((a for a in service.load_balancer_ips if family_of(a) in mine), service.load_balancer_ips[0])


def _named_port(service: Service, target: Target) -> ServicePort:
    for port in service.ports:
        if target.port in (port.name, str(port.port)) and target.protocol in (None, port.protocol):
            return port
    there = ", ".join(f"{f'{port.name} ' if port.name else ''}{port.port}/{port.protocol}" for port in service.ports)
    raise _Unsendable("SVC_PORT_NOT_FOUND", f"fix: {service.namespace}/{service.name} has {there or 'no ports'}")


def _walk(terrain: Terrain, origin: Place, target: Target, packet: Packet) -> Trace:
    start = _client(origin, packet)
    entry = _entry(terrain, packet) if origin.kind == "outside" else None
    if isinstance(entry, Refusal):
        ended = _ended(origin, target, packet, entry.code, (start,))
        return replace(ended, findings=(f"why: {entry.message}",))
    if origin.kind == "outside" and entry is None:
        return _ended(origin, target, packet, "NO_ROUTE", (start,))
    for node in _nodes_on_the_way(terrain, origin, packet, entry):
        verdict = lookup(terrain.tables[node], packet)
        if verdict.disposition is not Disposition.PASS:
            return _cautioned(terrain, origin, packet, _translated(terrain, origin, target, packet, node, verdict))
    return _untouched(terrain, origin, target, packet, start)


def _translated(terrain: Terrain, origin: Place, target: Target, packet: Packet, node: str, verdict: Verdict) -> Trace:
    """The end that `node` decides. What a pod sends to another node is judged by its own first, untranslated."""
    start = _client(origin, packet)
    pod = origin.kind == "pod" and _node_of(terrain, packet.source) is None
    abroad = pod and node != _home(terrain, origin)
    if abroad:
        there = Hop("node", node, packet.destination, packet.port)
        kept = _let_out(terrain, _ended(origin, target, packet, verdict.reason.value, (start, there)))
        if kept.judged:
            return kept
    found = _decided(terrain, origin, target, packet, verdict, (start, *hops(terrain.tables[node], packet, verdict)))
    found = replace(found, sticky=_sticky(terrain, verdict))
    found = _policed(terrain, found, found.backends, node if verdict.masquerade else "", let_out=abroad)
    return _answered(found, replies.lost(packet, verdict, found.backends, node, abroad=abroad)) if pod else found


def _answered(found: Trace, lost: Mapping[Backend, str]) -> Trace:
    """The same without the backends whose answers are lost; by backend the reason."""
    fates = [
        replace(fate, allowed=False, code=lost[fate.backend], by="", rule=-1)
        if fate.allowed and fate.backend in lost
        else fate
        for fate in found.judged
    ]
    return _with_fates(found, tuple(fates))


def _entry(terrain: Terrain, packet: Packet) -> str | Refusal | None:
    """The node at which an outside client's packet arrives, or why it arrives nowhere; None: there is no way."""
    node = _node_of(terrain, packet.destination)
    service = terrain.balancing.service_at(packet.destination)
    if node is not None or service is None:
        return node or terrain.delivered.get(packet.destination)
    local = balancing.local_nodes(terrain.snapshot, service.key)
    found = balancing.announcer(terrain.balancing, service, packet.destination, local)
    if isinstance(found, Refusal):
        told = found.code == "LB_BGP_ONLY" and terrain.delivered.get(packet.destination)
        return told or found
    return found.name


def _cautioned(terrain: Terrain, origin: Place, packet: Packet, found: Trace) -> Trace:
    service = terrain.balancing.service_at(packet.destination)
    if service is None or not found.arrives:
        return found
    local = balancing.local_nodes(terrain.snapshot, service.key)
    said = balancing.cautions(
        terrain.balancing, service, packet.destination, origin.kind, local, hidden=found.masquerade
    )
    return replace(found, findings=(*found.findings, *said))


def _nodes_on_the_way(terrain: Terrain, origin: Place, packet: Packet, entry: str | None) -> list[str]:
    own = _home(terrain, origin)
    addressed = entry or _node_of(terrain, packet.destination)
    return [node for node in dict.fromkeys((own, addressed)) if node is not None and node in terrain.tables]


def _home(terrain: Terrain, origin: Place) -> str | None:
    if origin.kind == "pod":
        return terrain.pods[(origin.namespace, origin.name)].node
    return origin.name if origin.kind == "node" else None


def _node_of(terrain: Terrain, address: str) -> str | None:
    return next((n.name for n in terrain.snapshot.nodes.values() if address in n.addresses), None)


def _client(origin: Place, packet: Packet | None) -> Hop:
    return Hop("client", str(origin), packet.source if packet else "")


def _decided(
    terrain: Terrain, origin: Place, target: Target, packet: Packet, verdict: Verdict, way: tuple[Hop, ...]
) -> Trace:
    return Trace(
        target=target.text,
        origin=str(origin),
        code=verdict.reason.value,
        arrives=verdict.reason in (Reason.FORWARDED, Reason.FORWARDED_TERMINATING),
        hops=way,
        packet=packet,
        disposition=verdict.disposition.value,
        backends=tuple(_located(terrain, backend) for backend in verdict.backends),
        shares=verdict.shares if verdict.weights or verdict.refused else (),
        refused=verdict.refused_share,
        masquerade=verdict.masquerade,
        frontend=verdict.frontend,
        service_port=str(verdict.service_port or ""),
    )


def _located(terrain: Terrain, backend: Backend) -> Backend:
    """With its node and name where only the EndpointSlice leaves them out."""
    if backend.node_name:
        return backend
    pod = next((pod for pod in terrain.pods.values() if backend.address in pod.addresses), None)
    if pod is None:
        return replace(backend, node_name=_node_of(terrain, backend.address) or "")
    return replace(backend, node_name=pod.node, target=backend.target or pod.name)


def _sticky(terrain: Terrain, verdict: Verdict) -> bool:
    name = verdict.service_port
    service = terrain.snapshot.services.get((name.namespace, name.name)) if name else None
    return bool(service and service.session_affinity_seconds)


def _policed(
    terrain: Terrain, found: Trace, backends: tuple[Backend, ...], masquerading: str, let_out: bool = False
) -> Trace:
    """The same after policies had their say; their code when they let none of the backends be reached.

    `let_out`: the client's own node has let the packet go before it was translated.
    """
    if found.packet is None or not backends:
        return found
    node = terrain.snapshot.nodes.get(masquerading)
    fates = judged(terrain.policies, found.packet, backends, node, let_out=let_out)
    said = tuple(findings(terrain.policies, found.packet, fates))
    return _with_fates(replace(found, findings=said), fates)


def _with_fates(found: Trace, fates: tuple[Judged, ...]) -> Trace:
    if not fates or any(fate.allowed for fate in fates):
        return replace(found, judged=fates)
    return replace(found, judged=fates, code=fates[0].code, arrives=False, disposition="drop")


def _untouched(terrain: Terrain, origin: Place, target: Target, packet: Packet, start: Hop) -> Trace:
    node = _node_of(terrain, packet.destination)
    numbered = node is not None and NODE_PORT_RANGE[0] <= packet.port <= NODE_PORT_RANGE[1]
    for pod in terrain.pods.values():
        # A pod on the host's network has its node's addresses, and nothing of its own among the nodePorts.
        if packet.destination in pod.addresses and not numbered:
            hop = Hop("pod", f"{pod.namespace}/{pod.name}", packet.destination, packet.port)
            found = _ended(origin, target, packet, "POD_DIRECT", (start, hop))
            return _policed(terrain, found, (Backend(packet.destination, packet.port, pod.node, pod.name),), "")
    if node is not None:
        hop = Hop("node", node, packet.destination, packet.port)
        return _let_out(terrain, _ended(origin, target, packet, NODEPORT_UNSET, (start, hop)))
    balanced = terrain.balancing.service_at(packet.destination)
    code = "LB_PORT_UNDEFINED" if balanced else "UNKNOWN_ADDRESS"
    return _let_out(terrain, _ended(origin, target, packet, code, (start,)))


def _let_out(terrain: Terrain, found: Trace) -> Trace:
    """The same after the client's own policies had their say of an address that is no pod's, where they deny it."""
    assert found.packet is not None
    end = Backend(found.packet.destination, found.packet.port)
    policed = _policed(terrain, found, (end,), "")
    if policed.judged[0].allowed:
        return found
    caution = () if _node_of(terrain, end.address) else (_OWN_NODES_OTHERS,)
    return replace(policed, findings=(*policed.findings, *caution))


def _ended(origin: Place, target: Target, packet: Packet, code: str, hops: tuple[Hop, ...]) -> Trace:
    return Trace(target.text, str(origin), code, code in _ARRIVES, hops, packet, "pass")
