"""What a NetworkPolicy means, rule by rule; each verdict with its reason, deciding policies and rule."""

from collections.abc import Iterable
from typing import Any

import pytest

from portway.model import (
    Connection,
    ContainerPort,
    IpBlock,
    LabelSelector,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    PolicyDecision,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    Requirement,
)
from portway.policy import Reason, judge

EVERYTHING = LabelSelector()
NODES = {"node-1": Node("node-1", ("172.18.0.11", "fd00:18::11")), "node-2": Node("node-2", ("172.18.0.12",))}
OUTSIDE = "192.0.2.7"


def pod(name: str, last: int, **fields: Any) -> Pod:
    """`x/a`; on node-1 unless said, with an address of each family and the port `web`."""
    namespace, _, own = name.partition("/")
    fields.setdefault("node_name", "node-1")
    fields.setdefault("addresses", (f"10.244.1.{last}", f"fd00:244:1::{last}"))
    fields.setdefault("labels", {"pod": own})
    fields.setdefault("ports", (ContainerPort("web", "TCP", 80),))
    return Pod(namespace, own, **fields)


A, B, C = pod("x/a", 1), pod("x/b", 2, node_name="node-2"), pod("x/c", 3)
Y = pod("y/a", 4)
NAMESPACES = tuple(Namespace(name, {"kubernetes.io/metadata.name": name, "ns": name}) for name in "xyz")


def world(*policies: NetworkPolicy, pods: Iterable[Pod] = (A, B, C, Y), namespaces: Any = NAMESPACES) -> PolicySnapshot:
    return PolicySnapshot(
        pods={(pod.namespace, pod.name): pod for pod in pods},
        namespaces={namespace.name: namespace for namespace in namespaces},
        policies={(policy.namespace, policy.name): policy for policy in policies},
        nodes=NODES,
    )


def selector(**labels: str) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in labels.items()))


def expression(key: str, operator: str, *values: str) -> LabelSelector:
    return LabelSelector((Requirement(key, operator, values),))


def ingress(*rules: PolicyRule, name: str = "p", **fields: Any) -> NetworkPolicy:
    return NetworkPolicy("x", name, ingress=rules, **fields)


def egress(*rules: PolicyRule, name: str = "p", **fields: Any) -> NetworkPolicy:
    return NetworkPolicy("x", name, directions=("Egress",), egress=rules, **fields)


def from_peers(*peers: PolicyPeer) -> NetworkPolicy:
    return ingress(PolicyRule(peers))


def blocks(cidr: str, *excepts: str) -> PolicyPeer:
    return PolicyPeer(block=IpBlock(cidr, excepts))


def address(end: Pod | str) -> str:
    return end if isinstance(end, str) else end.addresses[0]


def asked(
    snapshot: PolicySnapshot, client: Pod | str, server: Pod | str, port: int = 80, protocol: str = "TCP"
) -> bool:
    """Whether it passes, over IPv4."""
    return judge(snapshot, Connection(address(client), address(server), protocol, port)).allowed


def test_isolation_is_per_direction_and_only_of_selected_pods() -> None:
    """1, 2, 5: rules of a direction that policyTypes leaves out do nothing."""
    only_egress = NetworkPolicy("x", "p", selector(pod="a"), ("Egress",), ingress=(PolicyRule(),))
    assert asked(world(only_egress), Y, A)
    assert not asked(world(only_egress), A, Y)
    assert asked(world(only_egress), B, Y)
    assert asked(world(NetworkPolicy("y", "p")), B, A)
    assert not asked(world(NetworkPolicy("y", "p")), A, Y)


@pytest.mark.parametrize(
    ("policies", "allowed"),
    [
        ([], True),
        ([ingress()], False),
        ([ingress(PolicyRule())], True),
        ([ingress(pods=selector(pod="b"))], True),
        ([ingress(), ingress(PolicyRule(), name="q")], True),
        ([ingress(PolicyRule((PolicyPeer(pods=selector(pod="b")),))), ingress(name="q")], False),
    ],
)
def test_empty_is_nobody_and_policies_are_a_union(policies: list[NetworkPolicy], allowed: bool) -> None:
    """3, 6, 7."""
    assert asked(world(*policies), C, A) == allowed
    assert asked(world(*policies), OUTSIDE, A) == allowed


