"""Rules in one form, whatever kind of policy they come from."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from portway.model import (
    Action,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
)
from portway.policy.peers import BlockPeer, NodesPeer, Peer, PodsPeer
from portway.policy.portsets import ALL, NONE, PortName, span
from portway.policy.spans import Spans, union

_EVERY = LabelSelector()
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class Clause(Struct, frozen=True):
    """What becomes of some ports for some peers."""

    action: Action
    peers: tuple[Peer, ...] | None
    """None: everybody."""
    ports: Spans = ALL
    names: tuple[PortName, ...] = ()
    """Ports by the name that the destination's pod gives them, in place of `ports`."""
    asked: tuple[Peer, ...] = ()
    """Peers that are to be told apart by these names although they are no condition."""


_CLOSED = (Clause("Deny", None),)


def network_clauses(policy: NetworkPolicy, direction: Direction) -> tuple[Clause, ...]:
    """What a NetworkPolicy opens, in no order. What cannot be read opens nothing."""
    if policy.fault:
        return ()
    return tuple(clause for rule in policy.rules(direction) for clause in _network(policy, rule, direction))


def _network(policy: NetworkPolicy, rule: PolicyRule, direction: Direction) -> Iterator[Clause]:
    numbers, names = _ports(rule.ports)
    peers = tuple(_peer(policy.namespace, peer) for peer in rule.peers) if rule.peers else None
    return _split("Accept", peers, numbers if rule.ports else ALL, names, direction)


def _ports(ports: Iterable[PolicyPort]) -> tuple[Spans, tuple[PortName, ...]]:
    listed = tuple(ports)
    numbers = union(one for port in listed for one in _numbers(port))
    return numbers, tuple((port.port, port.protocol) for port in listed if isinstance(port.port, str))


def _numbers(port: PolicyPort) -> Spans:
    if isinstance(port.port, str):
        return NONE
    return span(port.protocol, port.port, port.end_port or port.port) if port.port else span(port.protocol)


def _peer(namespace: str, peer: PolicyPeer) -> Peer:
    if peer.block is not None:
        return BlockPeer(peer.block)
    return PodsPeer(namespace if peer.namespaces is None else peer.namespaces, peer.pods or _EVERY)


def cluster_clauses(policy: ClusterNetworkPolicy, direction: Direction) -> tuple[Clause, ...]:
    """What a ClusterNetworkPolicy says, in order: the first that matches decides. What cannot be read denies."""
    if policy.fault:
        return _CLOSED
    return tuple(clause for rule in policy.rules(direction) for clause in _cluster(rule, direction))


def _cluster(rule: ClusterRule, direction: Direction) -> Iterable[Clause]:
    if any(peer.unknown for peer in rule.peers):
        return () if rule.action == "Accept" else _CLOSED
    peers = tuple(found for peer in rule.peers for found in _cluster_peers(peer))
    if not peers:
        return ()
    numbers, names = _cluster_ports(rule.ports)
    return _split(rule.action, peers, numbers if rule.ports else ALL, names, direction)


def _cluster_ports(ports: Iterable[ClusterPort]) -> tuple[Spans, tuple[PortName, ...]]:
    listed = tuple(ports)
    numbers = union(one for port in listed if not port.name for one in _cluster_numbers(port))
    return numbers, tuple((port.name, port.protocol or "") for port in listed if port.name)


def _cluster_numbers(port: ClusterPort) -> Spans:
    if not port.first:
        return ALL if port.protocol is None else span(port.protocol)
    protocols = _PROTOCOLS if port.protocol is None else (port.protocol,)
    return union(one for protocol in protocols for one in span(protocol, port.first, port.last))


def _cluster_peers(peer: ClusterPeer) -> Iterator[Peer]:
    """Domain names match nothing: nobody here sees what a name resolved to."""
    if peer.networks:
        yield from (BlockPeer(IpBlock(cidr)) for cidr in peer.networks)
    elif peer.nodes is not None:
        yield NodesPeer(peer.nodes)
    elif peer.namespaces is not None or peer.pods is not None:
        yield PodsPeer(peer.namespaces or _EVERY, peer.pods or _EVERY)


def _split(
    action: Action, peers: tuple[Peer, ...] | None, numbers: Spans, names: tuple[PortName, ...], direction: Direction
) -> Iterator[Clause]:
    """Ports by number and ports by name apart. Names mean what they do in the pod that the connection goes to."""
    if numbers:
        yield Clause(action, peers, numbers)
    if not names:
        return
    if direction == "Ingress":
        yield Clause(action, peers, NONE, names)
        return
    holders = PodsPeer(_EVERY, _EVERY, names)
    if peers is None:
        yield Clause(action, (holders,), NONE, names)
        return
    by_address = not all(isinstance(peer, PodsPeer) for peer in peers)
    yield Clause(action, _with_names(peers, names), NONE, names, (holders,) if by_address else ())


def _with_names(peers: Iterable[Peer], names: tuple[PortName, ...]) -> tuple[Peer, ...]:
    return tuple(PodsPeer(p.scope, p.pods, names) if isinstance(p, PodsPeer) else p for p in peers)
