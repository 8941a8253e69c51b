"""Which endpoints one ServicePort uses on one node, and in which slots.

Source: kube-proxy 1.36 pkg/proxy/topology.go (CategorizeEndpoints) and endpointslicecache.go.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from portway.model import Backend, Endpoint, EndpointSlice, Family, Protocol, family_of

Candidate = tuple[Endpoint, Backend]
"""An endpoint's condition and where its packets would go."""


class Place(Struct, frozen=True):
    """Where the decision is taken."""

    node_name: str
    zone: str = ""
    """Empty when the node has no zone label: zone hints are not followed."""


class Choice(Struct, frozen=True):
    """What `choose` decided; see Target for the fields."""

    cluster: tuple[Backend, ...] = ()
    local: tuple[Backend, ...] = ()
    has_endpoints: bool = False
    cluster_terminating: bool = False
    local_terminating: bool = False
    slots: tuple[Backend, ...] = ()
    refused: int = 0


def candidates(slices: Iterable[EndpointSlice], family: Family, port_name: str, protocol: Protocol) -> list[Candidate]:
    """The endpoints of one ServicePort and family: its name and protocol pick the port of each slice.

    Of several with the same address and port, one that is not terminating wins, then the first by slice name.
    """
    found: dict[tuple[str, int], Candidate] = {}
    for piece in slices:
        if not piece.proxied or not piece.endpoints or family_of(piece.endpoints[0].address) != family:
            continue
        for port in piece.ports:
            if port.name == port_name and port.protocol == protocol:
                _collect(found, piece.endpoints, port.port)
    return list(found.values())


def _collect(found: dict[tuple[str, int], Candidate], endpoints: Iterable[Endpoint], port: int) -> None:
    for endpoint in endpoints:
        key = (endpoint.address, port)
        known = found.get(key)
        if known is None or (known[0].terminating and not endpoint.terminating):
            found[key] = (endpoint, Backend(endpoint.address, port, endpoint.node_name, endpoint.target))


def choose(endpoints: Sequence[Candidate], uses_cluster: bool, uses_local: bool, place: Place) -> Choice:
    """The backends for traffic policy Cluster and for Local, each falling back to terminating ones that serve."""
    ready = [c for c in endpoints if c[0].ready]
    fallback = [c for c in endpoints if c[0].serving and c[0].terminating]
    cluster: Sequence[Candidate] = ()
    local: Sequence[Candidate] = ()
    if uses_cluster:
        cluster = near(ready, place) or fallback
    if uses_local:
        local = _on_node(ready, place) or _on_node(fallback, place)
    return Choice(
        tuple([backend for _, backend in cluster]),
        tuple([backend for _, backend in local]),
        bool(cluster) or (uses_local and bool(ready or fallback)),
        cluster_terminating=bool(cluster) and not ready,
        local_terminating=bool(local) and not _on_node(ready, place),
    )


def _on_node(endpoints: Iterable[Candidate], place: Place) -> list[Candidate]:
    return [c for c in endpoints if c[0].node_name == place.node_name] if place.node_name else []


def near(ready: list[Candidate], place: Place) -> list[Candidate]:
    """Those that the topology hints of all ready endpoints leave to this node; all, when hints do not apply.

    Node hints go before zone hints; one endpoint without hints, or none hinted here, switches a mode off.
    """
    by_node = [c for c in ready if place.node_name in c[0].node_hints]
    if by_node and all(c[0].node_hints for c in ready):
        return by_node
    by_zone = [c for c in ready if place.zone in c[0].zone_hints] if place.zone else []
    if by_zone and all(c[0].zone_hints for c in ready):
        return by_zone
    return ready


def in_slots(previous: tuple[Backend, ...], wanted: tuple[Backend, ...]) -> tuple[Backend, ...]:
    """`wanted` in an order that moves as few as can be from their slots in `previous`.

    New backends take the freed slots, then new slots at the end; a slot that stays free takes the last backend.
    So one backend more moves none, and one less moves at most one. Without a previous order it is the string
    sort of "ip:port", kube-proxy's own.
    """
    if not previous:
        return tuple(sorted(wanted, key=str))
    coming = {(b.address, b.port): b for b in wanted}
    slots = [coming.pop((b.address, b.port), None) for b in previous]
    return filled(slots, coming.values())


def filled(slots: Iterable[Backend | None], coming: Iterable[Backend]) -> tuple[Backend, ...]:
    """The free slots taken by those that come, and none left free."""
    fresh = sorted(coming, key=str, reverse=True)
    taken = [slot or (fresh.pop() if fresh else None) for slot in slots]
    return _closed_up(taken) + tuple(reversed(fresh))


def _closed_up(slots: list[Backend | None]) -> tuple[Backend, ...]:
    kept: list[Backend] = []
    end = len(slots)
    for position, slot in enumerate(slots):
        while slot is None and end - 1 > position:
            end -= 1
            slot = slots[end]
        if position >= end or slot is None:
            break
        kept.append(slot)
    return tuple(kept)
