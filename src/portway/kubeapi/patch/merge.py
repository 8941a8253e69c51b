"""JSON merge patch (RFC 7386)."""

from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.patch.equality import same
from portway.kubeapi.patch.refusal import object_of


def apply(doc: Doc, patch: Any) -> Doc:
    """The document with the patch merged in: null removes, objects merge, the rest replaces. 400: not an object."""
    return _merge(doc, object_of(patch))


def _merge(target: Doc, patch: Doc) -> Doc:
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            old = merged.get(key)
            merged[key] = _merge(old if isinstance(old, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def diff(old: Doc, new: Doc) -> Doc:
    """The smallest patch that turns `old` into `new`. `new` must hold no null: merge patches cannot say it."""
    patch: Doc = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := diff(before, value):
                patch[key] = inner
        elif key not in old or not same(before, value):
            patch[key] = value
    return patch
