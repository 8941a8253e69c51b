"""metadata on update: what a client may leave out, and what the server counts."""

from portway.kubeapi import metadata
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.kinds import Kind
from portway.kubeapi.patch.equality import same

_KEPT_WHEN_ABSENT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def errors_of(kind: Kind, new: Doc, old: Doc | None) -> list[FieldError]:
    """The generic rules of metadata."""
    return metadata.validate(new, kind.namespaced, kind.name_rule, old)


def inherit(new: Doc, old: Doc, kind: Kind) -> None:
    """Fill new's metadata with what a client need not repeat; the server's own counts are not the client's to set."""
    for name in _KEPT_WHEN_ABSENT:
        if name in old and not new.get(name):
            new[name] = old[name]
    for name in ("generation", "generateName", "selfLink"):
        if name in old:
            new[name] = old[name]
        elif name != "generateName":
            new.pop(name, None)


def count(new: Doc, old: Doc) -> None:
    """metadata.generation grows when anything but metadata and status changed, or deletion began."""
    if not same(_wanted(new), _wanted(old)):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _wanted(doc: Doc) -> Doc:
    return {key: value for key, value in doc.items() if key not in ("metadata", "status")}
