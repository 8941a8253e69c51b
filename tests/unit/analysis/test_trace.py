"""Traces over a small cluster: two nodes, a client in every place, every kind of end."""

import pytest
from msgspec.structs import replace

from portway.analysis.graph import mermaid
from portway.analysis.target import parse_place, parse_target
from portway.analysis.trace import MEANING, Pod, Terrain, Trace, trace
from portway.cli.drawing import draw
from portway.forwarding import compute
from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    LocalDetector,
    Node,
    ProxyConfig,
    Reason,
    Service,
    ServicePort,
    Share,
    Snapshot,
)

NODES = {
    "node-1": Node("node-1", ("172.18.0.11", "fd00:18::11"), ("10.244.1.0/24",)),
    "node-2": Node("node-2", ("172.18.0.12", "fd00:18::12"), ("10.244.2.0/24",)),
}
SERVICES = [
    Service("shop", "web", "NodePort", (ServicePort("http", "TCP", 80, 8080, 32100),), ("10.96.0.10",)),
    Service("shop", "one", "NodePort", (ServicePort("", "TCP", 80, 80, 32101),), ("10.96.0.11",)),
    Service("shop", "idle", "NodePort", (ServicePort("", "TCP", 80, 80, 32102),), ("10.96.0.12",)),
    Service(
        "shop", "near", "NodePort", (ServicePort("", "TCP", 80, 80, 32103),), ("10.96.0.13",),
        external_traffic_policy="Local",
    ),
    Service("shop", "door", "NodePort", (ServicePort("tcp-80", "TCP", 80, "forwarded", 32104),), ("10.96.0.15",)),
    Service("shop", "db", ports=(ServicePort("pg", "TCP", 5432, 5432),), headless=True),
    Service("shop", "by-hand", "ClusterIP", (ServicePort("", "TCP", 80, 80),), ("10.96.0.14",)),
    Service("shop", "far", "ExternalName"),
]  # fmt: skip
SLICES = [
    EndpointSlice(
        "shop", "web-a", "web", (EndpointPort("http", "TCP", 8080),),
        (Endpoint("10.244.1.2", "node-1", target="web-1"), Endpoint("10.244.2.2", "node-2", target="web-2")),
    ),
    EndpointSlice(
        "shop", "one-a", "one", (EndpointPort("", "TCP", 80),), (Endpoint("10.244.1.3", "node-1", target="one-1"),)
    ),
    EndpointSlice(
        "shop", "door-a", "door", (EndpointPort("tcp-80", "TCP", 80),),
        (Endpoint("10.244.1.3", "node-1", target="one-1"),), share=Share("one", 20),
    ),
    EndpointSlice(
        "shop", "door-b", "door", (EndpointPort("tcp-80", "TCP", 8080),),
        (Endpoint("10.244.1.2", "node-1", target="web-1"),), share=Share("web", 70),
    ),
    EndpointSlice("shop", "door-c", "door", (EndpointPort("tcp-80", "TCP", 80),), share=Share("gone", 10)),
    EndpointSlice("shop", "by-hand", "by-hand", (EndpointPort("", "TCP", 80),), (Endpoint("10.244.1.5", ""),)),
    EndpointSlice(
        "shop", "near-a", "near", (EndpointPort("", "TCP", 80),), (Endpoint("10.244.1.4", "node-1", target="near-1"),)
    ),
]  # fmt: skip
PODS = {
    ("shop", "web-1"): Pod("shop", "web-1", "node-1", ("10.244.1.2",), frozenset({("TCP", 8080)})),
    ("shop", "one-1"): Pod("shop", "one-1", "node-1", ("10.244.1.3",), frozenset({("TCP", 80)})),
    ("shop", "near-1"): Pod("shop", "near-1", "node-1", ("10.244.1.4",), frozenset({("TCP", 8080), ("UDP", 80)})),
    ("shop", "alone-1"): Pod("shop", "alone-1", "node-1", ("10.244.1.5",)),
    ("shop", "far-1"): Pod("shop", "far-1", "node-2", ("10.244.2.9",)),
    ("shop", "new"): Pod("shop", "new", ""),
}


