"""Which routes a node tells which routers: LoadBalancers' addresses by BGP, and ExaBGP's configuration for it.

Source: MetalLB 0.15 speaker/bgp_controller.go. Every node that may announce an address does, and the routers spread
connections over them: there is no election, and a change of nodes moves connections, as with every BGP balancer.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from portway.loadbalancer.announcement import EXCLUDED, names_pool
from portway.model import Family, LabelSelector, family_of
from portway.model.loadbalancer import (
    AddressPool,
    AnnouncingNode,
    BalancedService,
    BgpAdvertisement,
    BgpPeer,
    ServiceKey,
)


class Route(Struct, frozen=True, order=True):
    """One prefix as a peer is told of it."""

    prefix: str
    local_pref: int = 0
    communities: tuple[str, ...] = ()


class Telling(Struct, frozen=True):
    """A peer is told a route to an address of a Service."""

    service: ServiceKey
    address: str
    peer: BgpPeer
    route: Route


def peers_of(node: AnnouncingNode, peers: Iterable[BgpPeer]) -> list[BgpPeer]:
    """The node's own."""
    return [peer for peer in peers if _selects(peer.node_selectors, node)]


def tellings(
    node: AnnouncingNode,
    services: Iterable[BalancedService],
    pools: Sequence[AddressPool],
    advertisements: Sequence[BgpAdvertisement],
    peers: Sequence[BgpPeer],
    local: Mapping[ServiceKey, Iterable[str]],
) -> list[Telling]:
    """What this node tells its `peers`. `local`: nodes with ready endpoints of Services that are Local."""
    if not node.available or EXCLUDED in node.labels:
        return []
    return [
        Telling(service.key, address, peer, _route(address, advertisement))
        for service in services
        if service.external_traffic_policy != "Local" or node.name in local.get(service.key, ())
        for address in service.addresses
        for advertisement in _covering(address, pools, advertisements, node)
        for peer in peers
        if not advertisement.peers or peer.name in advertisement.peers
    ]


def routes(peers: Iterable[BgpPeer], told: Iterable[Telling]) -> dict[BgpPeer, tuple[Route, ...]]:
    """The same for each peer: Services that share an address, or an aggregate, share their route."""
    found: dict[BgpPeer, set[Route]] = {peer: set() for peer in peers}
    for each in told:
        found[each.peer].add(each.route)
    return {peer: tuple(sorted(each)) for peer, each in found.items()}


def _selects(selectors: Sequence[LabelSelector], node: AnnouncingNode) -> bool:
    return not selectors or any(s.matches(node.labels) for s in selectors)


def _covering(
    address: str, pools: Sequence[AddressPool], advertisements: Sequence[BgpAdvertisement], node: AnnouncingNode
) -> Iterable[BgpAdvertisement]:
    pool = next((pool for pool in pools if pool.usable(address)), None)
    for one in advertisements if pool else ():
        if pool and names_pool(one, pool) and _selects(one.node_selectors, node):
            yield one


def _route(address: str, advertisement: BgpAdvertisement) -> Route:
    length = advertisement.aggregation_length if ":" not in address else advertisement.aggregation_length_v6
    prefix = str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    return Route(prefix, advertisement.local_pref, advertisement.communities)


EVENTS = "@EVENTS@"
"""Stands in the configuration for the path of a pipe that ExaBGP tells what happens, a JSON object a line."""
_WATCH = f"""process watch {{
    run /bin/sh -c "exec cat 3>&1 >{EVENTS}";
    encoder json;
}}
"""
"""ExaBGP takes a child for dead that has closed its standard output: it goes on as 3."""


def exabgp_configuration(node: AnnouncingNode, peer: BgpPeer, told: Sequence[Route]) -> str:
    """The file that makes ExaBGP tell a peer its routes."""
    own = {family_of(address): address for address in reversed(node.addresses)}
    source = peer.source_address or own.get(family_of(peer.address), "")
    lines = [
        f"neighbor {peer.address} {{",
        f"    router-id {peer.router_id or own.get('IPv4', '192.0.2.1')};",
        f"    local-address {source};",
        f"    local-as {peer.my_asn};",
        f"    peer-as {peer.peer_asn};",
        f"    connect {peer.port};",
        f"    hold-time {peer.hold_seconds};",
        *(["    outgoing-ttl 255;"] if peer.multi_hop else []),
        *([f'    md5-password "{peer.password}";'] if peer.password else []),
        "    api { processes [ watch ]; neighbor-changes; send { parsed; update; } }",
        "    family { ipv4 unicast; ipv6 unicast; }",
        "    static {",
        *(f"        route {_written(route, own)};" for route in told if family_of(route.prefix) in own),
        "    }",
        "}",
    ]
    return _WATCH + "\n".join(lines) + "\n"


def _written(route: Route, own: Mapping[Family, str]) -> str:
    pref = f" local-preference {route.local_pref}" if route.local_pref else ""
    communities = f" community [ {' '.join(route.communities)} ]" if route.communities else ""
    return f"{route.prefix} next-hop {own[family_of(route.prefix)]}{pref}{communities}"
