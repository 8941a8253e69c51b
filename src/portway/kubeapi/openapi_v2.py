"""The OpenAPI v2 document of all groups, in protobuf: the form in which kubectl reads it.

kubectl turns to it for `kind: List`, which it checks itself, item by item; without it `kubectl apply` of a List fails.
Only definitions are in it: what fields there are. Everything else stands in the v3 documents.

Source: the messages Document, Schema, NamedSchema and NamedAny of gnostic's openapiv2/OpenAPIv2.proto.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from portway.kubeapi import openapi
from portway.kubeapi.catalogue import groups
from portway.kubeapi.discovery import VERSION
from portway.kubeapi.errors import Doc

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""The answer's Content-Type. kubectl asks for it with `@` before `v1.0`, which it then refuses in an answer."""

_GVK = "x-kubernetes-group-version-kind"
_V3, _V2 = "#/components/schemas/", "#/definitions/"


@lru_cache(maxsize=1)
def document() -> bytes:
    """The answer to /openapi/v2."""
    info = _text(1, "Kubernetes") + _text(2, str(VERSION["gitVersion"]))
    definitions = b"".join(_field(1, _named(name, _schema(schema))) for name, schema in _definitions())
    return _text(1, "2.0") + _field(2, info) + _field(9, definitions)


def _definitions() -> Iterator[tuple[str, Doc]]:
    merged: dict[str, Doc] = {}
    for group, version in groups():
        found = openapi.document(f"apis/{group}/{version}" if group else f"api/{version}")
        for name, schema in (found["components"]["schemas"] if found else {}).items():
            merged[name] = _served_also(merged.get(name, {}), schema)
    yield from sorted(merged.items())


def _served_also(before: Doc, schema: Doc) -> Doc:
    """A definition that several versions share says so."""
    kinds = [kind for part in (before, schema) for kind in part.get(_GVK, ())]
    return schema | {_GVK: [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]} if kinds else schema


def _schema(schema: Doc) -> bytes:
    """The message Schema. v2 has neither oneOf nor a $ref with company: the first becomes a string."""
    (reference,) = schema.get("allOf") or (schema,)
    parts = [_text(1, _V2 + reference["$ref"].removeprefix(_V3))] if "$ref" in reference else []
    kind = "string" if "oneOf" in schema else schema.get("type", "")
    parts += [_text(number, schema[name]) for number, name in ((2, "format"), (4, "description")) if name in schema]
    parts += [_text(19, name) for name in schema.get("required", ())]
    if "additionalProperties" in schema:
        parts.append(_field(21, _field(1, _schema(schema["additionalProperties"]))))
    if kind:
        parts.append(_field(22, _text(1, kind)))
    if "items" in schema:
        parts.append(_field(23, _field(1, _schema(schema["items"]))))
    if properties := schema.get("properties"):
        parts.append(_field(25, b"".join(_field(1, _named(n, _schema(p))) for n, p in properties.items())))
    parts += [_field(31, _named(name, _any(value))) for name, value in schema.items() if name.startswith("x-")]
    return b"".join(parts)


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _field(2, value)


def _any(value: Any) -> bytes:
    """The message Any: its text is YAML, of which JSON is a part."""
    return _text(2, json.dumps(value))


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field: text or message."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
