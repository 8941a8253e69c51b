"""Traces to LoadBalancers: each well-known way to fail has its code, and says what to do."""

from typing import Any

import pytest
from msgspec.structs import replace

from portway.analysis import balancing
from portway.analysis.balancing import Balancing
from portway.analysis.exposure import exposures
from portway.analysis.target import parse_place, parse_target
from portway.analysis.trace import MEANING, Pod, Terrain, Trace, trace
from portway.forwarding import compute
from portway.kubeapi import decode, decode_loadbalancer
from portway.loadbalancer.announcement import EXCLUDED
from portway.model import LabelSelector, Requirement
from portway.model.loadbalancer import (
    AddressPool,
    AnnouncingNode,
    BgpAdvertisement,
    BgpPeer,
    Doubt,
    L2Advertisement,
    ServiceAllocation,
    parse_range,
)
from portway.testing import builders

ADDRESS = "172.18.0.211"
GOLD = (LabelSelector((Requirement("tier", "=", ("gold",)),)),)
POOL = AddressPool("portway", (parse_range("172.18.0.211-172.18.0.212"),))
ALL = L2Advertisement("all")
ROUTERS = (BgpPeer("router", "172.18.0.1", 64512, 64513),)
NODES = tuple(AnnouncingNode(f"node-{k}") for k in (1, 2))


def service(*addresses: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "web", "annotations": annotations or {}},
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"],
            "ipFamilies": ["IPv4"], "ports": [{"port": 80, "protocol": "TCP"}], **spec,
        },
        "status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"} for address in addresses]}},
    }  # fmt: skip


def terrain(document: dict[str, Any], *others: dict[str, Any], pod_on: str = "node-1", **known: Any) -> Terrain:
    nodes = [builders.node("node-1", "172.18.0.11"), builders.node("node-2", "172.18.0.12")]
    piece = builders.endpoint_slice("web", builders.endpoint("10.244.1.2", pod_on, target="web-1"), namespace="shop")
    snapshot = builders.snapshot(decode.service(document), piece, *nodes)
    tables = {node.name: compute(snapshot, builders.proxy_config(node.name, *node.addresses)) for node in nodes}
    found = Balancing(
        services={s.key: s for s in map(decode_loadbalancer.balanced_service, (document, *others))},
        **({"pools": (POOL,), "advertisements": (ALL,), "nodes": NODES, "announcers": {ADDRESS: "node-2"}} | known),
    )
    pods = {("shop", "web-1"): Pod("shop", "web-1", pod_on, ("10.244.1.2",))}
    return Terrain(snapshot, tables, pods, ("172.18.0.1",), balancing=found)


def traced(where: Terrain, target: str = "svc/shop/web:80", origin: str = "outside") -> Trace:
    return trace(where, parse_place(origin), parse_target(target))


@pytest.mark.parametrize("target", ["svc/shop/web:80", f"{ADDRESS}:80"])
def test_from_outside_by_the_node_that_announces(target: str) -> None:
    found = traced(terrain(service(ADDRESS)), target)
    assert found.arrives, found
    assert [hop.name for hop in found.hops] == ["outside", "node-2", "shop/web", "web-1"]
    assert found.findings == (
        "LB_CLIENT_HIDDEN: the pod sees the node's address, not the client's; externalTrafficPolicy: Local keeps it",
    )
    local = terrain(service(ADDRESS, externalTrafficPolicy="Local"), announcers={ADDRESS: "node-1"})
    assert traced(local, target).arrives and not traced(local, target).findings


def test_from_inside_it_proves_nothing_about_the_announcement() -> None:
    where = terrain(service(ADDRESS), advertisements=())
    assert traced(where).code == "LB_NOT_ADVERTISED"
    for origin in ("node/node-1", "pod/shop/web-1"):
        found = traced(where, f"{ADDRESS}:80", origin)
        assert found.arrives
        assert found.findings[0].startswith("LB_OWN_NODE_ANSWERS: ")
        assert "it proves nothing about who announces it" in found.findings[0]
    assert traced(where, origin="node/node-1").packet.destination == "10.96.0.10"  # type: ignore[union-attr]


def taken() -> dict[str, Any]:
    return service(ADDRESS) | {"metadata": {"namespace": "shop", "name": "other", "creationTimestamp": "2020"}}


