"""ReplicaSet: defaults, validation, an immutable selector.

Source: k8s.io/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateReplicaSetSpec),
pkg/registry/apps/replicaset/strategy.go.
"""

from collections.abc import Callable, Mapping

from portway.kubeapi import names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.template import (
    default_template,
    immutable,
    pod_warnings,
    validate_counts,
    validate_selected_template,
)

name_rule = names.is_dns1123_subdomain


def _replicas(doc: Doc) -> str:
    return str((doc.get("status") or {}).get("replicas") or 0)


fields: Mapping[str, Callable[[Doc], str]] = {"status.replicas": _replicas}


def default(doc: Doc) -> None:
    """The apps/v1 defaults."""
    spec = doc.setdefault("spec", {})
    default_template(spec)
    if spec.get("replicas") is None:
        spec["replicas"] = 1


def prepare_create(doc: Doc) -> None:
    """No replicas are known yet."""
    doc["status"] = {"replicas": 0}


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec; on update also that the selector stays."""
    found = validate_counts(new["spec"], "spec", "replicas", "minReadySeconds")
    found += validate_selected_template(new["spec"], "spec", "ReplicaSet")
    return found + (immutable(new, old, "selector") if old else [])


def warnings(new: Doc, old: Doc | None) -> list[str]:
    """Those of its template, on create."""
    return pod_warnings(new["spec"]["template"]["spec"], "spec.template.spec") if old is None else []
