"""PATCH: the three forms of a patch, each applied to the document as a client sees it."""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.patch import json_patch, merge, strategic
from portway.kubeapi.schema import TYPES

APPLY = "application/apply-patch+yaml"
"""Server-side apply, which is more than a patch: see managers."""


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


def check_patch_type(media_type: str, kind: Kind) -> None:
    """Raises 415 for a patch of a form that there is not, or not for documents without a schema."""
    accepted = [name for name, form in _APPLY.items() if kind.schema or form is not _strategic]
    if media_type not in accepted:
        message = (
            "the body of the request was in an unknown format - accepted media types include: "
            f"{', '.join([*accepted, APPLY])}"
        )
        raise ApiError(415, "UnsupportedMediaType", message)


def patched(doc: Doc, patch: Any, media_type: str, kind: Kind) -> Doc:
    """The document with the patch applied. Raises ApiError: 415 for an unknown form of patch, else what it says."""
    check_patch_type(media_type, kind)
    return _APPLY[media_type](doc, patch, kind)
