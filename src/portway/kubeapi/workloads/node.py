"""Node: allocatable defaults to capacity; pod ranges and provider stay once set.

Source: k8s.io/kubernetes pkg/apis/core/v1/defaults.go (SetDefaults_NodeStatus), pkg/apis/core/validation
(ValidateNode, ValidateNodeUpdate).
"""

from collections.abc import Callable, Mapping

from portway.kubeapi import fault, ip, names
from portway.kubeapi.errors import Doc, FieldError

name_rule = names.is_dns1123_subdomain
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _unschedulable(doc: Doc) -> str:
    return "true" if (doc.get("spec") or {}).get("unschedulable") else "false"


fields: Mapping[str, Callable[[Doc], str]] = {"spec.unschedulable": _unschedulable}


def default(doc: Doc) -> None:
    """podCIDR and podCIDRs agree; what is there can be allocated."""
    spec, status = doc.setdefault("spec", {}), doc.setdefault("status", {})
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and not spec.get("podCIDR"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """Taints and pod ranges; on update that what was set once stays."""
    spec = new.get("spec") or {}
    found = _taints(spec.get("taints") or [])
    for index, cidr in enumerate(spec.get("podCIDRs") or ()):
        found += ip.validate_legacy_cidr(f"spec.podCIDRs[{index}]", cidr)
    return found + (_changes(spec, old.get("spec") or {}) if old else [])


def _changes(new: Doc, old: Doc) -> list[FieldError]:
    found = []
    if old.get("podCIDRs") and new.get("podCIDRs") != old["podCIDRs"]:
        complaint = 'node updates may not change podCIDR except from "" to valid'
        found.append(fault.forbidden("spec.podCIDRs", complaint))
    if old.get("providerID") and new.get("providerID") != old["providerID"]:
        complaint = 'node updates may not change providerID except from "" to valid'
        found.append(fault.forbidden("spec.providerID", complaint))
    return found


def _taints(taints: list[Doc]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path, key, effect = f"metadata.taints[{index}]", taint.get("key") or "", taint.get("effect") or ""
        found += fault.invalid_each(f"{path}.key", key, names.is_qualified_name(key))
        value = taint.get("value") or ""
        messages = names.is_valid_label_value(value)
        found += [fault.invalid(f"{path}.value", value, ";".join(messages))] if messages else []
        if not effect:
            found.append(fault.required(f"{path}.effect"))
        elif effect not in _EFFECTS:
            found.append(fault.not_supported(f"{path}.effect", effect, _EFFECTS))
        if (key, effect) in seen:
            found.append(fault.duplicate(path, taint))
        seen.add((key, effect))
    return found