def test_both_ends_must_allow() -> None:
    """3."""
    opened = NetworkPolicy("y", "open", ingress=(PolicyRule(),))
    verdict = judge(world(egress(), opened), Connection(A.addresses[0], Y.addresses[0], "TCP", 80))
    assert not verdict.allowed
    assert verdict.decided == PolicyDecision(
        False, Reason.NO_RULE_MATCHES.value, "Egress", "x/a", "NetworkPolicy", ("x/p",)
    )
    assert verdict.ingress == PolicyDecision(
        True, Reason.RULE_ALLOWS.value, "Ingress", "y/a", "NetworkPolicy", ("y/open",), 0
    )


IN_X_B, IN_Y = PolicyPeer(pods=selector(pod="b")), PolicyPeer(namespaces=selector(ns="y"))
PEERS: list[tuple[list[PolicyPeer], str]] = [
    ([], "BCYo"),
    ([IN_X_B], "B"),
    ([PolicyPeer(pods=selector(pod="a"))], ""),
    ([PolicyPeer(pods=EVERYTHING)], "BC"),
    ([IN_Y], "Y"),
    ([PolicyPeer(namespaces=EVERYTHING)], "BCY"),
    ([PolicyPeer(namespaces=selector(ns="y"), pods=selector(pod="a"))], "Y"),
    ([PolicyPeer(namespaces=selector(ns="y"), pods=selector(pod="b"))], ""),
    ([PolicyPeer(namespaces=selector(ns="x"), pods=selector(pod="b"))], "B"),
    ([IN_X_B, IN_Y], "BY"),
    ([PolicyPeer(pods=expression("pod", "notin", "b"))], "C"),
    ([PolicyPeer(pods=expression("missing", "notin", "b"))], "BC"),
    ([PolicyPeer(pods=expression("missing", "!"))], "BC"),
    ([PolicyPeer(pods=expression("pod", "exists"))], "BC"),
    ([PolicyPeer(namespaces=expression("kubernetes.io/metadata.name", "notin", "x"))], "Y"),
    ([blocks("10.244.1.0/24")], "BCY"),
    ([blocks("10.244.1.0/24", "10.244.1.2/32", "10.244.1.4/31")], "C"),
    ([blocks("10.244.1.0/24", "10.244.1.2/32"), blocks("10.244.1.2/32")], "BCY"),
    ([blocks("192.0.2.0/24")], "o"),
    ([blocks("0.0.0.0/0")], "BCYo"),
    ([blocks("0.0.0.0/0", "10.0.0.0/8")], "o"),
    ([blocks("::/0")], ""),
]


@pytest.mark.parametrize(("peers", "passing"), PEERS)
def test_peers(peers: list[PolicyPeer], passing: str) -> None:
    """8, 9, 11: who reaches x/a (`o` is outside) when all of x is closed but for these."""
    clients: dict[str, Pod | str] = {"B": B, "C": C, "Y": Y, "o": OUTSIDE}
    closed = world(from_peers(*peers))
    assert "".join(key for key, client in clients.items() if asked(closed, client, A)) == passing


@pytest.mark.parametrize(("peers", "passing"), PEERS)
def test_peers_of_egress(peers: list[PolicyPeer], passing: str) -> None:
    """The same, whom x/a reaches."""
    servers: dict[str, Pod | str] = {"B": B, "C": C, "Y": Y, "o": OUTSIDE}
    closed = world(egress(PolicyRule(tuple(peers))))
    assert "".join(key for key, server in servers.items() if asked(closed, A, server)) == passing


def test_the_other_family_never_matches() -> None:
    """11: ::/0 is not every address, and a block of IPv4 none of IPv6."""
    six = Connection(C.addresses[1], A.addresses[1], "TCP", 80)
    assert judge(world(from_peers(blocks("::/0"))), six).allowed
    assert not judge(world(from_peers(blocks("0.0.0.0/0"))), six).allowed


