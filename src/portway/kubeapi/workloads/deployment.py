"""Deployment: defaults, validation, an immutable selector.

Source: k8s.io/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateDeploymentSpec and what it
calls), pkg/registry/apps/deployment/strategy.go.
"""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.probes import nonnegative
from portway.kubeapi.workloads.template import (
    default_template,
    immutable,
    validate_counts,
    validate_selected_template,
    warnings_of_changes,
)

name_rule = names.is_dns1123_subdomain
fields: Mapping[str, Callable[[Doc], str]] = {}


def default(doc: Doc) -> None:
    """The apps/v1 defaults."""
    spec = doc.setdefault("spec", {})
    default_template(spec)
    for name, value in (("replicas", 1), ("revisionHistoryLimit", 10), ("progressDeadlineSeconds", 600)):
        if spec.get(name) is None:
            spec[name] = value
    strategy = spec["strategy"] = spec.get("strategy") or {}
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%"} | (strategy.get("rollingUpdate") or {})


def prepare_create(doc: Doc) -> None:
    """A new Deployment has no status of its own yet."""
    doc["status"] = {}


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec; on update also that the selector stays."""
    spec = new["spec"]
    found = nonnegative(spec.get("replicas") or 0, "spec.replicas")
    found += validate_selected_template(spec, "spec", "ReplicaSet")
    found += _strategy(spec["strategy"], "spec.strategy")
    found += validate_counts(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        found.append(fault.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return found + (immutable(new, old, "selector") if old else [])


warnings = warnings_of_changes


def _strategy(strategy: Doc, path: str) -> list[FieldError]:
    if strategy["type"] == "Recreate":
        complaint = "may not be specified when strategy `type` is 'Recreate'"
        given = strategy.get("rollingUpdate") is not None
        return [fault.forbidden(f"{path}.rollingUpdate", complaint)] if given else []
    if strategy["type"] == "RollingUpdate":
        return _rolling_update(strategy["rollingUpdate"], f"{path}.rollingUpdate")
    return [fault.not_supported(path, strategy, ("Recreate", "RollingUpdate"))]


def _rolling_update(update: Doc, path: str) -> list[FieldError]:
    unavailable, surge = update["maxUnavailable"], update["maxSurge"]
    here = f"{path}.maxUnavailable"
    found = int_or_percent(unavailable, here) + int_or_percent(surge, f"{path}.maxSurge")
    if _amount(unavailable) == 0 and _amount(surge) == 0:
        found.append(fault.invalid(here, unavailable, "may not be 0 when `maxSurge` is 0"))
    if isinstance(unavailable, str) and _amount(unavailable) > 100:
        found.append(fault.invalid(here, unavailable, "must not be greater than 100%"))
    return found


def int_or_percent(value: Any, path: str) -> list[FieldError]:
    """A count that is not negative, or a percentage."""
    if isinstance(value, str):
        return fault.invalid_each(path, value, names.is_valid_percent(value))
    return nonnegative(value, path)


def _amount(value: Any) -> int:
    """The number; of a percentage, the number before the sign; 0 for what is neither."""
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    return int(digits) if value.endswith("%") and digits.isascii() and digits.isdigit() else 0
