"""The life of an EndpointSlice in the API: hooks of its Kind.

Source: pkg/apis/discovery/v1/defaults.go, pkg/apis/discovery/validation/validation.go,
pkg/registry/discovery/endpointslice/strategy.go.
"""

from collections.abc import Callable, Sequence

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.metadata import validate_labels
from portway.kubeapi.names import is_dns1123_label, is_dns1123_subdomain, is_qualified_name, is_valid_label_value
from portway.kubeapi.service.ports import validate_protocol

MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100
MAX_PORTS = 20000
MAX_TOPOLOGY_LABELS = 16
MAX_HINTS = 8
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
_ZONE = "topology.kubernetes.io/zone"


def default(endpoint_slice: Doc) -> None:
    """Kind hook: a port's name is "" and its protocol TCP unless given; an endpoint has conditions, if only {}."""
    for endpoint in endpoint_slice.get("endpoints") or ():
        if endpoint.get("conditions") is None:
            endpoint["conditions"] = {}
    for port in endpoint_slice.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def prepare_create(endpoint_slice: Doc) -> None:
    """Kind hook: v1 cannot write deprecatedTopology."""
    for endpoint in endpoint_slice.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def prepare_update(endpoint_slice: Doc, old: Doc) -> None:
    """Kind hook: as on create, unless the endpoints are those of the old object."""
    if (endpoint_slice.get("endpoints") or []) != (old.get("endpoints") or []):
        prepare_create(endpoint_slice)


def _address_type(value: str) -> list[FieldError]:
    if not value:
        return [fault.required("addressType")]
    return [] if value in ADDRESS_TYPES else [fault.not_supported("addressType", value, ADDRESS_TYPES)]


def _port(field: str, port: Doc, earlier: Sequence[str]) -> list[FieldError]:
    name, app_protocol = port.get("name") or "", port.get("appProtocol")
    found = fault.invalid_each(f"{field}.name", name, is_dns1123_label(name) if name else ())
    if name in earlier:
        found.append(fault.duplicate(f"{field}.name", name))
    found += validate_protocol(f"{field}.protocol", port.get("protocol"))
    if app_protocol is not None:
        found += fault.invalid_each(f"{field}.appProtocol", app_protocol, is_qualified_name(app_protocol))
    return found


def _ports(ports: Sequence[Doc]) -> list[FieldError]:
    if len(ports) > MAX_PORTS:
        return [fault.too_many("ports", len(ports), MAX_PORTS)]
    names = [port.get("name") or "" for port in ports]
    return [error for i, port in enumerate(ports) for error in _port(f"ports[{i}]", port, names[:i])]


def _ipv4(field: str, address: str, gates: Gates) -> list[FieldError]:
    return ip.validate_legacy(field, address, strict=gates.strict_ips)


def _ipv6(field: str, address: str, gates: Gates) -> list[FieldError]:
    return ip.validate_strict(field, address)


def _fqdn(field: str, address: str) -> list[FieldError]:
    """A domain of two or more labels; one trailing dot is dropped before anything is shown."""
    if not address:
        return [fault.required(field)]
    domain = address.removesuffix(".")
    if messages := is_dns1123_subdomain(domain):
        return [fault.invalid(field, domain, ",".join(messages))]
    if "." not in domain:
        return [fault.invalid(field, domain, "should be a domain with at least two segments separated by dots")]
    faulty = [(label, messages) for label in domain.split(".") if (messages := is_dns1123_label(label))]
    return [fault.invalid(field, label, ",".join(messages)) for label, messages in faulty[:1]]


_PARSED: dict[str, Callable[[str, str, Gates], list[FieldError]]] = {"IPv4": _ipv4, "IPv6": _ipv6}


def _address(field: str, i: int, address: str, kind: str, gates: Gates) -> list[FieldError]:
    """One of an endpoint's addresses; upstream shows the wrong family at the list, not at the address."""
    at = f"{field}[{i}]"
    if kind == "FQDN":
        return _fqdn(at, address)
    if kind not in _PARSED:
        return []
    if malformed := _PARSED[kind](at, address, gates):
        return malformed
    found = ip.validate_endpoint(at, address)
    if ip.family(address) != kind:
        return [fault.invalid(field, address, f"must be an {kind} address"), *found]
    return found