@pytest.mark.parametrize(
    "shadow",
    [
        pod("z/s", 3, host_network=True),
        pod("a/s", 3, finished=True),
        pod("a/s", 9, addresses=()),
    ],
)
def test_pods_that_have_no_policies(shadow: Pod) -> None:
    """10, 18: such a pod takes no address from the one that has it, and is no peer."""
    there = world(from_peers(PolicyPeer(pods=EVERYTHING)), pods=(shadow, A, C))
    assert asked(there, C, A)
    alone = world(from_peers(PolicyPeer(namespaces=EVERYTHING)), pods=(shadow, A))
    assert not asked(alone, "10.244.1.3", A)


def test_of_several_pods_with_one_address_the_first_by_name_has_it() -> None:
    twin = pod("x/b2", 3, labels={"pod": "b"})
    assert asked(world(from_peers(IN_X_B), pods=(C, twin, A)), "10.244.1.3", A)


def test_a_pod_of_the_nodes_network_is_no_subject() -> None:
    """18: it is its node."""
    hostly = pod("x/h", 5, host_network=True, addresses=("172.18.0.12",))
    verdict = judge(world(ingress(), pods=(hostly, A)), Connection(A.addresses[0], "172.18.0.12", "TCP", 80))
    assert verdict.ingress == PolicyDecision(True, Reason.NOT_A_POD.value, "Ingress")


SCTP_ONLY = [PolicyPort("SCTP", 81)]


@pytest.mark.parametrize(
    ("ports", "port", "protocol", "allowed"),
    [
        ([], 9, "TCP", True),
        ([], 0, "ICMP", True),
        ([PolicyPort()], 9, "TCP", True),
        ([PolicyPort()], 9, "UDP", False),
        ([PolicyPort()], 0, "ICMP", False),
        ([PolicyPort("TCP", 80)], 80, "TCP", True),
        ([PolicyPort("TCP", 80)], 81, "TCP", False),
        ([PolicyPort("TCP", 80, 82)], 82, "TCP", True),
        ([PolicyPort("TCP", 80, 82)], 83, "TCP", False),
        ([PolicyPort("TCP", 80), PolicyPort("UDP", 81)], 81, "UDP", True),
        ([PolicyPort("TCP", 80), PolicyPort("UDP", 81)], 81, "TCP", False),
        (SCTP_ONLY, 81, "TCP", False),
        (SCTP_ONLY, 81, "SCTP", True),
        ([PolicyPort("TCP", "web")], 80, "TCP", True),
        ([PolicyPort("TCP", "web")], 81, "TCP", False),
        ([PolicyPort("UDP", "web")], 80, "UDP", False),
        ([PolicyPort("TCP", "nobody")], 80, "TCP", False),
    ],
)
@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_ports(direction: str, ports: list[PolicyPort], port: int, protocol: str, allowed: bool) -> None:
    """7, 12, 13, 22."""
    rule = PolicyRule((), tuple(ports))
    policy = ingress(rule, pods=selector(pod="a")) if direction == "Ingress" else egress(rule, pods=selector(pod="a"))
    ends = (C, A) if direction == "Ingress" else (A, C)
    assert asked(world(policy), *ends, port, protocol) == allowed


def test_a_named_port_means_what_it_means_in_the_destination_pod() -> None:
    """13: one name, several numbers, in one pod or in several; never an address outside."""
    one = pod("x/one", 6, ports=(ContainerPort("web", "TCP", 8080), ContainerPort("web", "TCP", 8081)))
    named = [PolicyPort("TCP", "web")]
    out = world(egress(PolicyRule((), tuple(named)), pods=selector(pod="a")), pods=(A, C, one))
    assert [port for port in (80, 8080, 8081) if asked(out, A, one, port)] == [8080, 8081]
    assert [port for port in (80, 8080, 8081) if asked(out, A, C, port)] == [80]
    assert not asked(out, A, OUTSIDE, 80)
    into = world(ingress(PolicyRule((), tuple(named)), pods=selector(pod="one")), pods=(A, C, one))
    assert [port for port in (80, 8080, 8081) if asked(into, A, one, port)] == [8080, 8081]


def test_peers_and_ports_of_one_rule_go_together() -> None:
    """7: AND within a rule, OR between rules."""
    web, metrics = PolicyRule((IN_X_B,), (PolicyPort("TCP", 80),)), PolicyRule((IN_Y,), (PolicyPort("TCP", 9090),))
    there = world(ingress(web, metrics))
    found = [
        (client.name, client.namespace, port)
        for client in (B, Y)
        for port in (80, 9090)
        if asked(there, client, A, port)
    ]
    assert found == [("b", "x", 80), ("a", "y", 9090)]


