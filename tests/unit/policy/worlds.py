"""Small worlds, drawn: three namespaces of pods on two nodes, policies of both kinds, and what may change in them."""

from collections.abc import Iterator

from hypothesis import strategies as st

from portway.model import (
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Connection,
    ContainerPort,
    IpBlock,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    Requirement,
)
from portway.policy.ends import NAME_LABEL

NAMESPACES = ("x", "y", "z")
NODES = {
    "node-1": Node("node-1", ("172.18.0.11", "fd00:18::11"), ("10.244.1.2/31",)),
    "node-2": Node("node-2", ("172.18.0.12",)),
}
POD_ADDRESSES = (*tuple(f"10.244.{node}.{host}" for node in (1, 2) for host in (1, 2, 3)), "fd00:244::1", "fd00:244::2")
OUTSIDE = ("172.18.0.1", "172.18.0.11", "172.18.0.12", "192.0.2.9", "fd00:18::11", "2001:db8::1", "10.244.9.9")
BLOCKS = (
    IpBlock("0.0.0.0/0"),
    IpBlock("0.0.0.0/0", ("10.244.0.0/16",)),
    IpBlock("10.244.1.0/24", ("10.244.1.2/31",)),
    IpBlock("10.244.1.2/32"),
    IpBlock("172.18.0.0/24"),
    IpBlock("::/0", ("fd00:244::2/128",)),
    IpBlock("192.0.2.0/24", ("192.0.2.8/30", "192.0.2.9/32")),
)
_PORTS = (
    ContainerPort("http", "TCP", 80),
    ContainerPort("http", "TCP", 8080),
    ContainerPort("http", "UDP", 80),
    ContainerPort("dns", "UDP", 53),
)
CONNECTED = (("TCP", 80), ("TCP", 81), ("TCP", 8080), ("UDP", 53), ("UDP", 80), ("SCTP", 80), ("ICMP", 0))

_labels = st.fixed_dictionaries({}, optional={"app": st.sampled_from(("a", "b")), "tier": st.sampled_from(("a", "b"))})
_requirements = st.one_of(
    st.builds(
        lambda key, operator, values: Requirement(key, operator, values if operator not in ("exists", "!") else ()),
        st.sampled_from(("app", "tier")),
        st.sampled_from(("=", "notin", "exists", "!", "in")),
        st.sampled_from((("a",), ("b",))),
    ),
    st.just(Requirement("app", "in", ("a", "b"))),
    st.just(Requirement("kubernetes.io/metadata.name", "=", ("y",))),
)
selectors = st.builds(lambda found: LabelSelector(tuple(found)), st.lists(_requirements, max_size=2))
namespaces = st.one_of(st.none(), st.builds(Namespace, st.just(""), _labels))


def pods(key: tuple[str, str]) -> st.SearchStrategy[Pod | None]:
    """A pod of that name, or none. Several may claim one address."""
    return st.one_of(
        st.none(),
        st.builds(
            lambda addresses, node, labels, ports, odd: Pod(
                *key, addresses, node, labels, ports, host_network=odd == 1, finished=odd == 2
            ),
            st.lists(st.sampled_from(POD_ADDRESSES), min_size=1, max_size=2, unique_by=lambda found: ":" in found).map(
                tuple
            ),
            st.sampled_from(tuple(NODES)),
            _labels,
            st.lists(st.sampled_from(_PORTS), max_size=2, unique=True).map(tuple),
            st.sampled_from((0,) * 8 + (1, 2)),
        ),
    )


_policy_ports = st.one_of(
    st.builds(PolicyPort, st.sampled_from(("TCP", "UDP", "SCTP")), st.sampled_from((0, 80, 81, "http", "dns"))),
    st.just(PolicyPort("TCP", 80, 8000)),
    st.just(PolicyPort("TCP", 81, 65535)),
)
_peers = st.one_of(
    st.builds(lambda block: PolicyPeer(block=block), st.sampled_from(BLOCKS)),
    st.builds(lambda found: PolicyPeer(pods=found), selectors),
    st.builds(lambda found: PolicyPeer(namespaces=found), selectors),
    st.builds(lambda pods, found: PolicyPeer(pods, found), selectors, selectors),
)
_rules = st.builds(PolicyRule, st.lists(_peers, max_size=2).map(tuple), st.lists(_policy_ports, max_size=2).map(tuple))
_rule_lists = st.lists(_rules, max_size=2).map(tuple)


