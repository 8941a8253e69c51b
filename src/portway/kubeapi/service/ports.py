"""Validation of `spec.ports`. Source: pkg/apis/core/validation/validation.go (validateServicePort and around)."""

from typing import Any

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.names import is_dns1123_label, is_qualified_name, is_valid_port_name, is_valid_port_num
from portway.kubeapi.service.document import ports_of, type_of

PROTOCOLS = ("SCTP", "TCP", "UDP")


def validate_protocol(field: str, protocol: str | None) -> list[FieldError]:
    """Required, and one of those; also of Endpoints' ports."""
    if not protocol:
        return [fault.required(field)]
    return [] if protocol in PROTOCOLS else [fault.not_supported(field, protocol, PROTOCOLS)]


def validate_port_number_or_name(field: str, port: Any) -> list[FieldError]:
    """An IntOrString: a port number, or the name of a container port."""
    messages = is_valid_port_name(port) if isinstance(port, str) else is_valid_port_num(port)
    return fault.invalid_each(field, port, messages)


def _name(field: str, name: str, alone: bool, earlier: list[str]) -> list[FieldError]:
    if not name:
        return [] if alone else [fault.required(field)]
    found = fault.invalid_each(field, name, is_dns1123_label(name))
    return [*found, fault.duplicate(field, name)] if name in earlier else found


def _port(field: str, port: Doc) -> list[FieldError]:
    number, app_protocol = port.get("port") or 0, port.get("appProtocol")
    target = port.get("targetPort")
    found = fault.invalid_each(f"{field}.port", number, is_valid_port_num(number))
    found += validate_protocol(f"{field}.protocol", port.get("protocol"))
    found += validate_port_number_or_name(f"{field}.targetPort", 0 if target is None else target)
    if app_protocol is not None:
        found += fault.invalid_each(f"{field}.appProtocol", app_protocol, is_qualified_name(app_protocol))
    return found


def validate_ports(spec: Doc) -> list[FieldError]:
    """Each port by itself, and their names."""
    ports = ports_of(spec)
    names = [port.get("name") or "" for port in ports]
    found: list[FieldError] = []
    for i, port in enumerate(ports):
        field = f"spec.ports[{i}]"
        found += _name(f"{field}.name", names[i], len(ports) == 1, names[:i])
        found += _port(field, port)
    return found


def _duplicate_value(protocol: str, number: int) -> Doc:
    """Upstream shows the key it compared, a ServicePort with nothing else set."""
    return {
        "Name": "",
        "Protocol": protocol,
        "AppProtocol": None,
        "Port": number,
        "TargetPort": 0,
        "NodePort": 0,
    }


def validate_ports_together(spec: Doc) -> list[FieldError]:
    """nodePorts that the type does not have, and numbers given twice for one protocol."""
    ports = ports_of(spec)
    given = [(i, port.get("protocol") or "", port.get("nodePort") or 0) for i, port in enumerate(ports)]
    given = [item for item in given if item[2]]
    found = []
    if type_of(spec) == "ClusterIP":
        detail = "may not be used when `type` is 'ClusterIP'"
        found += [fault.forbidden(f"spec.ports[{i}].nodePort", detail) for i, _, _ in given]
    for n, (i, protocol, number) in enumerate(given):
        if (protocol, number) in [item[1:] for item in given[:n]]:
            found.append(fault.duplicate(f"spec.ports[{i}].nodePort", number))
    keys = [(port.get("protocol") or "", port.get("port") or 0) for port in ports]
    for i, (protocol, number) in enumerate(keys):
        if (protocol, number) in keys[:i]:
            found.append(fault.duplicate(f"spec.ports[{i}]", _duplicate_value(protocol, number)))
    return found
