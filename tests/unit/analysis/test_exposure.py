"""Audit and diff: who reaches what, and what a change does to that."""

import pytest

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.drift import compare, meanwhile
from portway.analysis.exposure import Exposure
from portway.analysis.insiders import owner
from portway.cli.moments import audited
from portway.cli.sources import Inputs
from portway.testing.checks import bundle_of

NODE_PORT = examples.service("{name: http, port: 80, targetPort: http, nodePort: 30080}", more="type: NodePort")
INNER = examples.service("{name: http, port: 80, targetPort: http}")
WEB = examples.workload("{name: http, containerPort: 8080}", more="replicas: 2")
OTHER = examples.workload("{containerPort: 1}", name="visitor")
DENY = examples.policy("podSelector: {matchLabels: {app: shop}}\npolicyTypes: [Ingress]")
BY_NAME = examples.ingress(examples.backend("name: http"))
TO_OLD, TO_NEW = (
    examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- ports: [{{port: {name}}}]")
    for name in ("old", "http")
)
FROM_VISITOR = examples.policy(
    "podSelector: {matchLabels: {app: shop}}\ningress:\n- from: [{podSelector: {matchLabels: {app: visitor}}}]"
)


def _audit(*documents: str) -> Exposure:
    return audited(Inputs(_bundle(*documents)))[0]


def _bundle(*documents: str) -> Bundle:
    return bundle_of(examples.together(*documents))


def _diff(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[str, str]]:
    old, new = (audited(Inputs(_bundle(*documents))) for documents in (before, after))
    return [(change.kind, change.text) for change in compare(old, new)]


def test_an_open_node_port_is_unrestricted_and_has_an_example() -> None:
    found = _audit(NODE_PORT, WEB, OTHER)
    way = found.ways[0]
    assert (way.entry, way.address, way.outside) == ("nodePort", "any node:30080", "open")
    assert way.example == "outside 172.18.0.1 → 172.18.0.11:30080 → 10.244.1.2:8080"
    assert found.flags == ("unrestricted",) and found.backends == ("default/shop:8080",)
    assert found.clients.namespaces == ("default",) and found.clients.allowed == found.clients.asked == 2


def test_policies_close_outside_and_name_who_may_inside() -> None:
    found = _audit(NODE_PORT, WEB, OTHER, FROM_VISITOR)
    assert found.ways[0].outside == "closed" and found.ways[0].code == "NO_RULE_MATCHES"
    assert found.clients.namespaces == () and found.clients.partly == ("default/visitor",)
    assert found.restricted_by == ("NetworkPolicy default/shop",) and not found.outside


def test_an_inner_service_has_no_way_in() -> None:
    found = _audit(INNER, WEB)
    assert not found.outside and found.ways[0].entry == "clusterIP" and found.flags == ()


def test_nodes_are_clients_too() -> None:
    assert _audit(INNER, WEB).clients.nodes == "open"
    assert _audit(INNER, WEB, DENY).clients.nodes == "closed"
    wire = "podSelector: {}\ningress:\n- from: [{ipBlock: {cidr: 172.18.0.0/16}}]"
    assert _audit(INNER, WEB, examples.policy(wire)).clients.nodes == "open"


def test_load_balancers_and_external_ips_are_ways_in_and_source_ranges_limit_them() -> None:
    more = "type: LoadBalancer\nexternalIPs: [192.0.2.77]\nloadBalancerSourceRanges: [198.51.100.0/24]"
    found = _audit(examples.service("{port: 80, targetPort: 8080, nodePort: 30080}", more=more), WEB)
    assert [(way.entry, way.address, way.outside, way.code) for way in found.ways if way.entry != "clusterIP"] == [
        ("nodePort", "any node:30080", "open", "FORWARDED"),
        ("loadBalancer", "192.0.2.1:80", "closed", "SOURCE_NOT_ALLOWED"),
        ("externalIP", "192.0.2.77:80", "open", "FORWARDED"),
    ]
    assert found.restricted_by == ("loadBalancerSourceRanges",)


@pytest.mark.parametrize(
    ("replicas", "pods", "nodes", "flag"),
    [(0, 0, 0, "no-pods"), (1, 1, 1, "single-pod"), (3, 3, 3, "")],
)
def test_capacity_and_spread_are_told(replicas: int, pods: int, nodes: int, flag: str) -> None:
    web = examples.workload("{name: http, containerPort: 8080}", more=f"replicas: {replicas}")
    found = _audit(NODE_PORT, web)
    assert (found.pods, found.nodes) == (pods, nodes)
    assert [one for one in found.flags if one != "unrestricted"] == ([flag] if flag else [])


def test_all_pods_on_one_node_is_told() -> None:
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nstatus: {addresses: [ADDRESS]}\n"
    node = node.replace("ADDRESS", "{type: InternalIP, address: 172.18.0.11}")
    assert _audit(NODE_PORT, WEB, node).flags == ("unrestricted", "single-node")


def test_what_one_policy_says_of_nodes_shows_by_the_node_that_is_dialled() -> None:
    """Forwarded by another node, a client is that node to the pod: two nodes of three are let in."""
    some = examples.policy("podSelector: {}\ningress:\n- from: [{ipBlock: {cidr: 172.18.0.12/31}}]")
    (way, *_) = _audit(NODE_PORT, WEB.replace("replicas: 2", "replicas: 1"), some).ways
    assert way.outside == "partly" and way.example.startswith("outside 172.18.0.1 → 172.18.0.12:30080")


def test_a_door_is_a_way_in() -> None:
    found = _audit(INNER, WEB, examples.ingress(examples.backend("number: 80", path="/cart")))
    assert [(w.entry, w.address) for w in found.ways if w.outside == "open"] == [("door", "http://shop.example/cart")]


