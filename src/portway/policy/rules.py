"""Whether one rule matches a connection.

Sources: NetworkPolicyPeer and NetworkPolicyPort of pkg/apis/networking/types.go; ClusterNetworkPolicy's peers and
protocols of apis/v1alpha2/clusternetworkpolicy_types.go (sigs.k8s.io/network-policy-api).
"""

from portway.model import (
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Direction,
    IpBlock,
    NetworkPolicy,
    Pod,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    contains,
)
from portway.policy.ends import Ends, selects


def rule_matches(
    snapshot: PolicySnapshot, policy: NetworkPolicy, rule: PolicyRule, direction: Direction, ends: Ends
) -> bool:
    """One of the peers, or none listed, and one of the ports, or none listed."""
    address, other = other_end(direction, ends)
    peers = rule.peers
    peer = not peers or any(peer_matches(snapshot, policy.namespace, one, address, other) for one in peers)
    return peer and ports_match(rule.ports, ends)


def other_end(direction: Direction, ends: Ends) -> tuple[str, Pod | None]:
    """Whom a direction's rules speak of: the address, and the pod that has it."""
    if direction == "Ingress":
        return ends.connection.source, ends.source
    return ends.connection.destination, ends.destination


def peer_matches(snapshot: PolicySnapshot, namespace: str, peer: PolicyPeer, address: str, other: Pod | None) -> bool:
    """Whether a peer of a NetworkPolicy of that namespace means this end."""
    if peer.block is not None:
        return _in_block(peer.block, address)
    if other is None:
        return False
    if peer.namespaces is None and other.namespace != namespace:
        return False
    return selects(snapshot, other, peer.namespaces, peer.pods)


def _in_block(block: IpBlock, address: str) -> bool:
    """An ipBlock matches pods' addresses as any others."""
    return contains(block.cidr, address) and not any(contains(cidr, address) for cidr in block.excepts)


def ports_match(ports: tuple[PolicyPort, ...], ends: Ends) -> bool:
    """One of the ports is the connection's, or none is listed."""
    return not ports or any(_port_matches(port, ends) for port in ports)


def _port_matches(port: PolicyPort, ends: Ends) -> bool:
    connection = ends.connection
    if port.protocol != connection.protocol:
        return False
    if isinstance(port.port, str):
        return has_named_port(ends, port.port)
    return port.port == 0 or port.port <= connection.port <= (port.end_port or port.port)


def has_named_port(ends: Ends, name: str) -> bool:
    """Whether the destination pod calls the connection's protocol and port so. One name may mean several ports."""
    connection = ends.connection
    return ends.destination is not None and any(
        (port.name, port.protocol, port.port) == (name, connection.protocol, connection.port)
        for port in ends.destination.ports
    )


def cluster_rule_matches(snapshot: PolicySnapshot, rule: ClusterRule, direction: Direction, ends: Ends) -> bool:
    """One of the peers and one of the protocols, or none listed. Not asked of a rule with an unknown peer."""
    address, other = other_end(direction, ends)
    peer = any(_cluster_peer_matches(snapshot, peer, address, other) for peer in rule.peers)
    return peer and cluster_ports_match(rule.ports, ends)


def _cluster_peer_matches(snapshot: PolicySnapshot, peer: ClusterPeer, address: str, other: Pod | None) -> bool:
    """Domain names match nothing: nobody here sees what a name resolved to."""
    if peer.networks:
        return any(contains(cidr, address) for cidr in peer.networks)
    if peer.nodes is not None:
        return any(
            address in node.addresses and peer.nodes.matches(snapshot.node_labels.get(name))
            for name, node in snapshot.nodes.items()
        )
    return cluster_selects(snapshot, peer, other)


def cluster_selects(snapshot: PolicySnapshot, peer: ClusterPeer, pod: Pod | None) -> bool:
    """Whether a peer or subject by selectors takes the pod. What is given by nothing takes nobody."""
    if pod is None or (peer.namespaces is None and peer.pods is None):
        return False
    return selects(snapshot, pod, peer.namespaces, peer.pods)


def cluster_ports_match(ports: tuple[ClusterPort, ...], ends: Ends) -> bool:
    """One of the protocols is the connection's, or none is listed."""
    return not ports or any(_cluster_port_matches(port, ends) for port in ports)


def _cluster_port_matches(port: ClusterPort, ends: Ends) -> bool:
    connection = ends.connection
    if port.protocol is not None and port.protocol != connection.protocol:
        return False
    if port.name:
        return has_named_port(ends, port.name)
    return port.first == 0 or port.first <= connection.port <= port.last
