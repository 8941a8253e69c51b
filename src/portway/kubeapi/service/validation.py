"""What a Service must be: every rule on create, the further ones on update and of /status.

Source: pkg/apis/core/validation/validation.go (validateService and what it calls). The order of the errors is
upstream's, and so are its quirks of paths and reasons (`spec.LoadBalancerSourceRanges`, `allocateLoadBalancerNodePorts`
without `spec.`, loadBalancerClass reported twice on update).
"""

from collections.abc import Iterable, Sequence

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.metadata import validate_labels
from portway.kubeapi.names import is_dns1123_subdomain, is_qualified_name, is_valid_port_num
from portway.kubeapi.service.cluster_ips import (
    validate_cluster_ips,
    validate_cluster_ips_change,
    validate_families_change,
)
from portway.kubeapi.service.document import (
    annotations,
    cluster_ips,
    health_check_node_port,
    ip_families,
    is_externally_accessible,
    is_headless,
    is_load_balancer,
    needs_health_check,
    ports_of,
    spec_of,
    type_of,
)
from portway.kubeapi.service.ports import validate_ports, validate_ports_together

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
MAX_AFFINITY_SECONDS = 86400
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS = "service.kubernetes.io/topology-aware-hints"
_MODE = "service.kubernetes.io/topology-mode"


def _one_of(field: str, value: str | None, supported: Sequence[str]) -> list[FieldError]:
    """Required, and one of those."""
    if not value:
        return [fault.required(field)]
    return [] if value in supported else [fault.not_supported(field, value, supported)]


def _topology_annotations(service: Doc) -> list[FieldError]:
    notes = annotations(service)
    if _HINTS not in notes or notes.get(_MODE, notes[_HINTS]) == notes[_HINTS]:
        return []
    detail = f"must match annotations[{_HINTS}] when both are specified"
    return [fault.invalid(f"metadata.annotations[{_MODE}]", notes[_MODE], detail)]


def _external_name(spec: Doc) -> list[FieldError]:
    set_fields = (
        ("clusterIPs", bool(cluster_ips(spec))),
        ("ipFamilies", bool(ip_families(spec))),
        ("ipFamilyPolicy", spec.get("ipFamilyPolicy") is not None),
    )
    detail = "may not be set for ExternalName services"
    found = [fault.forbidden(f"spec.{field}", detail) for field, is_set in set_fields if is_set]
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        return [*found, fault.required("spec.externalName")]
    return found + fault.invalid_each("spec.externalName", name, is_dns1123_subdomain(name))