PENDING: list[tuple[Terrain, str, str]] = [
    (terrain(service(), pools=()), "LB_NO_POOL", "no IPAddressPool"),
    (terrain(service(), pools=(replace(POOL, auto_assign=False),)), "LB_NO_POOL_FOR_SERVICE", "autoAssign is false"),
    (terrain(service(), pools=(replace(POOL, allocation=ServiceAllocation(namespaces=("bank",))),)),
     "LB_NO_POOL_FOR_SERVICE", "serviceAllocation"),
    (terrain(service(annotations={"metallb.io/address-pool": "gold"})), "LB_POOL_UNKNOWN", '"gold"'),
    (terrain(service(), taken(), pools=(AddressPool("small", (parse_range(f"{ADDRESS}/32"),)),)), "LB_POOL_EXHAUSTED",
     "small has 1"),
    (terrain(service(ipFamilies=["IPv6"])), "LB_NO_FAMILY", "no IPv6 range"),
    (terrain(service(loadBalancerIP="1.2.3")), "LB_REQUEST_INVALID", 'spec.loadBalancerIP: "1.2.3"'),
    (terrain(service(annotations={"metallb.io/loadBalancerIPs": "fd00::1"})), "LB_REQUEST_FAMILY", "IP families"),
    (terrain(service(loadBalancerIP="10.9.9.9")), "LB_ADDRESS_OUTSIDE_POOLS", "172.18.0.211-172.18.0.212"),
    (terrain(service(loadBalancerIP=ADDRESS), taken()), "LB_ADDRESS_TAKEN", 'Service "shop/other"'),
    (terrain(service(loadBalancerClass="example.com/x")), "LB_CLASS_FOREIGN", "portway.dev/load-balancer"),
    (terrain(service()), "LB_PENDING", "172.18.0.211 of IPAddressPool portway would be its"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "code", "words"), PENDING, ids=[f"{row[1]}-{i}" for i, row in enumerate(PENDING)])
def test_without_an_address(where: Terrain, code: str, words: str) -> None:
    found = traced(where)
    assert (found.code, found.arrives) == (code, False)
    assert words in found.findings[0]


def deaf(code: str, *nodes: str) -> dict[str, tuple[Doubt, ...]]:
    return dict.fromkeys(nodes, (Doubt(code, "it wants a unicorn", peer="router"),))


ROUTED: dict[str, Any] = {
    "advertisements": (),
    "bgp_advertisements": (BgpAdvertisement("all"),),
    "bgp_peers": ROUTERS,
}
EXCLUDED_NODES = tuple(AnnouncingNode(node.name, {EXCLUDED: ""}) for node in NODES)
SILENT: list[tuple[Terrain, str, str]] = [
    (terrain(service(ADDRESS), advertisements=()), "LB_NOT_ADVERTISED", "create one with ipAddressPools: [portway]"),
    (terrain(service(ADDRESS), advertisements=(replace(ALL, pools=("other",)),)), "LB_NOT_ADVERTISED", "create one"),
    (terrain(service(ADDRESS), nodes=EXCLUDED_NODES), "LB_NODES_EXCLUDED", "node-1, node-2"),
    (terrain(service(ADDRESS), advertisements=(replace(ALL, node_selectors=GOLD),)), "LB_NO_NODE_SELECTED", "all"),
    (terrain(service(ADDRESS, externalTrafficPolicy="Local"), pod_on="node-9"), "LB_NO_LOCAL_ENDPOINT", "node-9 has"),
    (terrain(service(ADDRESS), announcers={}), "LB_NOT_ANNOUNCED", "none has claimed it"),
    (terrain(service(ADDRESS), announcers={}, advertisements=(replace(ALL, interfaces=("eth7",)),)),
     "LB_NOT_ANNOUNCED", "with interface eth7"),
    (terrain(service(ADDRESS), advertisements=(), bgp_advertisements=(BgpAdvertisement("all"),), bgp_peers=ROUTERS),
     "LB_BGP_ONLY", "node-1, node-2 tell routers of it by BGP"),
    (terrain(service(ADDRESS), advertisements=(), bgp_advertisements=(BgpAdvertisement("all"),)), "LB_NOT_ADVERTISED",
     "create one"),
    (terrain(service(ADDRESS), **ROUTED, doubts=deaf("LB_BGP_PEER_REFUSED", "node-1", "node-2")), "LB_BGP_PEER_REFUSED",
     "why: BGPPeer router from node-1, node-2: it wants a unicorn"),
    (terrain(service(ADDRESS), **ROUTED, doubts=deaf("LB_BGP_NO_SESSION", "node-1", "node-2")), "LB_BGP_NO_SESSION",
     "why: BGPPeer router from node-1, node-2: it wants a unicorn"),
    # the other node, or the other router, knows
    (terrain(service(ADDRESS), **ROUTED, doubts=deaf("LB_BGP_NO_SESSION", "node-1")), "LB_BGP_ONLY",
     "node-2 tells routers of it by BGP"),
    (terrain(service(ADDRESS), **ROUTED | {"bgp_peers": (*ROUTERS, replace(ROUTERS[0], name="second"))},
             doubts=deaf("LB_BGP_NO_SESSION", "node-1", "node-2")), "LB_BGP_ONLY", "node-1, node-2 tell routers"),
    # another controller gave an address of its own
    (terrain(service("10.9.9.9")), "LB_ADDRESS_OUTSIDE_POOLS", "no IPAddressPool has 10.9.9.9"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "code", "words"), SILENT, ids=[f"{row[1]}-{i}" for i, row in enumerate(SILENT)])
def test_with_an_address_that_nobody_announces(where: Terrain, code: str, words: str) -> None:
    found = traced(where)
    assert (found.code, found.arrives, found.disposition) == (code, False, "pass")
    assert words in found.findings[0]


