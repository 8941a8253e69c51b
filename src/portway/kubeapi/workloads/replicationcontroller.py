"""ReplicationController: a ReplicaSet whose selector is a plain map, and defaults to the template's labels.

Source: k8s.io/kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/core/validation
(ValidateReplicationControllerSpec), pkg/registry/core/replicationcontroller/strategy.go.
"""

from portway.kubeapi import fault, names, selectors
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.template import (
    COUNTED,
    default_template,
    validate_counts,
    validate_template,
    warnings_on_create,
)

name_rule = names.is_dns1123_subdomain


fields = COUNTED


def default(doc: Doc) -> None:
    """The v1 defaults: the template's labels become the selector and the controller's own labels."""
    spec, metadata = doc.setdefault("spec", {}), doc.setdefault("metadata", {})
    default_template(spec)
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        spec["selector"] = spec.get("selector") or dict(labels)
        metadata["labels"] = metadata.get("labels") or dict(labels)
    if spec.get("replicas") is None:
        spec["replicas"] = 1


def prepare_create(doc: Doc) -> None:
    """No replicas are known yet."""
    doc["status"] = {"replicas": 0}


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """The spec."""
    spec = new["spec"]
    found = validate_counts(spec, "spec", "minReadySeconds")
    if not spec.get("selector"):
        found.append(fault.required("spec.selector"))
    found += validate_counts(spec, "spec", "replicas")
    selector = selectors.from_labels(spec.get("selector"))
    return found + validate_template(spec, selector, "spec", "ReplicationController")


warnings = warnings_on_create
