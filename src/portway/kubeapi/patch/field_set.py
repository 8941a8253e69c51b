"""Sets of fields, as `metadata.managedFields` writes them (FieldsV1).

A **path** is a tuple of elements from the document's root: `f:NAME` a field or a map's key, `k:{…}` the item of a
keyed list with these keys, `v:…` a value of a set. A **field set** is a set of paths; in FieldsV1 a path that has
others below it is itself a member when it holds `.`.

Source: sigs.k8s.io/structured-merge-diff fieldpath (serialize.go, element.go).
"""

import json
from collections.abc import Iterable
from typing import Any

from portway.kubeapi.errors import Doc

Path = tuple[str, ...]
FieldSet = frozenset[Path]


def field(name: str) -> str:
    """The element of a field or of a map's key."""
    return f"f:{name}"


def item(keys: Doc) -> str:
    """The element of a keyed list's item."""
    return f"k:{_json(dict(sorted(keys.items())))}"


def member(value: Any) -> str:
    """The element of a set's value."""
    return f"v:{_json(value)}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encode(paths: Iterable[Path]) -> Doc:
    """FieldsV1 of a field set."""
    root: Doc = {}
    known = frozenset(paths)
    for path in sorted(known):
        node = root
        for depth, element in enumerate(path, 1):
            inner = node.setdefault(element, {})
            if depth < len(path) and not inner and path[:depth] in known:
                inner["."] = {}
            node = inner
    return root


def decode(fields: Doc) -> FieldSet:
    """The field set of a FieldsV1 document; whatever is not an object in it is left out."""
    found: set[Path] = set()

    def collect(node: Doc, path: Path) -> None:
        if path and (not node or "." in node):
            found.add(path)
        for element, inner in node.items():
            if element != "." and isinstance(inner, dict):
                collect(inner, (*path, element))

    collect(fields, ())
    return frozenset(found)


def text(path: Path) -> str:
    """`.spec.ports[port=80,protocol="TCP"].name`, as conflicts name fields."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    form, rest = element[:2], element[2:]
    if form == "f:":
        return f".{rest}"
    if form == "v:":
        return f"[={rest}]"
    keys = json.loads(rest)
    return f"[{','.join(f'{name}={_json(value)}' for name, value in sorted(keys.items()))}]"