def on_aws(provider: str) -> tuple[AnnouncingNode, ...]:
    return tuple(replace(node, provider=provider) for node in NODES)


LOCAL = service(ADDRESS, externalTrafficPolicy="Local")
BOTH: dict[str, Any] = ROUTED | {"advertisements": (ALL,)}
WIFI = Doubt("LB_WIRELESS", "it answers on wlan0")
TWICE = Doubt("LB_TWO_ANSWER", "02:00:00:00:00:07 also says that it has it", ADDRESS)
CAUTIOUS: list[tuple[Terrain, str, str, str]] = [
    (terrain(service(ADDRESS)), "outside", "LB_CLIENT_HIDDEN", "externalTrafficPolicy: Local keeps it"),
    (terrain(LOCAL), "node/node-1", "LB_OWN_NODE_ANSWERS", "answers no ping"),
    (terrain(LOCAL, announcers={ADDRESS: "node-1"}, moved={ADDRESS: 40}), "outside", "LB_MOVED_LATELY", "since 40 s"),
    (terrain(LOCAL, announcers={ADDRESS: "node-1"}, nodes=on_aws("openstack")), "outside", "LB_CLOUD_NODES",
     "node-1 is a machine of openstack"),
    (terrain(LOCAL, announcers={ADDRESS: "node-1"}, doubts={"node-1": (WIFI,)}), "outside", "LB_WIRELESS",
     "node-1: it answers on wlan0"),
    (terrain(LOCAL, announcers={ADDRESS: "node-1"}, doubts={"node-1": (TWICE,)}), "outside", "LB_TWO_ANSWER",
     "node-1: 02:00:00:00:00:07"),
    (terrain(LOCAL, announcers={ADDRESS: "node-1"}, doubts={"node-1": (replace(WIFI, code="LB_RP_FILTER"),)}),
     "outside", "LB_RP_FILTER", "node-1: "),
    (terrain(service(ADDRESS), **BOTH), "outside", "LB_BGP_REHASHES", "node-1, node-2 tell routers"),
    (terrain(service(ADDRESS), **BOTH, doubts={"node-1": (replace(WIFI, code="LB_RP_FILTER"),)}), "outside",
     "LB_RP_FILTER", "node-1: it answers"),
    (terrain(service(ADDRESS), **BOTH, doubts=deaf("LB_BGP_NO_SESSION", "node-1")), "outside", "LB_BGP_NO_SESSION",
     "BGPPeer router from node-1: it wants a unicorn"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "origin", "code", "words"), CAUTIOUS, ids=[row[2] for row in CAUTIOUS])
def test_what_arrives_and_may_not_for_others(where: Terrain, origin: str, code: str, words: str) -> None:
    found = traced(where, f"{ADDRESS}:80", origin)
    assert found.arrives
    said = [one for one in found.findings if one.startswith(f"{code}: ")]
    assert len(said) == 1 and words in said[0], found.findings


FIRST = {ADDRESS: "node-1"}
OTHERS: dict[str, Any] = {
    "nothing": {},
    "of a cluster on one's own machine": {"nodes": on_aws("kind")},
    "another node's": {"doubts": {"node-2": (WIFI,)}},
    "another address's": {"doubts": {"node-1": (replace(TWICE, address="172.18.0.212"),)}},
    "a router's that is not told of this address": {"doubts": deaf("LB_BGP_NO_SESSION", "node-1")},
    "routes of one node": {"bgp_advertisements": (BgpAdvertisement("all"),), "bgp_peers": ROUTERS},
}


@pytest.mark.parametrize("known", OTHERS.values(), ids=OTHERS)
def test_without_a_sign_nothing_is_said(known: dict[str, Any]) -> None:
    assert not traced(terrain(LOCAL, announcers=FIRST, **known)).findings


@pytest.mark.parametrize("code", ["LB_BGP_PEER_REFUSED", "LB_BGP_NO_SESSION"])
def test_an_audit_has_the_reason_too(code: str) -> None:
    where = terrain(service(ADDRESS), **ROUTED, doubts=deaf(code, "node-1", "node-2"))
    (found,) = exposures(where)
    assert [(way.outside, way.code) for way in found.ways if way.entry == "loadBalancer"] == [("closed", code)]


def test_every_code_is_met_here() -> None:
    assert {row[1] for row in PENDING + SILENT} | {"LB_PORT_UNDEFINED"} == balancing.MEANING.keys()
    assert {row[2] for row in CAUTIOUS} - balancing.MEANING.keys() == balancing.CAUTIONS.keys()
    assert balancing.MEANING.keys() < MEANING.keys()


def test_what_is_nobodys_address_has_no_way() -> None:
    assert traced(terrain(service(ADDRESS)), "172.18.0.212:80").code == "NO_ROUTE"
    assert traced(terrain(service(ADDRESS)), f"{ADDRESS}:81").code == "LB_PORT_UNDEFINED"