def _addresses(field: str, addresses: Sequence[str], kind: str, gates: Gates) -> list[FieldError]:
    found = [fault.required(field, "must contain at least 1 address")] if not addresses else []
    if len(addresses) > MAX_ADDRESSES:
        found.append(fault.too_many(field, len(addresses), MAX_ADDRESSES))
    return found + [error for i, text in enumerate(addresses) for error in _address(field, i, text, kind, gates)]


def _topology(field: str, labels: dict[str, str]) -> list[FieldError]:
    found = []
    if len(labels) > MAX_TOPOLOGY_LABELS:
        found.append(fault.too_many(field, len(labels), MAX_TOPOLOGY_LABELS))
    found += validate_labels(field, labels)
    if _ZONE in labels:
        found.append(FieldError("InternalError", f"{field}[{_ZONE}]", "reserved key was not removed in conversion"))
    return found


def _hint_list(field: str, hints: Sequence[Doc], rule: Callable[[str], list[str]]) -> list[FieldError]:
    names = [hint.get("name") or "" for hint in hints]
    found = []
    for i, name in enumerate(names):
        if name in names[:i]:
            found.append(fault.duplicate(f"{field}[{i}].name", name))
        found += fault.invalid_each(f"{field}[{i}].name", name, rule(name))
    return found


def _hints(field: str, hints: Doc) -> list[FieldError]:
    found: list[FieldError] = []
    for part, rule in (("forZones", is_valid_label_value), ("forNodes", is_dns1123_subdomain)):
        given = hints.get(part) or []
        if len(given) > MAX_HINTS:
            return [*found, fault.too_many(f"{field}.{part}", len(given), MAX_HINTS)]
        found += _hint_list(f"{field}.{part}", given, rule)
    return found


def _endpoint(field: str, endpoint: Doc, kind: str, gates: Gates) -> list[FieldError]:
    node, hostname = endpoint.get("nodeName"), endpoint.get("hostname")
    found = _addresses(f"{field}.addresses", endpoint.get("addresses") or [], kind, gates)
    if node is not None:
        found += fault.invalid_each(f"{field}.nodeName", node, is_dns1123_subdomain(node))
    found += _topology(f"{field}.deprecatedTopology", endpoint.get("deprecatedTopology") or {})
    if hostname is not None:
        found += fault.invalid_each(f"{field}.hostname", hostname, is_dns1123_label(hostname))
    return found + _hints(f"{field}.hints", endpoint.get("hints") or {})


def _endpoints(endpoints: Sequence[Doc], kind: str, gates: Gates) -> list[FieldError]:
    if len(endpoints) > MAX_ENDPOINTS:
        return [fault.too_many("endpoints", len(endpoints), MAX_ENDPOINTS)]
    return [
        error for i, endpoint in enumerate(endpoints) for error in _endpoint(f"endpoints[{i}]", endpoint, kind, gates)
    ]


def validate(endpoint_slice: Doc, old: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook. Endpoints that an update leaves as they were stay valid; addressType may not change."""
    kind, endpoints = endpoint_slice.get("addressType") or "", endpoint_slice.get("endpoints") or []
    found = _address_type(kind) + _ports(endpoint_slice.get("ports") or [])
    if old is None or (old.get("endpoints") or []) != endpoints:
        found += _endpoints(endpoints, kind, gates)
    if old is not None and (old.get("addressType") or "") != kind:
        found.append(fault.invalid("addressType", kind, "field is immutable"))
    return found


def warnings(endpoint_slice: Doc, old: Doc | None) -> list[str]:
    """Kind hook: FQDN is deprecated (on create), addresses should be spelled canonically (not asked of controllers)."""
    found = []
    if old is None and endpoint_slice.get("addressType") == "FQDN":
        found.append("spec.addressType: FQDN endpoints are deprecated")
    labels = (endpoint_slice.get("metadata") or {}).get("labels") or {}
    if labels.get("endpointslice.kubernetes.io/managed-by") in _CONTROLLERS:
        return found
    for i, endpoint in enumerate(endpoint_slice.get("endpoints") or ()):
        for j, address in enumerate(endpoint.get("addresses") or ()):
            found += ip.warnings(f"endpoints[{i}].addresses[{j}]", address)
    return found