def policies(key: tuple[str, str]) -> st.SearchStrategy[NetworkPolicy | None]:
    """A NetworkPolicy of that name, or none."""
    directions = st.sampled_from((("Ingress",), ("Egress",), ("Ingress", "Egress")))
    faults = st.sampled_from(("",) * 9 + ("spec: bad",))
    drawn = st.builds(
        NetworkPolicy, st.just(key[0]), st.just(key[1]), selectors, directions, _rule_lists, _rule_lists, faults
    )
    return st.one_of(st.none(), drawn, drawn, drawn)


_cluster_ports = st.one_of(
    st.builds(
        lambda protocol, ports: ClusterPort(protocol, *ports),
        st.sampled_from(("TCP", "UDP", None)),
        st.sampled_from(((0, 0), (80, 80), (80, 9000))),
    ),
    st.builds(lambda protocol, name: ClusterPort(protocol, name=name), st.sampled_from((None, "UDP")), st.just("http")),
)
_cluster_peers = st.one_of(
    st.builds(lambda found: ClusterPeer(namespaces=found), selectors),
    st.builds(lambda pods, found: ClusterPeer(namespaces=found, pods=pods), selectors, selectors),
    st.builds(lambda block: ClusterPeer(networks=(block.cidr,)), st.sampled_from(BLOCKS)),
    st.builds(lambda found: ClusterPeer(nodes=found), selectors),
    st.just(ClusterPeer(domain_names=("example.com",))),
    st.sampled_from((ClusterPeer(unknown=True), ClusterPeer(namespaces=LabelSelector()))),
)
_cluster_rules = st.builds(
    ClusterRule,
    st.sampled_from(("Accept", "Deny", "Pass")),
    st.lists(_cluster_peers, min_size=1, max_size=2).map(tuple),
    st.lists(_cluster_ports, max_size=2).map(tuple),
)
_cluster_rule_lists = st.lists(_cluster_rules, max_size=2).map(tuple)


def cluster_policies(name: str) -> st.SearchStrategy[ClusterNetworkPolicy | None]:
    """A ClusterNetworkPolicy of that name, or none."""
    return st.one_of(
        st.none(),
        st.builds(
            ClusterNetworkPolicy,
            st.just(name),
            st.sampled_from(("Admin", "Baseline")),
            st.sampled_from((0, 1)),
            st.one_of(
                st.builds(lambda found: ClusterPeer(namespaces=found), selectors),
                st.builds(lambda found, pods: ClusterPeer(namespaces=found, pods=pods), selectors, selectors),
                st.just(ClusterPeer(unknown=True)),
            ),
            _cluster_rule_lists,
            _cluster_rule_lists,
            st.sampled_from(("",) * 9 + ("spec: bad",)),
        ),
    )


node_states = st.one_of(st.none(), st.tuples(_labels, st.booleans()))

CONNECTIONS = tuple(
    Connection(source, destination, protocol, port)
    for source in POD_ADDRESSES + OUTSIDE
    for destination in POD_ADDRESSES + OUTSIDE
    if (":" in source) == (":" in destination)
    for protocol, port in CONNECTED
)


PODS = tuple((namespace, name) for namespace in NAMESPACES for name in ("a", "b", "c"))


@st.composite
def wholes(draw: st.DrawFn) -> PolicySnapshot:
    """Three namespaces of three pods, an address each, on two nodes; up to nine NetworkPolicies and three others."""
    held = {}
    for number, key in enumerate(PODS):
        ports = draw(st.lists(st.sampled_from(_PORTS), max_size=2, unique=True).map(tuple))
        address, node = f"10.244.{number % 2 + 1}.{number + 1}", f"node-{number % 2 + 1}"
        held[key] = Pod(*key, (address,), node, draw(_labels), ports)
    drawn = [draw(policies(key)) for key in PODS]
    clusters = [draw(cluster_policies(name)) for name in ("a", "b", "c")]
    return PolicySnapshot(
        pods=held,
        namespaces={name: Namespace(name, {NAME_LABEL: name, **draw(_labels)}) for name in NAMESPACES},
        policies={(policy.namespace, policy.name): policy for policy in drawn if policy},
        cluster_policies={policy.name: policy for policy in clusters if policy},
        nodes=NODES,
        node_labels={name: draw(_labels) for name in NODES},
    )


def between_all(world: PolicySnapshot) -> Iterator[Connection]:
    """From every pod to every pod, by every port that some rule may name."""
    ends = [pod.addresses[0] for pod in world.pods.values()]
    for source in ends:
        for destination in ends:
            for protocol, port in CONNECTED:
                yield Connection(source, destination, protocol, port)
