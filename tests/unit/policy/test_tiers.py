"""ClusterNetworkPolicies: Admin, then NetworkPolicies, then Baseline; the first rule that matches decides."""

from typing import Any

import pytest

from portway.model import (
    Action,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Connection,
    ContainerPort,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    PolicyDecision,
    PolicyRule,
    PolicySnapshot,
    Requirement,
)
from portway.policy import judge

EVERYTHING = LabelSelector()
ALL_PODS = ClusterPeer(namespaces=EVERYTHING)
OUTSIDE = "192.0.2.7"


def selector(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in labels.items()))


def pod(name: str, last: int, **fields: Any) -> Pod:
    namespace, _, own = name.partition("/")
    fields = {
        "addresses": (f"10.244.1.{last}",),
        "node_name": "node-1",
        "labels": {"pod": own},
        "ports": (ContainerPort("web", "TCP", 80), ContainerPort("dns", "UDP", 53)),
    } | fields
    return Pod(namespace, own, **fields)


A, B, Y = pod("x/a", 1), pod("x/b", 2), pod("y/a", 3)
HOST = pod("x/host", 4, host_network=True, addresses=("172.18.0.12",))
NODES = {"node-1": Node("node-1", ("172.18.0.11",)), "node-2": Node("node-2", ("172.18.0.12",))}


def world(*policies: NetworkPolicy | ClusterNetworkPolicy) -> PolicySnapshot:
    return PolicySnapshot(
        pods={(pod.namespace, pod.name): pod for pod in (A, B, Y, HOST)},
        namespaces={name: Namespace(name, {"ns": name}) for name in "xy"},
        policies={(p.namespace, p.name): p for p in policies if isinstance(p, NetworkPolicy)},
        cluster_policies={p.name: p for p in policies if isinstance(p, ClusterNetworkPolicy)},
        nodes=NODES,
        node_labels={"node-1": {}, "node-2": {"role": "edge"}},
    )


def rule(action: Action, *peers: ClusterPeer, ports: tuple[ClusterPort, ...] = ()) -> ClusterRule:
    return ClusterRule(action, peers or (ALL_PODS,), ports)


def cluster(*ingress: ClusterRule, name: str = "p", tier: Any = "Admin", priority: int = 10, **fields: Any) -> Any:
    """On all pods of x."""
    fields.setdefault("subject", ClusterPeer(namespaces=selector(ns="x")))
    return ClusterNetworkPolicy(name=name, tier=tier, priority=priority, ingress=ingress, **fields)


def out(*egress: ClusterRule, **fields: Any) -> Any:
    return cluster(egress=egress, **fields)


def decided(
    snapshot: PolicySnapshot, client: Pod | str, server: Pod | str, port: int = 80, protocol: str = "TCP"
) -> Any:
    ends = [end if isinstance(end, str) else end.addresses[0] for end in (client, server)]
    return judge(snapshot, Connection(ends[0], ends[1], protocol, port))


def allowed(*question: Any) -> bool:
    return bool(decided(*question).allowed)


NP_OPEN, NP_CLOSED = NetworkPolicy("x", "np", ingress=(PolicyRule(),)), NetworkPolicy("x", "np")
EGRESS_ONLY = NetworkPolicy("x", "np", directions=("Egress",), egress=(PolicyRule(),))


