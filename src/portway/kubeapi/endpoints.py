"""The life of an Endpoints object in the API: hooks of its Kind.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation/validation.go (ValidateEndpoints),
pkg/registry/core/endpoint/strategy.go.
"""

from collections.abc import Iterator

from portway.kubeapi import fault, ip
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gates import GATES, Gates
from portway.kubeapi.names import is_dns1123_label, is_dns1123_subdomain, is_qualified_name, is_valid_port_num
from portway.kubeapi.service.ports import validate_protocol

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"


def _subsets(endpoints: Doc) -> list[Doc]:
    return endpoints.get("subsets") or []


def default(endpoints: Doc) -> None:
    """Kind hook: a port's protocol is TCP unless given."""
    for subset in _subsets(endpoints):
        for port in subset.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"


def _address(field: str, address: Doc, gates: Gates) -> list[FieldError]:
    text, hostname, node = address.get("ip") or "", address.get("hostname") or "", address.get("nodeName")
    found = ip.validate_legacy(f"{field}.ip", text, strict=gates.strict_ips)
    if hostname:
        found += fault.invalid_each(f"{field}.hostname", hostname, is_dns1123_label(hostname))
    if node is not None:
        found += fault.invalid_each(f"{field}.nodeName", node, is_dns1123_subdomain(node))
    return found + ip.validate_endpoint(f"{field}.ip", text)


def _port(field: str, port: Doc, alone: bool) -> list[FieldError]:
    name, number, app_protocol = port.get("name") or "", port.get("port") or 0, port.get("appProtocol")
    found = fault.invalid_each(f"{field}.name", name, is_dns1123_label(name) if name else ())
    if not name and not alone:
        found.append(fault.required(f"{field}.name"))
    found += fault.invalid_each(f"{field}.port", number, is_valid_port_num(number))
    found += validate_protocol(f"{field}.protocol", port.get("protocol"))
    if app_protocol is not None:
        found += fault.invalid_each(f"{field}.appProtocol", app_protocol, is_qualified_name(app_protocol))
    return found


def _addresses(field: str, subset: Doc) -> Iterator[tuple[str, Doc]]:
    for part in ("addresses", "notReadyAddresses"):
        for i, address in enumerate(subset.get(part) or ()):
            yield f"{field}.{part}[{i}]", address


def _subset(field: str, subset: Doc, gates: Gates) -> list[FieldError]:
    addresses, ports = list(_addresses(field, subset)), subset.get("ports") or []
    found = [] if addresses else [fault.required(field, "must specify `addresses` or `notReadyAddresses`")]
    for at, address in addresses:
        found += _address(at, address, gates)
    for i, port in enumerate(ports):
        found += _port(f"{field}.ports[{i}]", port, alone=len(ports) == 1)
    return found


def validate(endpoints: Doc, old: Doc | None, gates: Gates = GATES) -> list[FieldError]:
    """Kind hook. Subsets that an update leaves as they were stay valid."""
    if old is not None and _subsets(old) == _subsets(endpoints):
        return []
    return [error for i, subset in enumerate(_subsets(endpoints)) for error in _subset(f"subsets[{i}]", subset, gates)]


def warnings(endpoints: Doc, old: Doc | None) -> list[str]:
    """Kind hook: about the spelling of addresses, unless the endpoints controller wrote them."""
    labels = (endpoints.get("metadata") or {}).get("labels") or {}
    if labels.get(MANAGED_BY) == CONTROLLER:
        return []
    subsets = enumerate(_subsets(endpoints))
    addresses = [found for i, subset in subsets for found in _addresses(f"subsets[{i}]", subset)]
    return [text for at, address in addresses for text in ip.warnings(f"{at}.ip", address.get("ip") or "")]
