"""What an update may leave out, and what it must lose: clusterIP(s) linkage, allocated values, fields of a past type.

Source: pkg/registry/core/service/storage/storage.go (normalizeClusterIPs, patchAllocatedValues) and
pkg/registry/core/service/strategy.go (dropTypeDependentFields).
"""

from portway.kubeapi.errors import Doc
from portway.kubeapi.service.document import (
    cluster_ips,
    has_node_ports,
    health_check_node_port,
    ip_families,
    is_externally_accessible,
    is_load_balancer,
    needs_cluster_ip,
    needs_health_check,
    node_ports,
    ports_of,
    put,
    spec_of,
    wants_node_ports,
)


def _primary(spec: Doc) -> str:
    return spec.get("clusterIP") or ""


def normalize_cluster_ips(new: Doc, old: Doc | None) -> None:
    """Lets clients that know only `clusterIP` or only `clusterIPs` manage both. `old` is None on create."""
    spec = spec_of(new)
    if old is None:
        if _primary(spec) and not cluster_ips(spec):
            spec["clusterIPs"] = [_primary(spec)]
        return
    before = spec_of(old)
    if _primary(spec) == _primary(before):
        if not cluster_ips(spec):  # plural cleared, singular kept
            put(spec, "clusterIPs", list(cluster_ips(before)))
    elif cluster_ips(spec) == cluster_ips(before):  # singular changed, plural kept
        put(spec, "clusterIPs", [_primary(spec)] if _primary(spec) else [])


def _patch_node_ports(spec: Doc, before: Doc) -> None:
    used = set(node_ports(before)) & set(node_ports(spec))
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in ports_of(before)}
    for port in ports_of(spec):
        remembered = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and remembered not in used:
            put(port, "nodePort", remembered)


def patch_allocated_values(new: Doc, old: Doc) -> None:
    """An update that leaves out what was allocated keeps it."""
    spec, before = spec_of(new), spec_of(old)
    if needs_cluster_ip(before) and needs_cluster_ip(spec):
        if not _primary(spec):
            put(spec, "clusterIP", _primary(before))
        if not cluster_ips(spec):
            put(spec, "clusterIPs", list(cluster_ips(before)))
    if wants_node_ports(before) and wants_node_ports(spec):
        _patch_node_ports(spec, before)
    if needs_health_check(before) and needs_health_check(spec) and not health_check_node_port(spec):
        put(spec, "healthCheckNodePort", health_check_node_port(before))


def _drop_unchanged(spec: Doc, before: Doc, *fields: str) -> None:
    for field in fields:
        if (spec.get(field) or None) == (before.get(field) or None):
            spec.pop(field, None)


def _drop_cluster_ips(spec: Doc, before: Doc) -> None:
    if _primary(spec) == _primary(before) and cluster_ips(spec) == cluster_ips(before):
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if ip_families(spec) == ip_families(before):
        spec.pop("ipFamilies", None)
    _drop_unchanged(spec, before, "ipFamilyPolicy")


def _drop_node_ports(spec: Doc, before: Doc) -> None:
    if set(node_ports(spec)) <= set(node_ports(before)):
        for port in ports_of(spec):
            port.pop("nodePort", None)


def drop_type_dependent_fields(new: Doc, old: Doc) -> None:
    """On a change of type, drops what the new type does not have, unless the same update changed it."""
    spec, before = spec_of(new), spec_of(old)
    if needs_cluster_ip(before) and not needs_cluster_ip(spec):
        _drop_cluster_ips(spec, before)
    if has_node_ports(before) and not has_node_ports(spec):
        _drop_node_ports(spec, before)
    if needs_health_check(before) and not needs_health_check(spec):
        _drop_unchanged(spec, before, "healthCheckNodePort")
    if is_load_balancer(before) and not is_load_balancer(spec):
        if spec.get("allocateLoadBalancerNodePorts") is before.get("allocateLoadBalancerNodePorts"):
            spec.pop("allocateLoadBalancerNodePorts", None)
        if spec.get("loadBalancerClass") == before.get("loadBalancerClass"):
            spec.pop("loadBalancerClass", None)
    if is_externally_accessible(before) and not is_externally_accessible(spec):
        _drop_unchanged(spec, before, "externalTrafficPolicy")
    if not is_load_balancer(spec):
        new["status"] = (new.get("status") or {}) | {"loadBalancer": {}}