@pytest.mark.parametrize(
    ("admin", "namespaced", "baseline", "passes", "reason", "by"),
    [
        (None, None, None, True, "NOT_ISOLATED", ()),
        ("Accept", NP_CLOSED, "Deny", True, "RULE_ALLOWS", ("admin",)),
        ("Deny", NP_OPEN, "Accept", False, "RULE_DENIES", ("admin",)),
        ("Pass", NP_OPEN, "Deny", True, "RULE_ALLOWS", ("x/np",)),
        ("Pass", NP_CLOSED, "Accept", False, "NO_RULE_MATCHES", ("x/np",)),
        ("Pass", None, "Deny", False, "RULE_DENIES", ("baseline",)),
        ("Pass", None, "Accept", True, "RULE_ALLOWS", ("baseline",)),
        ("Pass", None, "Pass", True, "NOT_ISOLATED", ()),
        (None, NP_CLOSED, "Accept", False, "NO_RULE_MATCHES", ("x/np",)),
        (None, NP_OPEN, "Deny", True, "RULE_ALLOWS", ("x/np",)),
        (None, EGRESS_ONLY, "Deny", False, "RULE_DENIES", ("baseline",)),
        (None, None, "Deny", False, "RULE_DENIES", ("baseline",)),
    ],
)
def test_the_order_of_tiers(
    admin: Action | None, namespaced: NetworkPolicy | None, baseline: Action | None, passes: bool, reason: str, by: Any
) -> None:
    """A NetworkPolicy of the other direction alone does not keep the Baseline tier from deciding."""
    policies = [namespaced] if namespaced else []
    policies += [cluster(rule(admin), name="admin")] if admin else []
    policies += [cluster(rule(baseline), name="baseline", tier="Baseline")] if baseline else []
    found = decided(world(*policies), Y, A).ingress
    assert (found.allowed, found.reason, found.policies) == (passes, reason, by)


def test_priority_then_order_then_name() -> None:
    late, early = cluster(rule("Deny"), name="a", priority=20), cluster(rule("Accept"), name="b", priority=10)
    assert allowed(world(late, early), Y, A)
    first = cluster(rule("Deny", ports=(ClusterPort("TCP", 80, 80),)), rule("Accept"), rule("Deny"))
    assert not allowed(world(first), Y, A, 80)
    assert allowed(world(first), Y, A, 81)
    same = [cluster(rule("Deny"), name="b"), cluster(rule("Accept"), name="a")]
    assert allowed(world(*same), Y, A)


def test_pass_skips_the_rest_of_its_tier() -> None:
    passing = cluster(rule("Pass"), rule("Deny"), name="first", priority=1)
    assert allowed(world(passing, cluster(rule("Deny"), name="second", priority=2)), Y, A)


def test_no_isolation_by_being_selected() -> None:
    assert allowed(world(cluster(rule("Accept", ClusterPeer(namespaces=selector(ns="x"))))), Y, A)
    assert allowed(world(cluster()), Y, A)


def test_accept_is_for_one_direction() -> None:
    found = decided(world(out(rule("Accept")), NP_CLOSED), A, B)
    assert found.egress == PolicyDecision(True, "RULE_ALLOWS", "Egress", "x/a", "ClusterNetworkPolicy", ("p",), 0)
    assert not found.ingress.allowed


@pytest.mark.parametrize(
    ("subject", "closed"),
    [
        (ClusterPeer(namespaces=EVERYTHING), "abY"),
        (ClusterPeer(namespaces=selector(ns="y")), "Y"),
        (ClusterPeer(namespaces=EVERYTHING, pods=selector(pod="a")), "aY"),
        (ClusterPeer(namespaces=selector(ns="x"), pods=selector(pod="a")), "a"),
        (ClusterPeer(unknown=True), ""),
    ],
)
def test_subjects(subject: ClusterPeer, closed: str) -> None:
    """Pods of their node's network are no subjects; a subject that is not known is nobody."""
    there = world(out(rule("Deny", ClusterPeer(networks=("0.0.0.0/0",))), subject=subject))
    pods = {"a": A, "b": B, "Y": Y, "h": HOST}
    assert "".join(key for key, each in pods.items() if not allowed(there, each, OUTSIDE)) == closed


@pytest.mark.parametrize(
    ("peer", "denied"),
    [
        (ClusterPeer(namespaces=selector(ns="x")), "b"),
        (ClusterPeer(namespaces=EVERYTHING), "bY"),
        (ClusterPeer(namespaces=EVERYTHING, pods=selector(pod="a")), "Y"),
        (ClusterPeer(networks=("10.244.1.0/31", "192.0.2.0/24")), "o"),
        (ClusterPeer(networks=("10.244.1.2/31",)), "bY"),
        (ClusterPeer(networks=("::/0",)), ""),
        (ClusterPeer(nodes=selector(role="edge")), "n"),
        (ClusterPeer(nodes=EVERYTHING), "mn"),
        (ClusterPeer(domain_names=("example.org",)), ""),
    ],
)
def test_peers_of_egress(peer: ClusterPeer, denied: str) -> None:
    """A pod of its node's network is only its node's address."""
    there = world(out(rule("Deny", peer)))
    servers = {"b": B, "Y": Y, "o": OUTSIDE, "m": "172.18.0.11", "n": HOST}
    assert "".join(key for key, server in servers.items() if not allowed(there, A, server)) == denied