def test_the_own_node_is_always_let_in() -> None:
    """17: by any of its addresses; other nodes are like anybody."""
    closed = world(ingress())
    assert asked(closed, "172.18.0.11", A)
    assert not asked(closed, "172.18.0.12", A)
    assert not asked(closed, "172.18.0.11", B)
    six = judge(closed, Connection("fd00:18::11", A.addresses[1], "TCP", 80))
    assert six.ingress == PolicyDecision(True, Reason.OWN_NODE.value, "Ingress", "x/a")


def test_a_pod_always_reaches_its_own_node() -> None:
    """17, decision 24."""
    closed = world(egress())
    assert asked(closed, A, "172.18.0.11")
    assert not asked(closed, A, "172.18.0.12")
    verdict = judge(closed, Connection(A.addresses[0], "172.18.0.11", "TCP", 80))
    assert verdict.egress.reason == Reason.OWN_NODE.value


def test_a_pod_reaches_itself_through_a_service() -> None:
    """19, decision 24; another pod of the same labels does not."""
    closed = world(NetworkPolicy("x", "p", directions=("Ingress", "Egress")))
    verdict = judge(closed, Connection(A.addresses[0], A.addresses[0], "TCP", 80))
    assert (verdict.egress.reason, verdict.ingress.reason) == ("OWN_POD", "OWN_POD")
    assert verdict.allowed
    assert not asked(closed, C, A)


def test_a_namespace_that_is_not_known_has_only_its_name() -> None:
    by_name = PolicyPeer(namespaces=selector(**{"kubernetes.io/metadata.name": "y"}))
    without_y = NAMESPACES[:1]
    assert asked(world(from_peers(by_name), namespaces=without_y), Y, A)
    assert not asked(world(from_peers(IN_Y), namespaces=without_y), Y, A)


def test_reasons() -> None:
    several = world(ingress(name="q"), ingress(name="p"), ingress(name="other", pods=selector(pod="b")))
    verdict = judge(several, Connection(OUTSIDE, A.addresses[0], "TCP", 80))
    assert verdict.egress == PolicyDecision(True, "NOT_A_POD", "Egress")
    assert verdict.ingress == PolicyDecision(
        False, "NO_RULE_MATCHES", "Ingress", "x/a", "NetworkPolicy", ("x/p", "x/q")
    )
    second = world(ingress(PolicyRule((IN_Y,)), PolicyRule((IN_X_B,))))
    found = judge(second, Connection(B.addresses[0], A.addresses[0], "TCP", 80))
    assert found.ingress == PolicyDecision(True, "RULE_ALLOWS", "Ingress", "x/a", "NetworkPolicy", ("x/p",), 1)
    assert found.egress == PolicyDecision(True, "NOT_ISOLATED", "Egress", "x/b")


def test_what_cannot_be_read_closes_its_own_pods() -> None:
    """Others' rules still open them."""
    broken = ingress(name="broken", pods=selector(pod="a"), fault="spec.ingress: no")
    found = judge(world(broken, ingress()), Connection(OUTSIDE, A.addresses[0], "TCP", 80))
    assert found.ingress == PolicyDecision(False, "POLICY_UNREADABLE", "Ingress", "x/a", "NetworkPolicy", ("x/broken",))
    assert asked(world(broken), OUTSIDE, B)
    assert asked(world(broken, ingress(PolicyRule(), name="q")), OUTSIDE, A)


def test_each_node_judges_its_own_ends() -> None:
    closed = world(NetworkPolicy("x", "p", directions=("Ingress", "Egress")))
    asking = Connection(A.addresses[0], B.addresses[0], "TCP", 80)
    first, second = judge(closed, asking, "node-1"), judge(closed, asking, "node-2")
    assert (first.egress.reason, first.ingress.reason) == ("NO_RULE_MATCHES", "OTHER_NODE")
    assert (second.egress.reason, second.ingress.reason) == ("OTHER_NODE", "NO_RULE_MATCHES")
    assert first.egress.pod == "x/a"
