"""ReplicaSet: defaults, validation, an immutable selector.

Source: k8s.io/kubernetes pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateReplicaSetSpec),
pkg/registry/apps/replicaset/strategy.go.
"""

from portway.kubeapi import names
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.template import (
    COUNTED,
    default_template,
    immutable,
    validate_counts,
    validate_selected_template,
    warnings_on_create,
)

name_rule = names.is_dns1123_subdomain


fields = COUNTED


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


warnings = warnings_on_create
