"""Which routes a node tells which routers, and how ExaBGP is told."""

import pytest
from msgspec.structs import replace

from portway.kubeapi import decode_loadbalancer
from portway.kubeapi.decode import Undecodable
from portway.loadbalancer.announcement import EXCLUDED
from portway.loadbalancer.bgp import Route, exabgp_configuration, peers_of, routes, tellings
from portway.model import LabelSelector, Requirement
from portway.model.loadbalancer import (
    AddressPool,
    AnnouncingNode,
    BalancedService,
    BgpAdvertisement,
    BgpPeer,
    parse_range,
)

POOLS = [AddressPool("p", (parse_range("10.0.0.0/24"), parse_range("fd00::/120")))]
RACK = (LabelSelector((Requirement("rack", "=", ("a",)),)),)
NODE = AnnouncingNode("n1", {"rack": "a"}, addresses=("192.0.2.1", "2001:db8::1"))
PEER = BgpPeer("router", "192.0.2.254", 64512, 64513)
WEB = BalancedService("shop", "web", addresses=("10.0.0.7", "fd00::7"))
ALL = BgpAdvertisement("all")


def prefixes(*advertisements: BgpAdvertisement, node: AnnouncingNode = NODE, web: BalancedService = WEB) -> list[str]:
    told = tellings(node, [web], POOLS, advertisements, [PEER], {("shop", "web"): ["n2"]})
    return [route.prefix for route in routes([PEER], told)[PEER]]


def test_routes() -> None:
    both = ["10.0.0.7/32", "fd00::7/128"]
    assert prefixes(ALL) == prefixes(ALL, BgpAdvertisement("named", pools=("p",))) == both
    assert prefixes() == prefixes(replace(ALL, pools=("q",))) == prefixes(replace(ALL, peers=("other",))) == []
    assert prefixes(replace(ALL, node_selectors=RACK)) == both
    assert prefixes(replace(ALL, node_selectors=RACK), node=replace(NODE, labels={})) == []
    assert prefixes(ALL, node=replace(NODE, labels={EXCLUDED: ""})) == []
    assert prefixes(ALL, node=replace(NODE, available=False)) == []
    assert prefixes(replace(ALL, aggregation_length=24)) == ["10.0.0.0/24", "fd00::7/128"]
    local = replace(WEB, external_traffic_policy="Local")
    assert prefixes(ALL, web=local) == []
    assert prefixes(ALL, web=local, node=replace(NODE, name="n2")) == both
    assert peers_of(NODE, [PEER, replace(PEER, node_selectors=GOLD)]) == [PEER]


GOLD = (LabelSelector((Requirement("tier", "=", ("gold",)),)),)


def test_configuration() -> None:
    peer = replace(PEER, password="secret", multi_hop=True)
    text = exabgp_configuration(NODE, peer, (Route("10.0.0.7/32", 200, ("64512:7",)), Route("fd00::7/128")))
    for line in (
        "neighbor 192.0.2.254 {",
        "router-id 192.0.2.1;",
        "local-address 192.0.2.1;",
        'md5-password "secret";',
        "outgoing-ttl 255;",
        "route 10.0.0.7/32 next-hop 192.0.2.1 local-preference 200 community [ 64512:7 ];",
        "route fd00::7/128 next-hop 2001:db8::1;",
    ):
        assert line in text
    four = exabgp_configuration(replace(NODE, addresses=("192.0.2.1",)), PEER, (Route("fd00::7/128"),))
    assert "route" not in four.replace("router-id", "")


@pytest.mark.parametrize("text", ['x"; run /bin/sh', "a\nb", "a\\b"])
def test_nothing_but_a_password_gets_into_the_file(text: str) -> None:
    spec = {"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1"}
    with pytest.raises(Undecodable, match="password cannot be read"):
        decode_loadbalancer.bgp_peer({"spec": spec | {"password": text}})
    with pytest.raises(Undecodable, match="communities cannot be read"):
        decode_loadbalancer.bgp_advertisement({"spec": {"communities": [text]}})
    with pytest.raises(Undecodable, match="is not an IP address"):
        decode_loadbalancer.bgp_peer({"spec": spec | {"peerAddress": text}})
    assert decode_loadbalancer.bgp_peer({"spec": spec | {"routerID": text}}).router_id == ""
