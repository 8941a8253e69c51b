"""The steps of a packet's way on the node that decided about it: the node, the ServicePort, the pod."""

from collections.abc import Iterator

from portway.forwarding.table import ForwardingTable
from portway.model import Backend, Disposition, Hop, Packet, ServicePortName, Verdict, family_of


def hops(table: ForwardingTable, packet: Packet, verdict: Verdict) -> tuple[Hop, ...]:
    """What `lookup(table, packet)` means step by step; nothing for a packet that is left alone.

    The pod is a step when there is one candidate; several are in `verdict.backends`, as the ServicePort's note says.
    """
    if verdict.disposition is Disposition.PASS:
        return ()
    way = [Hop("node", table.config.node_name, packet.destination, packet.port, note=_source_note(packet, verdict))]
    if verdict.service_port is not None:
        way.append(_service_hop(table, packet, verdict, verdict.service_port))
    if len(verdict.backends) == 1:
        way.append(_pod_hop(verdict.backends[0], packet))
    return tuple(way)


def _source_note(packet: Packet, verdict: Verdict) -> str:
    """What becomes of the client's address: masqueraded to the node's, kept, or kept but for the client itself."""
    if verdict.disposition is not Disposition.FORWARD:
        return ""
    if verdict.masquerade:
        return f"SNAT {packet.source} → the node's address"
    if verdict.hairpin:
        return f"source {packet.source} kept, unless the pod meets itself (then SNAT)"
    return f"source {packet.source} kept"


def _service_hop(table: ForwardingTable, packet: Packet, verdict: Verdict, name: ServicePortName) -> Hop:
    """The ServicePort by its clusterIP and port, whichever frontend was dialled."""
    family = family_of(packet.destination)
    own = next(
        frontend
        for frontend in table.contributions[name.namespace, name.name].frontends
        if frontend.kind == "clusterIP" and (frontend.family, frontend.target.name) == (family, name)
    )
    note = ", ".join(_draw(packet, verdict))
    return Hop("service", f"{name.namespace}/{name.name}", own.address, own.port, name.port, note)


def _draw(packet: Packet, verdict: Verdict) -> Iterator[str]:
    if len(verdict.backends) > 1:
        yield f"DNAT {_dialled(packet)} → one of {len(verdict.backends)}{' by weight' if verdict.weights else ''}"
    if verdict.refused:
        yield f"{percent(verdict.refused_share)} of connections refused (NO_ENDPOINTS)"


def percent(share: float) -> str:
    """For people: `30%`, `33.3%`."""
    return f"{share:.1%}".replace(".0%", "%")


def _pod_hop(backend: Backend, packet: Packet) -> Hop:
    note = f"DNAT {_dialled(packet)} → {backend}"
    return Hop("pod", backend.target or backend.address, backend.address, backend.port, note=note)


def _dialled(packet: Packet) -> Backend:
    """Written as a backend is."""
    return Backend(packet.destination, packet.port)
