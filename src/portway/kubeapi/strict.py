"""Decoding as Go would: type mismatches, unknown and duplicate fields, in the API server's own words.

A **mismatch** makes a document undecodable (400). An **unknown** or **duplicate** field is an error, a warning or
nothing, as the request's fieldValidation says. The document is left as Go would hand it on: unknown fields and nulls
are dropped (else a later strict update could only fail), quantities, timestamps and base64 are in their canonical form.

Sources: sigs.k8s.io/json (texts, field paths), apiserver handlers/rest.go (what 400 says), KEP-2885 (fieldValidation).
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from portway.kubeapi import gotime, quantity
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.kinds import Kind
from portway.kubeapi.schema import TYPES, Field, Type

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
"""The values of the request parameter fieldValidation; Warn is the default."""

_MOST_REPORTED = 100
MISMATCH = re.compile(
    r"unmarshal (?P<found>.+?) into Go (struct field \w+\.(?P<field>\S+)|value) of type (?P<type>.+)",
)
"""What a mismatch says: what was found, in which field (without indexes), and of which type of Go's that is."""
_BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Problems(Struct, frozen=True):
    """What is wrong with a document's form."""

    mismatch: str = ""
    """Why it cannot be decoded, as Go says it: `json: cannot unmarshal string into Go struct field …`."""
    strict: tuple[str, ...] = ()
    """`unknown field "spec.foo"`, `duplicate field "spec.bar"`."""

    @property
    def strict_error(self) -> str:
        """The text of all strict decoding errors; empty when there is none."""
        return f"strict decoding error: {', '.join(self.strict)}" if self.strict else ""


def check(kind: Kind, doc: Doc, duplicates: tuple[str, ...] = (), *, keep_unknown: bool = False) -> Problems:
    """What is wrong with the form of `doc`; brings it into its canonical form in place.

    `duplicates` are paths from `duplicate_fields`, seen only in the text. A Kind without schema is free in all but
    its metadata. `keep_unknown`: leave fields there that it does not have, for others who look for them.
    """
    walk = _Walk(keep_unknown)
    strict = walk.strict
    strict += [f'duplicate field "{path}"' for path in duplicates]
    if kind.schema:
        walk.object(TYPES[kind.schema], doc, "", "")
    elif doc.get("metadata") is not None:
        walk.value(
            Field("metadata", "ObjectMeta"), doc["metadata"], TYPES["ObjectMeta"].go_name, "metadata", "metadata"
        )
    return Problems(walk.mismatch, tuple(dict.fromkeys(strict))[:_MOST_REPORTED])


def refuse(kind: Kind, problems: Problems, field_validation: str = WARN) -> list[str]:
    """The warnings to send; raises ApiError 400 when the document is not to be accepted."""
    if problems.mismatch:
        raise cannot_be_handled(kind, problems.mismatch)
    if field_validation == STRICT and problems.strict:
        raise cannot_be_handled(kind, problems.strict_error)
    return list(problems.strict) if field_validation != IGNORE else []


def cannot_be_handled(kind: Kind, why: str) -> ApiError:
    """400: `Service in version "v1" cannot be handled as a Service: WHY`."""
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names came twice."""

    twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        found.twice = tuple(dict.fromkeys(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
    return found


def duplicate_fields(text: str | bytes) -> tuple[str, ...]:
    """The paths of fields that a JSON text gives more than once, e.g. `spec.ports[0].name`.

    Raises ValueError when it is not JSON.
    """
    return tuple(_duplicates(json.loads(text, object_pairs_hook=_object)))


def _duplicates(value: Any) -> Iterator[str]:
    """In the text's order, and however deep."""
    waiting = [("", value)]
    while waiting:
        path, here = waiting.pop()
        if isinstance(here, _Object):
            yield from (_join(path, name) for name in here.twice)
            waiting += [(_join(path, name), item) for name, item in reversed(here.items())]
        elif isinstance(here, list):
            waiting += [(f"{path}[{index}]", item) for index, item in reversed(list(enumerate(here)))]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_EMPTY: dict[str, Any] = {
    "string": "",
    "bytes": "",
    "integer": 0,
    "int64": 0,
    "number": 0,
    "boolean": False,
    "Quantity": "0",
}
"""What Go makes of a null among a list's or map's items; objects become empty."""

_GO = {
    "integer": "int32",
    "int64": "int64",
    "boolean": "bool",
    "number": "float64",
    "IntOrString": "intstr.IntOrString",
    "Quantity": "resource.Quantity",
    "Time": "v1.Time",
    "MicroTime": "v1.MicroTime",
    "bytes": "[]uint8",
}


def _go_type(field: Field) -> str:
    if field.many == "map" and field.type == "Quantity":
        return "v1.ResourceList"
    return {"list": "[]", "map": "map[string]", "": ""}[field.many] + _go_item(field)


def _go_item(field: Field) -> str:
    type_ = TYPES.get(field.type)
    if type_:
        return f"{type_.package.rpartition('.')[2]}.{type_.go_name}"
    return field.go_type or _GO.get(field.type, "string")