def _by_type(spec: Doc) -> list[FieldError]:
    kind = type_of(spec)
    found = []
    if not ports_of(spec) and not is_headless(spec) and kind != "ExternalName":
        found.append(fault.required("spec.ports"))
    if kind == "ExternalName":
        found += _external_name(spec)
    elif kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        found.append(fault.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    return found


def _affinity_config(config: Doc | None) -> list[FieldError]:
    field, target = "spec.sessionAffinityConfig", config
    for child in ("", ".clientIP", ".timeoutSeconds"):
        field += child
        target = target.get(child[1:]) if child and target is not None else target
        if target is None:
            return [fault.required(field, "when session affinity type is ClientIP")]
    seconds: int = target  # type: ignore[assignment]
    if 0 < seconds <= MAX_AFFINITY_SECONDS:
        return []
    return [fault.invalid(field, seconds, f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}")]


def _affinity(spec: Doc) -> list[FieldError]:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    found = _one_of("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    if affinity == "ClientIP":
        found += _affinity_config(config)
    elif affinity == "None" and config is not None:
        detail = "must not be set when session affinity is None"
        found.append(fault.forbidden("spec.sessionAffinityConfig", detail))
    return found


def _external_ips(spec: Doc, before: Doc, gates: Gates) -> list[FieldError]:
    known = before.get("externalIPs") or ()
    found = []
    for i, address in enumerate(spec.get("externalIPs") or ()):
        field = f"spec.externalIPs[{i}]"
        malformed = ip.validate_legacy(field, address, known, strict=gates.strict_ips)
        found += malformed or ip.validate_endpoint(field, address)
    return found


def _cidrs(items: Iterable[tuple[str, str]], known: Sequence[str], gates: Gates) -> list[FieldError]:
    """`items`: (field, CIDR with spaces around it)."""
    return [
        error
        for field, cidr in items
        for error in ip.validate_legacy_cidr(field, cidr.strip(), known, strict=gates.strict_ips)
    ]


def _source_ranges(service: Doc, old: Doc | None, gates: Gates) -> list[FieldError]:
    spec = spec_of(service)
    notes = annotations(service)
    if ranges := spec.get("loadBalancerSourceRanges"):
        field = "spec.LoadBalancerSourceRanges"
        old_ranges = spec_of(old).get("loadBalancerSourceRanges") if old else None
        known = [cidr.strip() for cidr in old_ranges or ()]
        checked = _cidrs([(f"{field}[{i}]", cidr) for i, cidr in enumerate(ranges)], known, gates)
    elif (text := notes.get(_RANGES_ANNOTATION)) is not None:
        field = f"metadata.annotations[{_RANGES_ANNOTATION}]"
        unchanged = old is not None and annotations(old).get(_RANGES_ANNOTATION, "") == text
        given = text.strip() if not unchanged else ""
        checked = _cidrs([(field, cidr) for cidr in given.split(",")], (), gates) if given else []
    else:
        return []
    return ([] if is_load_balancer(spec) else [fault.forbidden(field, _ONLY_LOAD_BALANCER)]) + checked


def _allocate_node_ports(spec: Doc) -> list[FieldError]:
    is_set = spec.get("allocateLoadBalancerNodePorts") is not None
    if is_set and not is_load_balancer(spec):
        return [fault.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCER)]
    if not is_set and is_load_balancer(spec):
        return [fault.required("allocateLoadBalancerNodePorts")]
    return []


def _load_balancer_class(spec: Doc, before: Doc | None) -> list[FieldError]:
    field, value = "spec.loadBalancerClass", spec.get("loadBalancerClass")
    if not is_load_balancer(spec):
        return [fault.forbidden(field, _ONLY_LOAD_BALANCER)] if value is not None else []
    found = []
    if before is not None and is_load_balancer(before) and before.get("loadBalancerClass") != value:
        found.append(fault.invalid(field, value, "may not change once set"))
    return found + fault.invalid_each(field, value, is_qualified_name(value) if value is not None else ())


def validate_external_traffic(spec: Doc) -> list[FieldError]:
    """externalTrafficPolicy and healthCheckNodePort."""
    field, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy") or ""
    found = []
    if is_externally_accessible(spec):
        found += _one_of(field, policy, ("Cluster", "Local"))
    elif policy:
        found.append(fault.invalid(field, policy, "may only be set for externally-accessible services"))
    field, port = "spec.healthCheckNodePort", health_check_node_port(spec)
    if needs_health_check(spec):
        found += fault.invalid_each(field, port, is_valid_port_num(port)) if port else [fault.required(field)]
    elif port:
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(fault.invalid(field, port, detail))
    return found


def _internal_traffic(spec: Doc) -> list[FieldError]:
    field, policy = "spec.internalTrafficPolicy", spec.get("internalTrafficPolicy")
    if policy is None:
        return [fault.required(field)] if type_of(spec) in ("ClusterIP", "NodePort", "LoadBalancer") else []
    supported = ("Cluster", "Local")
    return [] if policy in supported else [fault.not_supported(field, policy, supported)]


def _traffic_distribution(spec: Doc, gates: Gates) -> list[FieldError]:
    value = spec.get("trafficDistribution")
    supported = ("PreferClose", "PreferSameZone", "PreferSameNode") if gates.prefer_same else ("PreferClose",)
    if value is None or value in supported:
        return []
    return [fault.not_supported("spec.trafficDistribution", value, supported)]


def _validate(service: Doc, old: Doc | None, gates: Gates) -> list[FieldError]:
    spec = spec_of(service)
    before = spec_of(old) if old is not None else {}
    return [
        *_topology_annotations(service),
        *_by_type(spec),
        *validate_ports(spec),
        *validate_labels("spec.selector", spec.get("selector")),
        *_affinity(spec),
        *validate_cluster_ips(spec, before, gates),
        *_external_ips(spec, before, gates),
        *_one_of("spec.type", type_of(spec), TYPES),
        *validate_ports_together(spec),
        *_source_ranges(service, old, gates),
        *_allocate_node_ports(spec),
        *_load_balancer_class(spec, None),
        *validate_external_traffic(spec),
        *_internal_traffic(spec),
        *_traffic_distribution(spec, gates),
    ]


def _health_check_port_change(spec: Doc, before: Doc) -> list[FieldError]:
    same = health_check_node_port(spec) == health_check_node_port(before)
    if same or not needs_health_check(spec) or not needs_health_check(before):
        return []
    return [fault.forbidden("spec.healthCheckNodePort", "field is immutable")]


def validate(service: Doc, old: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook: everything but generic metadata."""
    if old is None:
        return _validate(service, None, gates)
    spec, before = spec_of(service), spec_of(old)
    return [
        *validate_cluster_ips_change(spec, before),
        *validate_families_change(spec, before),
        *_load_balancer_class(spec, before),
        *_health_check_port_change(spec, before),
        *_validate(service, old, gates),
    ]


def _ip_mode(field: str, ingress: Doc) -> list[FieldError]:
    mode, supported = ingress.get("ipMode"), ("Proxy", "VIP")
    if mode is None:
        return [fault.required(field, "must be specified when `ip` is set")] if ingress.get("ip") else []
    if not ingress.get("ip"):
        return [fault.forbidden(field, "may not be specified when `ip` is not set")]
    return [] if mode in supported else [fault.not_supported(field, mode, supported)]


def _ingress(field: str, ingress: Doc, known: Sequence[str], gates: Gates) -> list[FieldError]:
    address, hostname = ingress.get("ip") or "", ingress.get("hostname") or ""
    found = ip.validate_legacy(f"{field}.ip", address, known, strict=gates.strict_ips) if address else []
    found += _ip_mode(f"{field}.ipMode", ingress)
    if hostname:
        messages = is_dns1123_subdomain(hostname)
        if ip.parse(hostname):
            messages = [*messages, "must be a DNS name, not an IP address"]
        found += fault.invalid_each(f"{field}.hostname", hostname, messages)
    return found


def validate_load_balancer_status(
    status: Doc, old: Doc, spec: Doc, field: str = "status.loadBalancer", gates: Gates = GATES
) -> list[FieldError]:
    """`status.loadBalancer` against the Service's spec; addresses in the `old` one stay valid."""
    ingresses = status.get("ingress") or []
    if ingresses and not is_load_balancer(spec):
        detail = "may only be used when `spec.type` is 'LoadBalancer'"
        return [fault.forbidden(f"{field}.ingress", detail)]
    known = [item["ip"] for item in old.get("ingress") or () if item.get("ip")]
    return [
        error for i, item in enumerate(ingresses) for error in _ingress(f"{field}.ingress[{i}]", item, known, gates)
    ]


def validate_status(service: Doc, old: Doc, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook."""
    new_status, old_status = (document.get("status") or {} for document in (service, old))
    return validate_load_balancer_status(
        new_status.get("loadBalancer") or {}, old_status.get("loadBalancer") or {}, spec_of(service), gates=gates
    )