def plain_terrain() -> Terrain:
    """Without policies."""
    snapshot = Snapshot(
        services={(s.namespace, s.name): s for s in SERVICES},
        slices={(s.namespace, s.name): s for s in SLICES},
        nodes=NODES,
        service_cidrs=("10.96.0.0/16",),
    )
    tables = {
        node.name: compute(
            snapshot,
            ProxyConfig(
                node.name,
                node_addresses=node.addresses,
                node_port_addresses=node.addresses,
                local_detector=LocalDetector("ClusterCIDR", ("10.244.0.0/16",)),
            ),
        )
        for node in NODES.values()
    }
    return Terrain(snapshot, tables, PODS, ("172.18.0.1", "fd00:18::1"))


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("one.shop", "FORWARDED", ()),
        ("one.shop.svc", "FORWARDED", ()),
        ("one.shop.svc.corp.internal", "FORWARDED", ()),
        ("one.shop.svc.corp.internal.", "FORWARDED", ()),
        ("one.shop.svc.cluster.local", "DNS_WRONG_DOMAIN", ("fix: one.shop.svc.corp.internal",)),
        ("none.shop.svc.corp.internal", "SVC_NOT_FOUND", ()),
    ],
)
def test_names_end_in_the_clusters_domain(name: str, code: str, said: tuple[str, ...]) -> None:
    terrain = replace(plain_terrain(), cluster_domain="corp.internal")
    found = trace(terrain, parse_place("pod/shop/web-1"), parse_target(f"{name}:80"))
    assert (found.code, found.findings) == (code, said)
    unsaid = trace(plain_terrain(), parse_place("pod/shop/web-1"), parse_target(f"{name}:80"))
    assert unsaid.code == (code if code == "SVC_NOT_FOUND" else "FORWARDED"), "any domain may be the cluster's"


@pytest.mark.parametrize(
    ("target", "has"),
    [("svc/shop/web:81", "shop/web has http 80/TCP"), ("svc/shop/one:80/udp", "shop/one has 80/TCP")],
)
def test_a_port_that_is_not_there_is_answered_with_those_that_are(target: str, has: str) -> None:
    assert _ask("pod/shop/web-1", target).findings == (f"fix: {has}",)


@pytest.mark.parametrize(("number", "code"), [(9100, "POD_DIRECT"), (32000, "NODEPORT_UNSET")])
def test_a_pod_on_the_hosts_network_has_no_node_ports(number: int, code: str) -> None:
    """Every cluster has such pods; they answer at their own ports of the node, and no nodePort leads to them."""
    plain = plain_terrain()
    agent = Pod("kube-system", "agent", "node-1", ("172.18.0.11",))
    terrain = replace(plain, pods={**plain.pods, ("kube-system", "agent"): agent})
    assert trace(terrain, parse_place("outside"), parse_target(f"node-1:{number}")).code == code


def _ask(origin: str, target: str) -> Trace:
    return trace(plain_terrain(), parse_place(origin), parse_target(target))


@pytest.mark.parametrize(
    ("origin", "target", "code", "backends", "masquerade"),
    [
        ("outside", "node-1:32100", "FORWARDED", "web-1 web-2", True),
        ("outside", "node-2:32100", "FORWARDED", "web-1 web-2", True),
        ("outside", "172.18.0.12:32101", "FORWARDED", "one-1", True),
        ("outside", "node-1:32102", "NO_ENDPOINTS", "", False),
        ("outside", "node-1:32103", "FORWARDED", "near-1", False),
        ("outside", "node-2:32103", "NO_LOCAL_ENDPOINT", "", False),
        ("outside", "node-1:32000", "NODEPORT_UNSET", "", False),
        ("outside", "node-1:32100/udp", "NODEPORT_UNSET", "", False),
        ("outside", "10.96.0.10:80", "NO_ROUTE", "", False),
        ("outside", "10.244.1.2:8080", "NO_ROUTE", "", False),
        ("outside", "svc/shop/web:http", "NO_ROUTE", "", False),
        ("outside", "node-9:32100", "NODE_NOT_FOUND", "", False),
        ("node/node-1", "svc/shop/web:http", "FORWARDED", "web-1 web-2", True),
        ("node/node-1", "node-2:32103", "NO_LOCAL_ENDPOINT", "", False),
        ("node/node-2", "node-1:32103", "FORWARDED", "near-1", False),
        ("pod/shop/web-1", "svc/shop/one:80", "FORWARDED", "one-1", False),
        ("pod/shop/web-1", "node-2:32100", "FORWARDED", "web-1 web-2", True),
        # under policy Local a pod's source is kept, and only what comes back through node-2 is understood
        ("pod/shop/web-1", "node-2:32103", "REPLY_BYPASSES_NAT", "near-1", False),
        # nobody said on which node by-hand's endpoint is
        ("pod/shop/alone-1", "svc/shop/by-hand:80", "HAIRPIN_NOT_MASQUERADED", "alone-1", False),
        ("pod/shop/web-1", "svc/shop/by-hand:80", "FORWARDED", "alone-1", False),
        ("pod/shop/far-1", "node-1:32103", "FORWARDED", "near-1", False),
        ("pod/shop/web-1", "10.244.1.3:80", "POD_DIRECT", "", False),
        ("pod/shop/web-1", "svc/shop/web:81", "SVC_PORT_NOT_FOUND", "", False),
        ("pod/shop/web-1", "10.96.0.10:81", "SERVICE_PORT_UNDEFINED", "", False),
        ("pod/shop/web-1", "10.96.77.77:80", "CLUSTER_IP_UNALLOCATED", "", False),
        ("pod/shop/web-1", "192.0.2.7:80", "UNKNOWN_ADDRESS", "", False),
        ("pod/shop/web-1", "svc/shop/none:80", "SVC_NOT_FOUND", "", False),
        ("pod/shop/web-1", "svc/shop/db:5432", "HEADLESS_NO_MAPPING", "", False),
        ("pod/shop/web-1", "svc/shop/far:80", "EXTERNAL_NAME", "", False),
        ("pod/shop/web-1", "[fd00:18::12]:80", "NO_ADDRESS_IN_FAMILY", "", False),
        ("pod/shop/new", "svc/shop/web:http", "POD_NOT_FOUND", "", False),
    ],
)
def test_ends(origin: str, target: str, code: str, backends: str, masquerade: bool) -> None:
    found = _ask(origin, target)
    assert found.code == code
    assert " ".join(sorted(b.target for b in found.backends)) == backends
    assert found.masquerade is masquerade
    assert found.arrives == (code in ("FORWARDED", "POD_DIRECT"))