@pytest.mark.parametrize(
    ("port", "denied"),
    [
        (ClusterPort("TCP", 80, 80), {("TCP", 80)}),
        (ClusterPort("TCP", 80, 90), {("TCP", 80), ("TCP", 81)}),
        (ClusterPort("UDP", 53, 53), {("UDP", 53)}),
        (ClusterPort("SCTP", 80, 80), set()),
        (ClusterPort(name="web"), {("TCP", 80)}),
        (ClusterPort(name="dns"), {("UDP", 53)}),
        (ClusterPort(name="none"), set()),
    ],
)
def test_ports(port: ClusterPort, denied: set[tuple[str, int]]) -> None:
    """A named port is of whatever protocol has it in the destination pod."""
    probed = {("TCP", 80), ("TCP", 81), ("UDP", 53), ("UDP", 80), ("ICMP", 0)}
    for there, ends in (
        (world(cluster(rule("Deny", ports=(port,)))), (Y, A)),
        (world(out(rule("Deny", ports=(port,)))), (A, Y)),
    ):
        assert {(protocol, at) for protocol, at in probed if not allowed(there, *ends, at, protocol)} == denied


def test_rules_without_protocols_are_of_every_protocol() -> None:
    assert not allowed(world(cluster(rule("Deny"))), Y, A, 0, "ICMP")


UNKNOWN = ClusterPeer(unknown=True)


@pytest.mark.parametrize(
    ("action", "reason", "at"),
    [("Accept", "RULE_ALLOWS", 1), ("Deny", "POLICY_UNREADABLE", 0), ("Pass", "POLICY_UNREADABLE", 0)],
)
def test_an_unknown_peer_fails_closed(action: Action, reason: str, at: int) -> None:
    """As Accept the rule matches nothing, not even by its other peers; else it denies everything, of every protocol."""
    narrow = rule(action, ALL_PODS, UNKNOWN, ports=(ClusterPort("TCP", 1, 1),))
    found = decided(world(cluster(narrow, rule("Accept"))), Y, A).ingress
    assert (found.reason, found.rule) == (reason, at)
    assert allowed(world(cluster(narrow)), OUTSIDE, A) == (action == "Accept")


def test_what_cannot_be_read_denies_its_subjects_everything() -> None:
    there = world(cluster(name="broken", fault="spec.ingress: no", tier="Baseline"))
    found = decided(there, A, OUTSIDE).egress
    assert found == PolicyDecision(False, "POLICY_UNREADABLE", "Egress", "x/a", "ClusterNetworkPolicy", ("broken",))
    assert allowed(there, Y, OUTSIDE)
    assert allowed(world(cluster(name="broken", fault="no", tier="Baseline"), NP_OPEN), OUTSIDE, A)


def test_a_pods_way_to_itself_is_judged() -> None:
    """Through a Service; NetworkPolicies leave it alone, and where one isolates the pod, Baseline is not asked."""
    denied = decided(world(cluster(rule("Deny"))), A, A)
    assert (denied.egress.reason, denied.ingress.reason) == ("OWN_POD", "RULE_DENIES")
    baseline = cluster(rule("Deny"), tier="Baseline")
    assert not allowed(world(baseline), A, A)
    assert decided(world(baseline, NP_CLOSED), A, A).ingress.reason == "OWN_POD"


def test_a_pods_way_to_its_own_node_is_judged_and_the_way_back_is_not() -> None:
    everything = ClusterPeer(networks=("0.0.0.0/0",))
    assert not allowed(world(out(rule("Deny", everything))), A, "172.18.0.11")
    assert allowed(world(out(rule("Deny", everything), tier="Baseline"), EGRESS_ONLY), A, "172.18.0.11")
    assert allowed(world(cluster(rule("Deny", UNKNOWN))), "172.18.0.11", A)
    assert not allowed(world(cluster(rule("Deny", UNKNOWN))), "172.18.0.12", A)
