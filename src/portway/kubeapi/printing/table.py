"""Documents to a `meta.k8s.io/v1` Table."""

from collections.abc import Iterable, Sequence

from portway.kubeapi.errors import Doc, bad_request
from portway.kubeapi.kinds import Column, Kind
from portway.kubeapi.printing.cell import AGE, NAME
from portway.kubeapi.printing.pods import row_conditions

_API_VERSION = "meta.k8s.io/v1"
_INCLUDES = ("", "Metadata", "None", "Object")


def table(kind: Kind, docs: Iterable[Doc], now: float, list_meta: Doc, include_object: str = "") -> Doc:
    """The Table of these documents at the time `now` (seconds since the epoch).

    `list_meta` becomes its metadata. `include_object` is the query's: "Metadata" (or "") puts a
    PartialObjectMetadata into each row, "Object" the document, "None" nothing. Raises ApiError 400 for other values.
    """
    if include_object not in _INCLUDES:
        raise bad_request(f'unrecognized includeObject value: "{include_object}"')
    columns = kind.columns or (NAME, AGE)
    return {
        "kind": "Table",
        "apiVersion": _API_VERSION,
        "metadata": list_meta,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(kind, columns, doc, now, include_object) for doc in docs],
    }


def _definition(column: Column) -> Doc:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(kind: Kind, columns: Sequence[Column], doc: Doc, now: float, include_object: str) -> Doc:
    row: Doc = {"cells": [column.cell(doc, now) for column in columns]}
    conditions = row_conditions(doc) if kind.kind == "Pod" else []
    if conditions:
        row["conditions"] = conditions
    row["object"] = _object(doc, include_object)
    return row


def _object(doc: Doc, include_object: str) -> Doc | None:
    if include_object == "Object":
        return doc
    if include_object == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": _API_VERSION, "metadata": doc.get("metadata") or {}}