def test_every_reason_has_a_meaning() -> None:
    codes = {reason.value for reason in Reason} - {"NOT_A_FRONTEND"}
    assert codes <= MEANING.keys()


def test_one_backend_is_drawn_in_the_line() -> None:
    assert draw(_ask("outside", "node-1:32101")) == [
        "[outside 172.18.0.1] → [node-1 172.18.0.11:32101] → [shop/one:80] → [one-1 10.244.1.3:80]",
        "  node     SNAT 172.18.0.1 → the node's address",
        "  pod      DNAT 172.18.0.11:32101 → 10.244.1.3:80",
        "  ends     FORWARDED: the packet reaches one of the backends",
    ]


def test_several_backends_are_drawn_below() -> None:
    assert draw(_ask("outside", "node-1:32100")) == [
        "[outside 172.18.0.1] → [node-1 172.18.0.11:32100] → [shop/web:80 http] → one of 2",
        "    [web-1 10.244.1.2:8080]  node-1",
        "    [web-2 10.244.2.2:8080]  node-2",
        "  node     SNAT 172.18.0.1 → the node's address",
        "  service  DNAT 172.18.0.11:32100 → one of 2",
        "  ends     FORWARDED: the packet reaches one of the backends",
    ]


def test_shares_are_drawn_beside_backends() -> None:
    found = _ask("outside", "node-1:32104")
    assert draw(found) == [
        "[outside 172.18.0.1] → [node-1 172.18.0.11:32104] → [shop/door:80 tcp-80] → one of 2",
        "    [web-1 10.244.1.2:8080]  node-1  70%",
        "    [one-1 10.244.1.3:80]  node-1  20%",
        "  node     SNAT 172.18.0.1 → the node's address",
        "  service  DNAT 172.18.0.11:32104 → one of 2 by weight, 10% of connections refused (NO_ENDPOINTS)",
        "  ends     FORWARDED: the packet reaches one of the backends",
    ]
    assert (found.shares, found.refused) == ((0.7, 0.2), 0.1)
    assert 'h2 -->|"70%"| b0' in mermaid(found)


def test_a_way_that_breaks_is_crossed_out() -> None:
    first, *_, last = draw(_ask("outside", "node-1:32102"))
    assert first == "[outside 172.18.0.1] → [node-1 172.18.0.11:32102] → [shop/idle:80] ✗"
    assert last.startswith("  ends     NO_ENDPOINTS: no pod is ready")


def test_a_probe_that_disagrees_is_shouted() -> None:
    found = _ask("outside", "node-1:32100")
    assert draw(found, {"outcome": "refused"}, agrees=False)[-1] == "  probe    refused: DISAGREES with the trace"


def test_a_port_that_no_pod_declares_is_said() -> None:
    lines = draw(_ask("outside", "node-1:32103"), {"outcome": "refused"}, agrees=True)
    assert "  note     near-1 declares no port 80/TCP: whether something listens there, nobody has said" in lines
    assert lines[-1] == "  probe    refused by the pod itself (PORT_NOT_LISTENING): agrees"
    assert not any("declares no port" in line for line in draw(_ask("outside", "node-1:32101")))
