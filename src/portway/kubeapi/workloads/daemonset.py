"""DaemonSet: defaults, validation, an immutable selector.

Source: k8s.io/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateDaemonSetSpec),
pkg/registry/apps/daemonset/strategy.go.
"""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.patch.equality import same
from portway.kubeapi.workloads.deployment import int_or_percent
from portway.kubeapi.workloads.template import (
    default_template,
    immutable,
    validate_counts,
    validate_selected_template,
    warnings_of_changes,
)

name_rule = names.is_dns1123_subdomain
_STRATEGIES = ("RollingUpdate", "OnDelete")
_GENERATION = "deprecated.daemonset.template.generation"
_STATUS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def default(doc: Doc) -> None:
    """The apps/v1 defaults."""
    spec = doc.setdefault("spec", {})
    default_template(spec)
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | (strategy.get("rollingUpdate") or {})


def prepare_create(doc: Doc) -> None:
    """A new one runs nowhere yet. apps/v1 keeps the template's generation, which has no field of its own there."""
    doc["status"] = dict.fromkeys(_STATUS, 0)
    doc["metadata"].setdefault("annotations", {})[_GENERATION] = "1"


def prepare_update(new: Doc, old: Doc) -> None:
    """The status is another's to write; the template's generation counts its changes."""
    new["status"] = old.get("status") or {}
    before = str((old["metadata"].get("annotations") or {}).get(_GENERATION) or "1")
    changed = not same(new["spec"].get("template"), old["spec"].get("template"))
    now = str(int(before) + changed) if before.isdigit() else before
    new["metadata"].setdefault("annotations", {})[_GENERATION] = now


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec; on update also that the selector stays."""
    spec = new["spec"]
    found = immutable(new, old, "selector") if old else []
    found += validate_selected_template(spec, "spec", "DaemonSet")
    found += validate_counts(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    found += _strategy(spec["updateStrategy"], "spec.updateStrategy")
    return found


def _strategy(strategy: Doc, path: str) -> list[FieldError]:
    if strategy["type"] not in _STRATEGIES:
        shown = {"Type": strategy["type"], "RollingUpdate": strategy.get("rollingUpdate")}
        return [fault.not_supported(path, shown, _STRATEGIES)]
    rolling = strategy.get("rollingUpdate") or {}
    names_ = ("maxUnavailable", "maxSurge") if strategy["type"] == "RollingUpdate" else ()
    found = [e for name in names_ for e in int_or_percent(rolling.get(name) or 0, f"{path}.rollingUpdate.{name}")]
    if names_ and not found and all(str(rolling.get(name) or 0) in ("0", "0%") for name in names_):
        found = [fault.required(f"{path}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")]
    return found


warnings = warnings_of_changes
