"""The life of an Ingress in the API: hooks of its Kind.

Source: pkg/apis/networking/validation/validation.go (ValidateIngressCreate and what it calls),
pkg/registry/networking/ingress/strategy.go.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.names import (
    NameRule,
    is_dns1035_label,
    is_dns1123_label,
    is_dns1123_subdomain,
    is_path_segment_name,
    is_valid_port_name,
    is_valid_port_num,
    is_wildcard_dns1123_subdomain,
)

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATH = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_END = ("/..", "/.")


class _Tolerance(Struct, frozen=True):
    """The rules that an update is spared because the old Ingress broke them already."""

    service_name: NameRule = is_dns1123_label
    any_secret_name: bool = False
    any_wildcard_rule: bool = False


def _spec(ingress: Doc) -> Doc:
    return ingress.get("spec") or {}


def _class_annotation(ingress: Doc) -> str | None:
    notes = (ingress.get("metadata") or {}).get("annotations") or {}
    value: str | None = notes.get(CLASS_ANNOTATION)
    return value


def begin_create(ingress: Doc, cluster: Any, dry_run: bool) -> None:
    """Kind hook: one that names no class, in no way, gets the default one."""
    spec = ingress.get("spec")
    if spec is None or spec.get("ingressClassName") is not None or _class_annotation(ingress) is not None:
        return
    if name := cluster.default_ingress_class():
        spec["ingressClassName"] = name


def prepare_create(ingress: Doc) -> None:
    """Kind hook: a new Ingress has no status."""
    ingress["status"] = {"loadBalancer": {}}


def prepare_update(ingress: Doc, old: Doc) -> None:
    """Kind hook: keeps the old status."""
    ingress["status"] = old.get("status") or {"loadBalancer": {}}


def _backend_port(field: str, port: Doc) -> list[FieldError]:
    name, number = port.get("name") or "", port.get("number") or 0
    if name and number:
        return [fault.invalid(field, "", "cannot set both port name & port number")]
    if name:
        return fault.invalid_each(f"{field}.service.port.name", name, is_valid_port_name(name))
    if number:
        return fault.invalid_each(f"{field}.service.port.number", number, is_valid_port_num(number))
    return [fault.required(field, "port name or number is required")]


def _service_backend(field: str, service: Doc, rule: NameRule) -> list[FieldError]:
    at, name = f"{field}.service.name", service.get("name") or ""
    found = fault.invalid_each(at, name, rule(name)) if name else [fault.required(at)]
    return found + _backend_port(field, service.get("port") or {})


def _resource_backend(field: str, resource: Doc) -> list[FieldError]:
    group = resource.get("apiGroup")
    found = fault.invalid_each(f"{field}.apiGroup", group, is_dns1123_subdomain(group)) if group is not None else []
    for name in ("kind", "name"):
        at, value = f"{field}.{name}", resource.get(name) or ""
        found += fault.invalid_each(at, value, is_path_segment_name(value)) if value else [fault.required(at)]
    return found


def _backend(field: str, backend: Doc, rule: NameRule) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [fault.invalid(field, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _resource_backend(f"{field}.resource", resource)
    if service is not None:
        return _service_backend(field, service, rule)
    return [fault.invalid(field, "", "resource or service backend is required")]


def _path_messages(path: str, kind: str) -> list[str]:
    absolute = [] if path.startswith("/") else ["must be an absolute path"]
    if kind == "ImplementationSpecific":
        return absolute if path else []
    inside = [f"must not contain '{part}'" for part in _NOT_IN_PATH if part in path]
    return absolute + inside + [f"cannot end with '{end}'" for end in _NOT_AT_END if path.endswith(end)]


def _path(field: str, path: Doc, rule: NameRule) -> list[FieldError]:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        return [fault.required(f"{field}.pathType", "pathType must be specified")]
    if kind in _PATH_TYPES:
        found = fault.invalid_each(f"{field}.path", text, _path_messages(text, kind))
    else:
        found = [fault.not_supported(f"{field}.pathType", kind, _PATH_TYPES)]
    return found + _backend(f"{field}.backend", path.get("backend") or {}, rule)


def validate_rule_value(field: str, rule: Doc, service_name: NameRule = is_dns1123_label) -> list[FieldError]:
    """The `http` part of one rule."""
    http = rule.get("http")
    if http is None:
        return []
    paths = http.get("paths") or []
    found = [] if paths else [fault.required(f"{field}.http.paths")]
    for i, path in enumerate(paths):
        found += _path(f"{field}.http.paths[{i}]", path, service_name)
    return found


def _host_messages(host: str) -> list[str]:
    return is_wildcard_dns1123_subdomain(host) if "*" in host else is_dns1123_subdomain(host)


def _rule(field: str, rule: Doc, tolerance: _Tolerance) -> list[FieldError]:
    host = rule.get("host") or ""
    found = []
    if ip.parse(host):
        found.append(fault.invalid(f"{field}.host", host, "must be a DNS name, not an IP address"))
    if host:
        found += fault.invalid_each(f"{field}.host", host, _host_messages(host))
    if "*" in host and tolerance.any_wildcard_rule:
        return found
    return found + validate_rule_value(field, rule, tolerance.service_name)


def _tls(field: str, tls: Doc, tolerance: _Tolerance) -> list[FieldError]:
    found = []
    for i, host in enumerate(tls.get("hosts") or ()):
        found += fault.invalid_each(f"{field}.hosts[{i}]", host, _host_messages(host))
    secret = tls.get("secretName") or ""
    if secret and not tolerance.any_secret_name:
        found += fault.invalid_each(f"{field}.secretName", secret, is_dns1123_subdomain(secret))
    return found


def _validate_spec(spec: Doc, tolerance: _Tolerance) -> list[FieldError]:
    backend, rules, name = spec.get("defaultBackend"), spec.get("rules") or [], spec.get("ingressClassName")
    found = []
    if not rules and backend is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        found.append(fault.invalid("spec", spec.get("rules"), detail))
    if backend is not None:
        found += _backend("spec.defaultBackend", backend, tolerance.service_name)
    for i, rule in enumerate(rules):
        found += _rule(f"spec.rules[{i}]", rule, tolerance)
    for i, tls in enumerate(spec.get("tls") or ()):
        found += _tls(f"spec.tls[{i}]", tls, tolerance)
    if name is not None:
        found += fault.invalid_each("spec.ingressClassName", name, is_dns1123_subdomain(name))
    return found


def _service_names(spec: Doc) -> Iterator[str]:
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or ():
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or ()]
    for backend in backends:
        if backend.get("service") is not None:
            yield backend["service"].get("name") or ""


def _tolerance(old: Doc | None, gates: Gates) -> _Tolerance:
    spec = _spec(old) if old is not None else {}
    relaxed = any(is_dns1035_label(name) and not is_dns1123_label(name) for name in _service_names(spec))
    secrets = [tls.get("secretName") or "" for tls in spec.get("tls") or ()]
    wild = [rule for rule in spec.get("rules") or () if "*" in (rule.get("host") or "")]
    return _Tolerance(
        service_name=is_dns1123_label if gates.relaxed_service_names or relaxed else is_dns1035_label,
        any_secret_name=any(secret and is_dns1123_subdomain(secret) for secret in secrets),
        any_wildcard_rule=any(validate_rule_value("", rule, is_dns1035_label) for rule in wild),
    )


def validate(ingress: Doc, old: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook."""
    found = _validate_spec(_spec(ingress), _tolerance(old, gates))
    annotation, name = _class_annotation(ingress), _spec(ingress).get("ingressClassName")
    if old is None and annotation is not None and name is not None and annotation != name:
        detail = "must match `ingressClassName` when both are specified"
        found.append(fault.invalid(f"annotations.{CLASS_ANNOTATION}", annotation, detail))
    return found


