"""Who manages which fields: the entries of `metadata.managedFields`.

Source: k8s.io/apimachinery pkg/util/managedfields; KEP-555.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.fault import quoted
from portway.kubeapi.patch import field_set
from portway.kubeapi.patch.field_set import FieldSet, Path

Operation = Literal["Apply", "Update"]

_UNTRACKED = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), ()}
    | {
        ("f:metadata", field_set.field(name))
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)
"""What nobody owns."""


class Manager(Struct, frozen=True):
    """One entry: a manager, how it writes, and what it owns."""

    name: str
    operation: Operation
    api_version: str
    fields: FieldSet
    time: str = ""
    """RFC 3339, of its last change."""
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Entries of one identity are one entry."""
        return self.name, self.operation, self.subresource

    def __str__(self) -> str:
        """As conflicts name it: without the time, which kube-apiserver (1.36) no longer keeps in an identity."""
        name = quoted(self.name)
        if self.subresource:
            name = f"{name} with subresource {quoted(self.subresource)}"
        if self.operation == "Apply":
            return name
        return f"{name} using {self.api_version}"


def tracked(paths: Iterable[Path]) -> FieldSet:
    """The paths without those that nobody owns."""
    return frozenset(paths) - _UNTRACKED


def read(doc: Doc) -> list[Manager]:
    """The entries of a document."""
    return [_read(entry) for entry in (doc.get("metadata") or {}).get("managedFields") or ()]


def _read(entry: Doc) -> Manager:
    fields = entry.get("fieldsV1")
    return Manager(
        name=entry.get("manager") or "",
        operation="Apply" if entry.get("operation") == "Apply" else "Update",
        api_version=entry.get("apiVersion") or "",
        fields=field_set.decode(fields) if isinstance(fields, dict) else frozenset(),
        time=entry.get("time") or "",
        subresource=entry.get("subresource") or "",
    )


def written(doc: Doc, managers: Sequence[Manager]) -> Doc:
    """The document with these entries, those that own nothing left out: appliers first, then the oldest."""
    order = sorted((m for m in managers if m.fields), key=lambda m: (m.operation, m.time, m.name, m.subresource))
    metadata = {name: value for name, value in (doc.get("metadata") or {}).items() if name != "managedFields"}
    if order:
        metadata["managedFields"] = [_entry(manager) for manager in order]
    return doc | {"metadata": metadata}


def _entry(manager: Manager) -> Doc:
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": manager.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": field_set.encode(manager.fields),
        "subresource": manager.subresource,
    }
    return {name: value for name, value in entry.items() if value != ""}
