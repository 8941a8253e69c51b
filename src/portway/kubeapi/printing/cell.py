"""Cells and columns that many kinds share."""

from collections.abc import Callable, Iterable
from typing import Any

from portway.kubeapi import selectors
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Column
from portway.kubeapi.printing.duration import since

NONE = "<none>"
UNSET = "<unset>"
Cell = Callable[[Doc, float], Any]


def value(doc: Doc, *path: str) -> Any:
    """What stands at a path of keys; None when any step is missing."""
    found: Any = doc
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def at(*path: str, absent: Any = "") -> Cell:
    """A cell that shows what stands at a path."""

    def cell(doc: Doc, _: float) -> Any:
        found = value(doc, *path)
        return absent if found is None or found == "" else found

    return cell


def text(make: Callable[[Doc], Any]) -> Cell:
    """A cell that does not depend on the time."""
    return lambda doc, _: make(doc)


def column(name: str, cell: Cell, type: str = "string") -> Column:
    """A column that is always shown."""
    return Column(name, cell, type)


def wide(name: str, cell: Cell) -> Column:
    """A column for `-o wide`."""
    return Column(name, cell, priority=1)


def name_of(doc: Doc) -> str:
    """metadata.name."""
    return str(value(doc, "metadata", "name") or "")


NAME = Column("Name", text(name_of), format="name")
AGE = Column("Age", lambda doc, now: since(value(doc, "metadata", "creationTimestamp"), now))


def labels_text(labels: Doc | None) -> str:
    """`a=1,b=2`, or `<none>`."""
    return str(selectors.from_labels(labels)) or NONE


def selector_text(selector: Doc | None) -> str:
    """A LabelSelector as a query; `<none>` when it is empty or absent."""
    try:
        return str(selectors.from_document(selector)) or NONE
    except ApiError:
        return "<error>"


def container_columns(*path: str) -> tuple[Column, Column]:
    """CONTAINERS and IMAGES of the pod template's spec at `path`."""

    def joined(field: str) -> Cell:
        return text(lambda doc: ",".join(str(item.get(field, "")) for item in value(doc, *path, "containers") or ()))

    return wide("Containers", joined("name")), wide("Images", joined("image"))


def listed(items: Iterable[str], most: int, absent: str, total: int | None = None, comma: str = ",") -> str:
    """The first `most` items, then how many more there are."""
    given = list(items)
    count = len(given) if total is None else total
    head = comma.join(given[:most])
    return f"{head} + {count - most} more..." if count > most else head or absent


def condition(doc: Doc, name: str) -> Doc:
    """The status condition of a type; empty when there is none."""
    conditions = value(doc, "status", "conditions") or ()
    return next((item for item in conditions if item.get("type") == name), {})