def test_a_change_that_exposes_is_told_with_an_example() -> None:
    changes = _diff((INNER, WEB), (NODE_PORT, WEB))
    assert changes[0] == ("exposure-gained", "reachable from outside by nodePort any node:30080; nothing limits who")
    assert ("moved", "type ClusterIP → NodePort") in changes
    assert ("exposure-lost", "no longer reachable from outside by nodePort any node:30080: NO_RULE_MATCHES") in _diff(
        (NODE_PORT, WEB), (NODE_PORT, WEB, DENY)
    )


def test_ports_and_node_ports_that_move_are_told() -> None:
    moved = NODE_PORT.replace("port: 80,", "port: 81,").replace("targetPort: http", "targetPort: 8080")
    found = _diff((NODE_PORT, WEB), (moved.replace("30080", "30081"), WEB))
    assert found == [
        ("moved", "nodePort 30080 → 30081"),
        ("moved", "port 80 → 81"),
        ("moved", "targetPort http → 8080"),
    ]


def test_what_goes_is_told_with_its_way_in() -> None:
    found = _diff((NODE_PORT, INNER.replace("name: shop", "name: a", 1), WEB), (INNER.replace("shop", "a", 1), WEB))
    assert [kind for kind, _ in found] == ["exposure-lost", "removed"]


def test_what_nobody_chose_does_not_move() -> None:
    drawn = NODE_PORT.replace(", nodePort: 30080", "")
    another = examples.service("{port: 80}", name="a", more="type: NodePort")
    old, new = (audited(Inputs(_bundle(*documents))) for documents in ((drawn, WEB), (another, drawn, WEB)))
    assert {change.subject for change in compare(old, new)} == {"default/a:80"}
    assert ("moved", "nodePort 30080 → drawn") in _diff((NODE_PORT, WEB), (drawn, WEB))


def test_reach_inside_is_compared() -> None:
    assert ("reach-lost", "no longer reachable from namespace default") in _diff(
        (INNER, WEB, OTHER), (INNER, WEB, OTHER, DENY)
    )
    assert _diff((INNER, WEB, OTHER, DENY), (INNER, WEB, OTHER, FROM_VISITOR)) == [
        ("reach-gained", "now reachable from default/visitor")
    ]


def test_most_of_a_namespace_is_told_by_those_who_may_not() -> None:
    many = [examples.workload("{containerPort: 1}", name=f"w{n}") for n in range(5)]
    closed = [
        examples.policy(f"podSelector: {{matchLabels: {{app: w{n}}}}}\npolicyTypes: [Egress]", name=f"no-w{n}")
        for n in range(5)
    ]
    found = _audit(INNER, WEB, *many, closed[1])
    assert (found.clients.namespaces, found.clients.but) == (("default",), ("default/w1",))
    assert found.clients.everywhere and not found.clients.partly
    before = (INNER, WEB, *many, closed[0])
    assert _diff(before, (INNER, WEB, *many, closed[1])) == [
        ("reach-gained", "now reachable from default/w0"),
        ("reach-lost", "no longer reachable from default/w1"),
    ]
    assert _diff(before, (INNER, WEB, *many, *closed[:4])) == [
        ("reach-lost", "no longer reachable from namespace default (but default/shop, default/w0, default/w4)")
    ]
    assert _diff((INNER, WEB, *many, *closed[:4]), before) == [
        ("reach-gained", "now reachable from namespace default (but default/shop, default/w0, default/w4)")
    ]


def test_what_breaks_while_it_rolls_out() -> None:
    renamed = WEB.replace("name: http, containerPort", "name: web, containerPort")
    found = meanwhile(_bundle(INNER, WEB), _bundle(INNER.replace("targetPort: http", "targetPort: web"), renamed))
    assert {change.kind for change in found} == {"rollout"}
    assert 'no selected pod defines targetPort "web"' in found[0].text
    assert meanwhile(_bundle(INNER, WEB), _bundle(INNER, WEB)) == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            (INNER.replace("targetPort: http", "targetPort: 8080"), WEB),
            (INNER, WEB.replace("name: http, ", "name: web, ")),
            "",
        ),
        ((INNER, WEB.replace("name: http, ", "")), (INNER, WEB), ""),
        (
            (INNER.replace("http, port: 80", "old, port: 80"), WEB, BY_NAME.replace("http", "old")),
            (INNER, WEB, BY_NAME),
            "",
        ),
        (
            (INNER.replace("targetPort: http", "targetPort: old"), WEB.replace("name: http,", "name: old,"), TO_OLD),
            (INNER, WEB, TO_NEW),
            "new Services over pods that are not replaced yet",
        ),
        (
            (INNER.replace("targetPort: http", "targetPort: old"), WEB.replace("name: http,", "name: old,")),
            (INNER, WEB),
            "new pods behind Services that are not applied yet",
        ),
    ],
)
def test_a_rollout_breaks_between_two_moments_that_hold(
    before: tuple[str, ...], after: tuple[str, ...], said: str
) -> None:
    """What is wrong in a moment itself is lint's to say; what moves with one object cannot meet its other half."""
    found = meanwhile(_bundle(*before), _bundle(*after))
    assert any(change.text.startswith(said) for change in found) if said else not found


def test_nothing_changes_between_a_moment_and_itself() -> None:
    moment = (NODE_PORT, WEB, OTHER, FROM_VISITOR)
    assert _diff(moment, moment) == []


def test_owners_by_pods_names() -> None:
    assert [owner(name) for name in ("web-7d9f8b6c5-x2x4z", "db-0", "agent-x7k2p", "alone")] == [
        "web",
        "db",
        "agent",
        "alone",
    ]
