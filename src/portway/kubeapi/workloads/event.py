"""Event (v1): what events can be selected by.

Source: k8s.io/kubernetes pkg/registry/core/event/strategy.go (ToSelectableFields), pkg/apis/core/validation/events.go.
"""

from collections.abc import Callable, Mapping

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.names import is_path_segment_name

name_rule = is_path_segment_name
"""v1 asks no more (ValidateEventCreate, "backwards compatibility"): what Events are about has names of all kinds."""


def _involved(name: str) -> Callable[[Doc], str]:
    return lambda doc: str((doc.get("involvedObject") or {}).get(name) or "")


def _own(name: str) -> Callable[[Doc], str]:
    return lambda doc: str(doc.get(name) or "")


def _source(doc: Doc) -> str:
    return str((doc.get("source") or {}).get("component") or doc.get("reportingComponent") or "")


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
fields: Mapping[str, Callable[[Doc], str]] = {
    **{f"involvedObject.{name}": _involved(name) for name in _INVOLVED},
    "reason": _own("reason"),
    "type": _own("type"),
    "reportingComponent": _own("reportingComponent"),
    "source": _source,
}


def default(doc: Doc) -> None:
    """Fields that v1.Event always shows."""
    doc.setdefault("involvedObject", {})
    doc.setdefault("source", {})
    doc.setdefault("reportingComponent", "")
    doc.setdefault("reportingInstance", "")


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """An event lives in the namespace of what it is about; events about cluster-wide objects in `default`."""
    namespace = (new.get("metadata") or {}).get("namespace") or ""
    about = (new.get("involvedObject") or {}).get("namespace") or ""
    if about == namespace or (not about and namespace in ("default", "kube-system")):
        return []
    return [fault.invalid("involvedObject.namespace", about, "does not match event.namespace")]
