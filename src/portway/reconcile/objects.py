"""Questions that every controller asks of a document, and the small copies it makes of one."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.selectors import from_document


def meta(document: Doc) -> Doc:
    """Its metadata; {} when there is none."""
    return document.get("metadata") or {}


def name_of(document: Doc) -> str:
    """metadata.name."""
    return str(meta(document).get("name") or "")


def namespace_of(document: Doc) -> str:
    """metadata.namespace."""
    return str(meta(document).get("namespace") or "")


def uid_of(document: Doc) -> str:
    """metadata.uid."""
    return str(meta(document).get("uid") or "")


def labels_of(document: Doc) -> dict[str, str]:
    """metadata.labels."""
    return meta(document).get("labels") or {}


def annotations_of(document: Doc) -> dict[str, str]:
    """metadata.annotations."""
    return meta(document).get("annotations") or {}


def spec_of(document: Doc) -> Doc:
    """spec."""
    return document.get("spec") or {}


def status_of(document: Doc) -> Doc:
    """status."""
    return document.get("status") or {}


def replicas_of(document: Doc) -> int:
    """spec.replicas, with the API's default."""
    replicas = spec_of(document).get("replicas")
    return 1 if replicas is None else int(replicas)


def is_deleting(document: Doc) -> bool:
    """Whether it has a deletionTimestamp."""
    return bool(meta(document).get("deletionTimestamp"))


def replaced(document: Doc, **parts: Any) -> Doc:
    """A shallow copy with top-level parts replaced."""
    return {**document, **parts}


def with_metadata(document: Doc, **fields: Any) -> Doc:
    """A copy with metadata fields replaced; a None value removes the field."""
    metadata = {**meta(document), **fields}
    return {**document, "metadata": {key: value for key, value in metadata.items() if value is not None}}


def timestamp(now: float) -> str:
    """`metav1.Time`: RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str | None) -> float | None:
    """The epoch seconds of an RFC 3339 time; None when there is none."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def controller_of(document: Doc) -> Doc | None:
    """The ownerReference with `controller: true`."""
    return next((ref for ref in meta(document).get("ownerReferences") or [] if ref.get("controller")), None)


def is_controlled_by(document: Doc, owner: Doc) -> bool:
    """Whether its controller is this very object (by uid)."""
    reference = controller_of(document)
    return reference is not None and reference.get("uid") == uid_of(owner)


def controller_reference(owner: Doc, api_version: str, kind: str) -> Doc:
    """The ownerReference that makes `owner` the controller of a new object."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition_of(document: Doc, kind: str) -> Doc | None:
    """The entry of status.conditions of this type."""
    return next((c for c in status_of(document).get("conditions") or [] if c.get("type") == kind), None)


def is_ready(pod: Doc) -> bool:
    """The pod's Ready condition is True."""
    return (condition_of(pod, "Ready") or {}).get("status") == "True"


def ready_since(pod: Doc) -> float | None:
    """When the Ready condition became what it is."""
    return seconds_of((condition_of(pod, "Ready") or {}).get("lastTransitionTime"))


def is_available(pod: Doc, min_ready_seconds: int, now: float) -> bool:
    """Ready for at least so long (k8s podutils.IsPodAvailable)."""
    if not is_ready(pod):
        return False
    since = ready_since(pod)
    return min_ready_seconds == 0 or (since is not None and since + min_ready_seconds <= now)


def phase_of(pod: Doc) -> str:
    """status.phase."""
    return str(status_of(pod).get("phase") or "")


def has_ended(pod: Doc) -> bool:
    """Succeeded or Failed: its containers will not run again."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Doc) -> bool:
    """Counts as a replica: neither ended nor being deleted."""
    return not has_ended(pod) and not is_deleting(pod)


def contains_all(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether `labels` has every pair of `wanted` (a Service's or ReplicationController's selector)."""
    return all(labels.get(key) == value for key, value in wanted.items())


def selects(selector: Doc | None, labels: Mapping[str, str]) -> bool:
    """metav1.LabelSelector against labels. None selects nothing, an empty one everything."""
    return selector is not None and from_document(selector).matches(labels)


def by_creation(documents: Iterable[Doc]) -> list[Doc]:
    """Oldest first; names decide among those of the same second."""
    return sorted(documents, key=lambda d: (meta(d).get("creationTimestamp") or "", name_of(d)))
