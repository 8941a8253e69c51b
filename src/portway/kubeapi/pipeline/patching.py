"""PATCH: the three forms of a patch, each applied to the document as a client sees it."""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.patch import json_patch, merge, strategic
from portway.kubeapi.schema import TYPES


def _json(doc: Doc, patch: Any, kind: Kind) -> Doc:
    return json_patch.apply(doc, patch)


def _merge(doc: Doc, patch: Any, kind: Kind) -> Doc:
    return merge.apply(doc, patch)


def _strategic(doc: Doc, patch: Any, kind: Kind) -> Doc:
    return strategic.apply(doc, patch, kind.schema, TYPES)


_APPLY: Mapping[str, Callable[[Doc, Any, Kind], Doc]] = {
    "application/json-patch+json": _json,
    "application/merge-patch+json": _merge,
    "application/strategic-merge-patch+json": _strategic,
}


def patched(doc: Doc, patch: Any, media_type: str, kind: Kind) -> Doc:
    """The document with the patch applied. Raises ApiError: 415 for an unknown kind of patch, else what it says."""
    apply = _APPLY.get(media_type)
    if apply is None or (apply is _strategic and not kind.schema):
        accepted = ", ".join(name for name, form in _APPLY.items() if kind.schema or form is not _strategic)
        message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise ApiError(415, "UnsupportedMediaType", message)
    return apply(doc, patch, kind)
