"""Validation of probes and lifecycle handlers.

Source: k8s.io/kubernetes pkg/apis/core/validation (validateProbe, validateHandler and what they call).
"""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError

_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_MORE_THAN_ONE = "may not specify more than 1 handler type"


def validate_probes(container: Doc, path: str) -> list[FieldError]:
    """A container's three probes."""
    found = []
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is not None:
            found += _probe(probe, f"{path}.{name}", name)
    return found


def validate_lifecycle(lifecycle: Doc, path: str) -> list[FieldError]:
    """A container's postStart and preStop hooks."""
    found = []
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            found += _handler(lifecycle[name], f"{path}.{name}")
    return found


def nonnegative(value: int, path: str) -> list[FieldError]:
    """Zero or more."""
    return [fault.invalid(path, value, "must be greater than or equal to 0")] if value < 0 else []


def _probe(probe: Doc, path: str, name: str) -> list[FieldError]:
    found = _handler(probe, path)
    for count in _COUNTS:
        found += nonnegative(probe.get(count) or 0, f"{path}.{count}")
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        found.append(fault.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    if name == "readinessProbe" and grace is not None:
        complaint = "must not be set for readinessProbes"
        found.append(fault.invalid(f"{path}.terminationGracePeriodSeconds", grace, complaint))
    if name != "readinessProbe" and probe.get("successThreshold") != 1:
        found.append(fault.invalid(f"{path}.successThreshold", probe.get("successThreshold") or 0, "must be 1"))
    return found


def _handler(handler: Doc, path: str) -> list[FieldError]:
    given = [name for name in _ACTIONS if handler.get(name) is not None]
    if not given:
        return [fault.required(path, "must specify a handler type")]
    found = _ACTIONS[given[0]](handler[given[0]], f"{path}.{given[0]}")
    return found + [fault.forbidden(f"{path}.{name}", _MORE_THAN_ONE) for name in given[1:]]


def _exec(action: Doc, path: str) -> list[FieldError]:
    return [] if action.get("command") else [fault.required(f"{path}.command")]


def _http_get(action: Doc, path: str) -> list[FieldError]:
    found = [] if action.get("path") else [fault.required(f"{path}.path")]
    found += port_number_or_name(action.get("port", 0), f"{path}.port")
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        found.append(fault.not_supported(f"{path}.scheme", action.get("scheme") or "", ("HTTP", "HTTPS")))
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        found += fault.invalid_each(f"{path}.httpHeaders", name, names.is_http_header_name(name))
    return found


def _port(action: Doc, path: str) -> list[FieldError]:
    return port_number_or_name(action.get("port", 0), f"{path}.port")


def _sleep(action: Doc, path: str) -> list[FieldError]:
    return nonnegative(action.get("seconds") or 0, f"{path}.seconds")


_ACTIONS: Mapping[str, Callable[[Doc, str], list[FieldError]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port,
    "grpc": _port,
    "sleep": _sleep,
}


def port_number_or_name(port: Any, path: str) -> list[FieldError]:
    """A port given as a number or as the name of a container's port."""
    rule = names.is_valid_port_name(port) if isinstance(port, str) else names.is_valid_port_num(port or 0)
    return fault.invalid_each(path, port, rule)
