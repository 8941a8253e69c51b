"""Namespace: its phase, its finalizer, the label with its name.

Source: k8s.io/kubernetes pkg/registry/core/namespace/strategy.go, pkg/apis/core/v1/defaults.go.
"""

from collections.abc import Callable, Mapping

from portway.kubeapi import names
from portway.kubeapi.errors import Doc

name_rule = names.is_dns1123_label


def _phase(doc: Doc) -> str:
    return str((doc.get("status") or {}).get("phase") or "")


fields: Mapping[str, Callable[[Doc], str]] = {"status.phase": _phase}


def default(doc: Doc) -> None:
    """The label kubernetes.io/metadata.name always says the name."""
    metadata = doc.setdefault("metadata", {})
    if metadata.get("name"):
        metadata["labels"] = (metadata.get("labels") or {}) | {"kubernetes.io/metadata.name": metadata["name"]}
    doc.setdefault("spec", {})
    doc["status"] = {"phase": "Active"} | (doc.get("status") or {})


def prepare_create(doc: Doc) -> None:
    """Deletion waits until the namespace's content is gone: that is the finalizer `kubernetes`."""
    # A generated name is known only now.
    default(doc)
    finalizers = doc["spec"].get("finalizers") or []
    doc["spec"]["finalizers"] = finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]
    doc["status"] = {"phase": "Active"}


def prepare_update(new: Doc, old: Doc) -> None:
    """Only /finalize changes the finalizers; the status is /status's."""
    new["spec"]["finalizers"] = (old.get("spec") or {}).get("finalizers") or []
    new["status"] = old.get("status") or {}