def _load_balancer_ingresses(ingress: Doc) -> list[Doc]:
    status = ingress.get("status") or {}
    return (status.get("loadBalancer") or {}).get("ingress") or []


def validate_status(ingress: Doc, old: Doc, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook: addresses (those of the old status stay valid) and host names."""
    known = [item["ip"] for item in _load_balancer_ingresses(old) if item.get("ip")]
    found = []
    for i, item in enumerate(_load_balancer_ingresses(ingress)):
        field, address, host = f"status.loadBalancer.ingress[{i}]", item.get("ip") or "", item.get("hostname") or ""
        if address:
            found += ip.validate_legacy(f"{field}.ip", address, known, strict=gates.strict_ips)
        if host:
            found += fault.invalid_each(f"{field}.hostname", host, is_dns1123_subdomain(host))
        if ip.parse(host):
            found.append(fault.invalid(f"{field}.hostname", host, "must be a DNS name, not an IP address"))
    return found


def warnings(ingress: Doc, old: Doc | None) -> list[str]:
    """Kind hook: on create, the annotation that ingressClassName replaced."""
    if old is not None or _class_annotation(ingress) is None or _spec(ingress).get("ingressClassName") is not None:
        return []
    return [f"annotation {fault.quoted(CLASS_ANNOTATION)} is deprecated, please use 'spec.ingressClassName' instead"]
