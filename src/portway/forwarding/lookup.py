"""What becomes of one packet: research/service-semantics.md 5.10, in its order.

1. A load-balancer IP with source ranges that leave the client out drops it.
2. A packet to any clusterIP is marked for masquerade when masqueradeAll is set or it comes from no local pod.
3. A frontend at its very address, else a nodePort when the address accepts them, chooses the backends.
4. Chosen: forwarded, but for the share of connections whose endpoints are missing: that is rejected.
5. Not chosen: rejected or dropped for lack of endpoints; rejected at a clusterIP without such a port; dropped at an
   address of a ServiceCIDR that nobody holds.
6. Anything else is left alone.
"""

from collections import Counter

from msgspec import Struct

from portway.forwarding.frontend import Frontend, Target
from portway.forwarding.locality import accepts_node_ports, detects, from_local_pod
from portway.forwarding.table import ForwardingTable
from portway.model import Backend, Disposition, Packet, ProxyConfig, Reason, Verdict, contains, family_of


class _Path(Struct, frozen=True):
    """Which backends a frontend offers this client."""

    backends: tuple[Backend, ...]
    terminating: bool
    masquerade: bool


def lookup(table: ForwardingTable, packet: Packet) -> Verdict:
    """The verdict on a new connection's first packet, with every candidate backend. Never raises."""
    index = table.index
    direct = index.addresses.get((packet.destination, packet.protocol, packet.port))
    if direct is not None and _refuses(direct, packet):
        return _ended(Disposition.DROP, Reason.SOURCE_NOT_ALLOWED, direct)
    to_cluster_ip = packet.destination in index.cluster_ips
    mark = to_cluster_ip and _is_masqueraded(table.config, packet)
    by_port = None
    if accepts_node_ports(table.config, packet.destination):
        by_port = index.node_ports.get((family_of(packet.destination), packet.protocol, packet.port))
    for frontend in (direct, by_port):
        if frontend is not None and frontend.target.has_endpoints:
            return _through(table, frontend, packet, mark)
    if direct is not None:
        return _without_backends(direct, mark)
    if to_cluster_ip:
        return _ended(Disposition.REJECT, Reason.SERVICE_PORT_UNDEFINED, masquerade=mark)
    if any(contains(cidr, packet.destination) for cidr in table.service_cidrs):
        return _ended(Disposition.DROP, Reason.CLUSTER_IP_UNALLOCATED)
    return _without_backends(by_port, mark) if by_port is not None else _UNTOUCHED


_UNTOUCHED = Verdict(Disposition.PASS, Reason.NOT_A_FRONTEND)


def _refuses(frontend: Frontend, packet: Packet) -> bool:
    ranges = frontend.source_ranges
    return bool(ranges) and not any(contains(cidr, packet.source) for cidr in ranges)


def _is_masqueraded(config: ProxyConfig, packet: Packet) -> bool:
    if config.masquerade_all:
        return True
    detector = config.local_detector
    return detects(detector, family_of(packet.destination)) and not from_local_pod(detector, packet)


def _through(table: ForwardingTable, frontend: Frontend, packet: Packet, mark: bool) -> Verdict:
    path = _path(table.config, frontend, packet)
    masquerade = mark or path.masquerade
    if not path.backends:
        return _without_backends(frontend, masquerade)
    itself = tuple(backend for backend in path.backends if backend.address == packet.source)
    return Verdict(
        Disposition.FORWARD,
        Reason.FORWARDED_TERMINATING if path.terminating else Reason.FORWARDED,
        path.backends,
        frontend.target.name,
        frontend.kind,
        masquerade,
        itself if itself and packet.source in table.returning else (),
        _weights(frontend.target),
        frontend.target.refused,
    )


def _weights(target: Target) -> tuple[int, ...]:
    """Targets with shares have no other path than policy Cluster's."""
    if not target.slots:
        return ()
    drawn = Counter(target.slots)
    return tuple(drawn[backend] for backend in target.cluster)


def _path(config: ProxyConfig, frontend: Frontend, packet: Packet) -> _Path:
    """The traffic policy's choice; under externalTrafficPolicy Local pods and the node itself are let through."""
    target, inside = frontend.target, frontend.kind == "clusterIP"
    if not frontend.local_policy:
        return _Path(target.cluster, target.cluster_terminating, masquerade=not inside)
    if not inside:
        if from_local_pod(config.local_detector, packet):
            return _Path(target.cluster, target.cluster_terminating, masquerade=False)
        if packet.source in config.node_addresses:
            return _Path(target.cluster, target.cluster_terminating, masquerade=True)
    return _Path(target.local, target.local_terminating, masquerade=False)


def _without_backends(frontend: Frontend, mark: bool) -> Verdict:
    reason = Reason.NO_LOCAL_ENDPOINT if frontend.target.has_endpoints else Reason.NO_ENDPOINTS
    return _ended(frontend.without_backends, reason, frontend, mark)


def _ended(
    disposition: Disposition, reason: Reason, frontend: Frontend | None = None, masquerade: bool = False
) -> Verdict:
    name, kind = (frontend.target.name, frontend.kind) if frontend is not None else (None, "")
    return Verdict(disposition, reason, (), name, kind, masquerade)
