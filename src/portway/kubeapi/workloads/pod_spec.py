"""Validation of a PodSpec, of a pod or of a template.

Source: k8s.io/kubernetes pkg/apis/core/validation (ValidatePodSpec, ValidateTolerations, ValidateHostAliases).
"""

from collections.abc import Callable

from portway.kubeapi import fault, ip, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.containers import one_of, validate_containers, validate_init_containers
from portway.kubeapi.workloads.dns import validate_dns
from portway.kubeapi.workloads.volumes import validate_volumes

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MATCH_ALL = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def validate_spec(spec: Doc, path: str) -> list[FieldError]:
    """All that is wrong with a PodSpec."""
    if spec.get("terminationGracePeriodSeconds") is None:
        return [fault.required(f"{path}.terminationGracePeriodSeconds")]
    volumes, found = validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    containers = spec.get("containers") or []
    found += validate_containers(containers, volumes, f"{path}.containers")
    init = spec.get("initContainers") or []
    found += validate_init_containers(init, containers, volumes, f"{path}.initContainers")
    found += _host_network_ports(spec, path)
    found += one_of(spec, "restartPolicy", _RESTART_POLICIES, path)
    found += validate_dns(spec, path)
    found += validate_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    for name, rule in _NAMES.items():
        found += fault.invalid_each(f"{path}.{name}", spec[name], rule(spec[name])) if spec.get(name) else []
    found += _deadline(spec.get("activeDeadlineSeconds"), f"{path}.activeDeadlineSeconds")
    found += validate_tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        here = f"{path}.readinessGates[{index}].conditionType"
        found += fault.invalid_each(here, kind, names.is_qualified_name(kind))
    return found + _host_aliases(spec.get("hostAliases") or [], f"{path}.hostAliases")


_NAMES: dict[str, Callable[[str], list[str]]] = {
    "serviceAccountName": names.is_dns1123_subdomain,
    "nodeName": names.is_dns1123_subdomain,
    "hostname": names.is_dns1123_label,
    "subdomain": names.is_dns1123_label,
    "priorityClassName": names.is_dns1123_subdomain,
    "runtimeClassName": names.is_dns1123_subdomain,
}


def validate_labels(labels: Doc, path: str) -> list[FieldError]:
    """Keys and values of a map of labels."""
    found = []
    for key, value in labels.items():
        found += fault.invalid_each(path, key, names.is_qualified_name(key))
        found += fault.invalid_each(path, value, names.is_valid_label_value(value))
    return found


def _deadline(seconds: int | None, path: str) -> list[FieldError]:
    if seconds is None:
        return []
    return fault.invalid_each(path, seconds, names.in_range(seconds, 1, 2**31 - 1))


def _host_network_ports(spec: Doc, path: str) -> list[FieldError]:
    if not spec.get("hostNetwork"):
        return []
    found = []
    for field in ("containers", "initContainers"):
        for outer, container in enumerate(spec.get(field) or ()):
            for inner, port in enumerate(container.get("ports") or ()):
                number = port.get("containerPort")
                if port.get("hostPort") not in (None, 0, number):
                    here = f"{path}.{field}[{outer}].ports[{inner}].hostPort"
                    complaint = "must match `containerPort` when `hostNetwork` is true"
                    found.append(fault.invalid(here, port["hostPort"], complaint))
    return found


def validate_tolerations(tolerations: list[Doc], path: str) -> list[FieldError]:
    """Keys, operators, effects, and what may go together."""
    found: list[FieldError] = []
    for index, toleration in enumerate(tolerations):
        found += _toleration(toleration, f"{path}[{index}]")
    return found


def _toleration(toleration: Doc, path: str) -> list[FieldError]:
    key, operator, effect = (toleration.get(name) or "" for name in ("key", "operator", "effect"))
    found = fault.invalid_each(f"{path}.key", key, names.is_qualified_name(key)) if key else []
    if not key and operator != "Exists":
        found.append(fault.invalid(f"{path}.operator", operator, _MATCH_ALL))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        complaint = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        found.append(fault.invalid(f"{path}.effect", effect, complaint))
    found += _toleration_value(operator, toleration.get("value") or "", f"{path}.operator")
    if effect and effect not in _EFFECTS:
        found.append(fault.not_supported(f"{path}.effect", effect, _EFFECTS))
    return found


def _toleration_value(operator: str, value: str, path: str) -> list[FieldError]:
    if operator in ("", "Equal"):
        messages = names.is_valid_label_value(value)
        return [fault.invalid(path, value, ";".join(messages))] if messages else []
    if operator == "Exists":
        complaint = "value must be empty when `operator` is 'Exists'"
        return [fault.invalid(path, value, complaint)] if value else []
    return [fault.not_supported(path, operator, ("Equal", "Exists"))]


def _host_aliases(aliases: list[Doc], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, alias in enumerate(aliases):
        found += ip.validate_legacy(f"{path}[{index}].ip", alias.get("ip") or "")
        for name in alias.get("hostnames") or ():
            found += fault.invalid_each(f"{path}[{index}].hostnames", name, names.is_dns1123_subdomain(name))
    return found
