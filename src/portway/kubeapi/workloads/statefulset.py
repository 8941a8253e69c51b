"""StatefulSet: defaults, validation, and what of it never changes.

Source: k8s.io/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateStatefulSetSpec),
pkg/registry/apps/statefulset/strategy.go.
"""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.patch.equality import same
from portway.kubeapi.workloads.template import (
    COUNTED,
    default_template,
    validate_counts,
    validate_selected_template,
    warnings_of_changes,
)

name_rule = names.is_dns1123_label
_MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


fields = COUNTED


def default(doc: Doc) -> None:
    """The apps/v1 defaults."""
    spec = doc.setdefault("spec", {})
    default_template(spec)
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10)):
        if spec.get(name) is None:
            spec[name] = value
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0} | (strategy.get("rollingUpdate") or {})
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"} | retention


def prepare_create(doc: Doc) -> None:
    """A new one has no status of its own yet."""
    doc["status"] = {"replicas": 0, "availableReplicas": 0}


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec; on update also that only few fields changed."""
    spec = new["spec"]
    found = validate_counts(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    found += _chosen("spec.podManagementPolicy", spec["podManagementPolicy"], ("OrderedReady", "Parallel"))
    found += _chosen("spec.updateStrategy", spec["updateStrategy"]["type"], ("RollingUpdate", "OnDelete"))
    rolling = spec["updateStrategy"].get("rollingUpdate") or {}
    found += validate_counts(rolling, "spec.updateStrategy.rollingUpdate", "partition")
    found += validate_counts(spec.get("ordinals") or {}, "spec.ordinals", "start")
    found += validate_selected_template(spec, "spec", "StatefulSet")
    return found + (_unchanged(spec, old["spec"]) if old else [])


def _chosen(path: str, value: str, allowed: tuple[str, str]) -> list[FieldError]:
    first, second = allowed
    return [] if value in allowed else [fault.invalid(path, value, f"must be '{first}' or '{second}'")]


def _unchanged(spec: Doc, before: Doc) -> list[FieldError]:
    if all(same(spec.get(name), before.get(name)) for name in (spec.keys() | before.keys()) - {*_MAY_CHANGE}):
        return []
    *first, last = (f"'{name}'" for name in _MAY_CHANGE)
    complaint = f"updates to statefulset spec for fields other than {', '.join(first)} and {last} are forbidden"
    return [fault.forbidden("spec", complaint)]


warnings = warnings_of_changes
