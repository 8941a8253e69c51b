"""One Service's contribution: its Targets and Frontends as one node treats them.

Source: kube-proxy 1.36 pkg/proxy/serviceport.go and nftables/proxier.go.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from portway.forwarding.endpoints import Choice, Place, candidates, choose, in_slots
from portway.forwarding.frontend import Contribution, Frontend, FrontendKind, HealthCheck, Target
from portway.forwarding.locality import ZERO_CIDRS, primary_address
from portway.forwarding.shares import grouped, in_shared_slots, shared
from portway.model import (
    EndpointSlice,
    Family,
    ProxyConfig,
    Service,
    ServicePort,
    ServicePortName,
    contains,
    family_of,
)


class _Facet(Struct, frozen=True):
    """A Service in one IP family."""

    family: Family
    cluster_ip: str
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    source_ranges: tuple[str, ...]


def is_proxied(service: Service) -> bool:
    """Whether a node's proxy acts on this Service at all (section 5.1)."""
    return service.proxied and not service.headless and service.type != "ExternalName" and bool(service.cluster_ips)


def contribution(
    service: Service,
    slices: Iterable[EndpointSlice],
    config: ProxyConfig,
    zone: str = "",
    previous: Contribution | None = None,
) -> Contribution:
    """What `service` adds to the table, in the slots of `previous` where it can."""
    key = (service.namespace, service.name)
    if not is_proxied(service):
        return Contribution(key)
    pieces, place = list(slices), Place(config.node_name, zone)
    before = {(f.target.name, f.family): f.target for f in previous.frontends} if previous else {}
    frontends: list[Frontend] = []
    facets = list(_facets(service, config))
    for facet in facets:
        for port in service.ports:
            target = _target(service, port, facet, pieces, place, before)
            frontends.extend(_frontends(service, port, facet, target))
    addresses = tuple(facet.cluster_ip for facet in facets) if service.ports else ()
    return Contribution(key, tuple(frontends), addresses, _health_check(service, pieces, place))


def _facets(service: Service, config: ProxyConfig) -> Iterator[_Facet]:
    """One for each family that has a clusterIP; the first clusterIP of a family counts."""
    first = {family_of(address): address for address in reversed(service.cluster_ips)}
    for family in sorted(first):
        vips = tuple(a for a in service.load_balancer_ips if family_of(a) == family)
        yield _Facet(
            family,
            first[family],
            tuple(a for a in service.external_ips if family_of(a) == family and a not in vips),
            vips,
            _source_ranges(service, family, vips, config) if service.load_balancer_source_ranges else (),
        )


def _source_ranges(service: Service, family: Family, vips: tuple[str, ...], config: ProxyConfig) -> tuple[str, ...]:
    """Who may dial the load-balancer IPs: empty means anyone.

    A node inside the ranges reaches them with one of the VIPs as its source, once the VIP is bound to it: so they
    join the ranges then.
    """
    ranges = tuple(r for r in service.load_balancer_source_ranges if family_of(r) == family)
    if any(cidr in ZERO_CIDRS for cidr in ranges):
        return ()
    own = primary_address(config, family)
    if own and any(contains(cidr, own) for cidr in ranges):
        bits = 32 if family == "IPv4" else 128
        return ranges + tuple(f"{vip}/{bits}" for vip in vips)
    return ranges


def _target(
    service: Service,
    port: ServicePort,
    facet: _Facet,
    slices: list[EndpointSlice],
    place: Place,
    before: dict[tuple[ServicePortName, Family], Target],
) -> Target:
    name = ServicePortName(service.namespace, service.name, port.name, port.protocol)
    chosen = _chosen(service, port, facet, slices, place)
    previous = before.get((name, facet.family))
    return Target(
        name,
        in_slots(previous.cluster if previous else (), chosen.cluster),
        in_slots(previous.local if previous else (), chosen.local),
        chosen.has_endpoints,
        chosen.cluster_terminating,
        chosen.local_terminating,
        service.session_affinity_seconds,
        in_shared_slots(previous.slots if previous else (), chosen.slots) if chosen.slots else (),
        chosen.refused,
    )


def _chosen(service: Service, port: ServicePort, facet: _Facet, slices: list[EndpointSlice], place: Place) -> Choice:
    """Shares count where no policy is Local: whoever is sent to a node's own endpoints finds only some groups there."""
    external = bool(port.node_port or facet.load_balancer_ips or facet.external_ips)
    internal_local = service.internal_traffic_policy == "Local"
    uses_cluster = external or not internal_local
    uses_local = internal_local or (external and service.external_traffic_policy == "Local")

    def choice(some: Iterable[EndpointSlice]) -> Choice:
        found = candidates(some, facet.family, port.name, port.protocol)
        return choose(found, uses_cluster, uses_local, place)

    groups = () if uses_local else grouped(slices, port.name, port.protocol)
    return shared((weight, choice(some)) for weight, some in groups) if groups else choice(slices)


def _frontends(service: Service, port: ServicePort, facet: _Facet, target: Target) -> Iterator[Frontend]:
    internal, external = service.internal_traffic_policy == "Local", service.external_traffic_policy == "Local"

    def frontend(kind: FrontendKind, address: str, number: int, local: bool, ranges: tuple[str, ...] = ()) -> Frontend:
        return Frontend(kind, facet.family, address, port.protocol, number, target, local, ranges)

    yield frontend("clusterIP", facet.cluster_ip, port.port, internal)
    for address in facet.external_ips:
        yield frontend("externalIP", address, port.port, external)
    for address in facet.load_balancer_ips:
        yield frontend("loadBalancerIP", address, port.port, external, facet.source_ranges)
    if port.node_port:
        yield frontend("nodePort", "", port.node_port, external)


def _health_check(service: Service, slices: list[EndpointSlice], place: Place) -> HealthCheck | None:
    """Counts the distinct addresses of ready endpoints on this node, over all ports; families apart."""
    if not service.health_check_node_port:
        return None
    here = {
        endpoint.address
        for piece in slices
        if piece.proxied and piece.ports
        for endpoint in piece.endpoints
        if endpoint.ready and endpoint.node_name == place.node_name
    }
    v6 = sum(family_of(address) == "IPv6" for address in here)
    return HealthCheck(service.health_check_node_port, len(here) - v6, v6)
