"""Cluster IPs and node ports of one request: what is taken on create, exchanged on update, freed on delete.

Source: pkg/registry/core/service/storage/alloc.go. An allocation's error hides every other validation error, because
allocation comes before validation (research: request pipeline).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portway.kubeapi import fault
from portway.kubeapi.allocators import AllocationError, RangeFull
from portway.kubeapi.errors import ApiError, Doc, internal_error, invalid
from portway.kubeapi.service.defaulting import default_on_read
from portway.kubeapi.service.document import (
    cluster_ips,
    has_node_ports,
    health_check_node_port,
    held_addresses,
    held_ports,
    ip_families,
    is_headless,
    needs_cluster_ip,
    needs_health_check,
    node_ports,
    ports_of,
    spec_of,
    wants_node_ports,
)
from portway.kubeapi.service.families import init_families, keeps_prefer_dual_stack
from portway.kubeapi.service.normalize import normalize_cluster_ips, patch_allocated_values

if TYPE_CHECKING:  # cluster reads Services with this package's words, so it comes later
    from portway.kubeapi.cluster import Cluster, Request


def _name(service: Doc) -> str:
    name: str = (service.get("metadata") or {}).get("name", "")
    return name


def _take_address(service: Doc, i: int, request: Request) -> None:
    """Fills clusterIPs[i] (by ipFamilies[i] when it is empty) or claims what stands there."""
    spec = spec_of(service)
    addresses = cluster_ips(spec)
    try:
        if addresses[i]:
            request.take_address(addresses[i])
        else:
            addresses[i] = request.next_address("IPv6" if ip_families(spec)[i] == "IPv6" else "IPv4")
    except RangeFull as error:
        message = f"failed to allocate a serviceIP for Service {fault.quoted(_name(service))}: {error}"
        raise internal_error(message) from error
    except AllocationError as error:
        detail = f"failed to allocate IP {addresses[i]}: {error}"
        raise invalid("Service", _name(service), [fault.invalid("spec.clusterIPs", addresses, detail)]) from error


def _take_addresses(service: Doc, request: Request) -> None:
    spec = spec_of(service)
    if not needs_cluster_ip(spec) or is_headless(spec):
        return
    missing = len(ip_families(spec)) - len(cluster_ips(spec))
    spec["clusterIPs"] = [*cluster_ips(spec), *[""] * missing]
    for i in range(len(ip_families(spec))):
        _take_address(service, i, request)
    spec["clusterIP"] = spec["clusterIPs"][0]


def _port_refusal(service: Doc, i: int, port: int, error: AllocationError) -> ApiError:
    return invalid("Service", _name(service), [fault.invalid(f"spec.ports[{i}].nodePort", port, str(error))])


def _take_port(service: Doc, i: int, port: int, request: Request) -> None:
    try:
        request.take_port(port)
    except AllocationError as error:
        raise _port_refusal(service, i, port, error) from error


def _next_port(request: Request) -> int:
    try:
        return request.next_port()
    except RangeFull as error:
        raise internal_error(f"failed to allocate a nodePort: {error}") from error


def _take_node_ports(service: Doc, request: Request) -> None:
    """On create, ports with the same number (of different protocols) share a nodePort unless they name others."""
    spec = spec_of(service)
    wanted = {port.get("port") or 0: port["nodePort"] for port in reversed(ports_of(spec)) if port.get("nodePort")}
    shared: dict[int, int] = {}
    for i, port in enumerate(ports_of(spec)):
        number, own = port.get("port") or 0, port.get("nodePort") or 0
        if not own and not wants_node_ports(spec):
            continue
        if number not in shared:
            shared[number] = wanted.get(number) or _next_port(request)
            if number in wanted:
                _take_port(service, i, shared[number], request)
            port["nodePort"] = shared[number]
        elif not own:
            port["nodePort"] = shared[number]
        elif own != shared[number]:
            _take_port(service, i, own, request)


def _take_health_check_port(service: Doc, request: Request) -> None:
    spec = spec_of(service)
    port = health_check_node_port(spec)
    try:
        if port:
            request.take_port(port)
        else:
            spec["healthCheckNodePort"] = request.next_port()
    except AllocationError as error:
        what = f"requested HealthCheck NodePort {port}" if port else "a HealthCheck NodePort 0"
        raise internal_error(f"failed to allocate {what}: {error}") from error


def _allocate(service: Doc, request: Request, cluster: Cluster) -> None:
    spec = spec_of(service)
    init_families(service, None, cluster.families)
    _take_addresses(service, request)
    if has_node_ports(spec):
        _take_node_ports(service, request)
    if needs_health_check(spec):
        _take_health_check_port(service, request)


def begin_create(service: Doc, cluster: Cluster, dry_run: bool) -> Request:
    """Kind hook: links clusterIP with clusterIPs, completes the families, takes addresses and ports.

    Raises ApiError 422 for what cannot be had, 500 when a range is full (or for any failure of the
    healthCheckNodePort); then nothing is held.
    """
    normalize_cluster_ips(service, None)
    request = cluster.request(dry_run)
    try:
        _allocate(service, request, cluster)
    except ApiError:
        request.rollback()
        raise
    return request


def _update_addresses(service: Doc, old: Doc, request: Request) -> None:
    spec, before = spec_of(service), spec_of(old)
    if keeps_prefer_dual_stack(spec, before):
        return
    had, has = needs_cluster_ip(before), needs_cluster_ip(spec)
    if not had:
        _take_addresses(service, request)
    elif is_headless(before):
        return
    elif not has:
        request.release(addresses=held_addresses(before))
    elif (len(ip_families(before)), len(ip_families(spec))) == (1, 2):
        addresses = cluster_ips(spec)
        spec["clusterIPs"] = addresses if len(addresses) > 1 else [*addresses, ""]
        _take_address(service, 1, request)
    elif (len(ip_families(before)), len(ip_families(spec))) == (2, 1):
        request.release(addresses=held_addresses(before)[1:2])


def _update_node_ports(service: Doc, old: Doc, request: Request) -> None:
    """On update a nodePort that the Service had or names twice is not taken again; new ones are not shared."""
    spec, had = spec_of(service), node_ports(spec_of(old))
    seen: list[tuple[str, int]] = []
    claimed = set(had)
    for i, port in enumerate(ports_of(spec)):
        if not port.get("nodePort"):
            if not wants_node_ports(spec):
                continue
            port["nodePort"] = _next_port(request)
        elif port["nodePort"] not in claimed:
            _take_port(service, i, port["nodePort"], request)
            claimed.add(port["nodePort"])
        key = (port.get("protocol") or "", port["nodePort"])
        if key in seen:
            raise ApiError(500, "", f"duplicate nodePort: {{{key[0]} {key[1]}}}")
        seen.append(key)
    request.release(ports=[port for port in had if port not in node_ports(spec)])


def _update_health_check_port(service: Doc, old: Doc, request: Request) -> None:
    spec, before = spec_of(service), spec_of(old)
    if needs_health_check(spec) and not needs_health_check(before):
        _take_health_check_port(service, request)
    elif needs_health_check(before) and not needs_health_check(spec):
        request.release(ports=[health_check_node_port(before)])


def _reallocate(service: Doc, old: Doc, request: Request, cluster: Cluster) -> None:
    spec, before = spec_of(service), spec_of(old)
    init_families(service, old, cluster.families)
    _update_addresses(service, old, request)
    if has_node_ports(spec):
        _update_node_ports(service, old, request)
    elif has_node_ports(before):
        request.release(ports=node_ports(before))
    _update_health_check_port(service, old, request)


def begin_update(service: Doc, old: Doc, cluster: Cluster, dry_run: bool) -> Request:
    """Kind hook: keeps what was allocated and left out, takes what is new, releases what is gone (on commit).

    Completes `old` in place, too. Raises as `begin_create` does, and ApiError 500 without a reason for a
    protocol's nodePort named twice.
    """
    default_on_read(old, cluster.families)
    patch_allocated_values(service, old)
    normalize_cluster_ips(service, old)
    request = cluster.request(dry_run)
    try:
        _reallocate(service, old, request, cluster)
    except ApiError:
        request.rollback()
        raise
    return request


def begin_delete(service: Doc, cluster: Cluster) -> Request:
    """Kind hook: on commit frees what the Service holds.

    Upstream frees every nodePort that stands in the document; here only those of types that take them, so that an
    ExternalName Service naming another's nodePort does not free that one.
    """
    default_on_read(service, cluster.families)
    request = cluster.request()
    request.release(held_addresses(spec_of(service)), held_ports(spec_of(service)))
    return request