class _Walk:
    """One pass over a document; Go reports the first mismatch and every strict error.

    `where` is the field path without indexes, as mismatches show it; `path` has them, as strict errors do.
    """

    def __init__(self, keep_unknown: bool) -> None:
        self._keep_unknown = keep_unknown
        self.mismatch = ""
        self.strict: list[str] = []

    def object(self, type_: Type, value: Doc, where: str, path: str) -> None:
        """Each field of an object whose Type is known."""
        for name in list(value):
            field = type_.fields.get(name)
            if field is None:
                self.strict.append(f'unknown field "{_join(path, name)}"')
                if not self._keep_unknown:
                    del value[name]
            elif value[name] is None:
                del value[name]
            else:
                value[name] = self.value(field, value[name], type_.go_name, _join(where, name), _join(path, name))

    def value(self, field: Field, value: Any, struct: str, where: str, path: str) -> Any:
        """A field's whole value, one or many, in its canonical form."""
        if field.many == "list":
            return self._items(field, value, struct, where, path)
        if field.many == "map":
            return self._entries(field, value, struct, where, path)
        return self._one(field, value, struct, where, path)

    def _items(self, field: Field, value: Any, struct: str, where: str, path: str) -> Any:
        if not isinstance(value, list):
            return self._refuse(value, _go_type(field), struct, where)
        for index, item in enumerate(value):
            if item is None:
                value[index] = _EMPTY.get(field.type, {})
            else:
                value[index] = self._one(field, item, struct, where, f"{path}[{index}]")
        return value

    def _entries(self, field: Field, value: Any, struct: str, where: str, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(value, _go_type(field), struct, where)
        for key, item in value.items():
            if item is None:
                value[key] = _EMPTY.get(field.type, {})
            else:
                value[key] = self._one(field, item, struct, where, _join(path, key))
        return value

    def _one(self, field: Field, value: Any, struct: str, where: str, path: str) -> Any:
        type_ = TYPES.get(field.type)
        if type_ is None:
            return self._scalar(field, value, struct, where)
        if not isinstance(value, dict):
            return self._refuse(value, _go_item(field), struct, where)
        self.object(type_, value, where, path)
        return value

    def _scalar(self, field: Field, value: Any, struct: str, where: str) -> Any:
        rule = _RULES.get(field.type)
        try:
            return rule(value) if rule else value
        except _Mismatch as other:
            return self._refuse(value, field.go_type or other.wanted, struct, where)
        except ValueError as unreadable:
            self.mismatch = self.mismatch or str(unreadable)
            return value

    def _refuse(self, value: Any, wanted: str, struct: str, where: str) -> Any:
        if not self.mismatch:
            written = _written(value, wanted)
            self.mismatch = f"json: cannot unmarshal {written} into Go struct field {struct}.{where} of type {wanted}"
        return value


def _written(value: Any, wanted: str) -> str:
    """Go's word for a JSON value; a number that only does not fit is shown itself."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if wanted.startswith(("int", "float")) else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


class _Mismatch(Exception):
    """The value is of another type than Go's `wanted`."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted


# Each rule returns the value in its canonical form. It raises _Mismatch, or ValueError with the whole message when the
# type is right but the text cannot be read.


def _string(value: Any) -> Any:
    if not isinstance(value, str):
        raise _Mismatch("string")
    return value


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise _Mismatch("bool")
    return value


def _integer(bits: int) -> Callable[[Any], Any]:
    def rule(value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise _Mismatch(f"int{bits}")
        return value

    return rule


def _number(value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Mismatch("float64")
    return value


def _int_or_string(value: Any) -> Any:
    return value if isinstance(value, str) else _integer(32)(value)


def _quantity(value: Any) -> Any:
    if isinstance(value, bool | list | dict):
        raise ValueError(quantity.BAD)
    return quantity.canonical(value)


def _time(value: Any) -> Any:
    return gotime.canonical(_string(value))


def _micro_time(value: Any) -> Any:
    return gotime.canonical(_string(value), micro=True)


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        raise _Mismatch("[]uint8")
    joined = value.replace("\n", "").replace("\r", "")
    if not _BASE64.fullmatch(joined):
        raise ValueError(f"illegal base64 data at input byte {_illegal_byte(value)}")
    return joined


def _illegal_byte(text: str) -> int:
    """Where Go's base64 decoder stops; `text` is known to be wrong."""
    alphabet = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    digits = 0
    for index, char in enumerate(text):
        if char in "\r\n":
            continue
        if char not in alphabet:
            padded = char == "=" and digits % 4 >= 2
            rest = text[index + 1 :].replace("\r", "").replace("\n", "")
            if not padded:
                return index
            if digits % 4 == 2:
                return len(text) if not rest else index + 1 + (rest[0] == "=")
            return index + 1
        digits += 1
    return len(text) - digits % 4


_RULES: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer(32),
    "int64": _integer(64),
    "boolean": _boolean,
    "number": _number,
    "IntOrString": _int_or_string,
    "Quantity": _quantity,
    "Time": _time,
    "MicroTime": _micro_time,
    "bytes": _bytes,
}
"""Without an entry, as for `object`, anything goes."""
