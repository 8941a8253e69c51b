"""From the wire to a document.

Go writes every field that is no pointer, empty or not; JSON leaves the empty ones out. So empty strings, zero times
and zero-valued messages without fields that JSON would omit are left out here too: see `_kept`.

Source: k8s.io/apimachinery pkg/runtime/serializer/protobuf (the envelope), the protobuf wire format.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.errors import Doc, bad_request
from portway.kubeapi.protobuf.numbers import TEXT
from portway.kubeapi.schema import SCALARS, TYPES, Field

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 100

Numbers = Mapping[int, str]
"""Field names by number; `+Name` for an embedded message."""


class _MalformedError(Exception):
    """The bytes are no protobuf message."""


def decode(data: bytes) -> Doc:
    """The document in an envelope (`k8s\\0`, runtime.Unknown). Raises ApiError 400."""
    if not data.startswith(_MAGIC):
        raise bad_request("the object provided is not Kubernetes protobuf: it does not begin with k8s\\0")
    try:
        envelope = dict(_fields(data[len(_MAGIC) :]))
        meta = dict(_fields(envelope.get(1, b"")))
        api_version, kind = _text(meta.get(1, b"")), _text(meta.get(2, b""))
        return {"kind": kind, "apiVersion": api_version} | _message(_type_of(api_version, kind), envelope.get(2, b""))
    except (_MalformedError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise bad_request(f"the object provided is not Kubernetes protobuf: {error}") from None


def _type_of(api_version: str, kind: str) -> str:
    known = by_kind(api_version, kind)
    name = known.schema if known else kind
    if name not in TYPES:
        raise _MalformedError(f'no kind "{kind}" is registered for version "{api_version}"')
    return name


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value): an int, or bytes for what has a length."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        value: int | bytes
        wire = tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            value, place = int.from_bytes(data[place : place + size], "little"), place + size
        elif wire == _BYTES:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        else:
            raise _MalformedError(f"unknown wire type {wire}")
        if place > len(data):
            raise _MalformedError("it ends within a field")
        yield tag >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise _MalformedError("it ends within a number")


def _message(name: str, data: bytes, depth: int = 0, numbers: Numbers | None = None) -> Doc:
    """A message of the Type `name`; `numbers` when its fields are numbered otherwise (an embedded message)."""
    if depth > _DEEPEST:
        raise _MalformedError("it is nested too deeply")
    numbers = _numbers()[name] if numbers is None else numbers
    doc: Doc = {}
    for number, value in _fields(data):
        label = numbers.get(number, "")
        if label.startswith("+"):
            doc |= _message(name, value, depth + 1, _numbers()[label[1:]])
        elif field := TYPES[name].fields.get(label):
            _add(doc, field, value, depth)
    return doc


def _add(doc: Doc, field: Field, value: Any, depth: int) -> None:
    if field.many == "map":
        entry = dict(_fields(value))
        item = _value(field, entry.get(2, b""), depth)
        doc.setdefault(field.name, {})[_text(entry.get(1, b""))] = item
    elif field.many == "list":
        doc.setdefault(field.name, []).append(_value(field, value, depth))
    elif _kept(field, value):
        doc[field.name] = _value(field, value, depth)


def _kept(field: Field, value: Any) -> bool:
    """What JSON would have had: empty texts and zero times are what Go writes for fields that were not set."""
    return value != b"" or field.type not in SCALARS


def _value(field: Field, value: Any, depth: int) -> Any:
    decoder = _DECODERS.get(field.type)
    return decoder(value) if decoder else _message(field.type, value, depth + 1)


def _text(value: bytes) -> str:
    return value.decode()


def _integer(value: Any) -> int:
    """Negative numbers are sent as 64-bit two's complement."""
    if value == b"":  # an absent value in a map's entry
        return 0
    number = int(value)
    return number - (1 << 64) if number >= 1 << 63 else number


def _quantity(value: bytes) -> str:
    return _text(dict(_fields(value)).get(1, b"")) or "0"


def _int_or_string(value: bytes) -> int | str:
    fields = dict(_fields(value))
    return _text(fields.get(3, b"")) if fields.get(1) else _integer(fields.get(2, 0))


def _when(value: bytes) -> tuple[datetime, int]:
    fields = dict(_fields(value))
    return datetime.fromtimestamp(_integer(fields.get(1, 0)), UTC), int(fields.get(2, 0))


def _time(value: bytes) -> str:
    return f"{_when(value)[0]:%Y-%m-%dT%H:%M:%SZ}"


def _micro_time(value: bytes) -> str:
    moment, nanoseconds = _when(value)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000:06d}Z"


def _object(value: bytes) -> Any:
    """RawExtension and FieldsV1: JSON as bytes in field 1."""
    return json.loads(dict(_fields(value)).get(1, b"") or b"{}")


_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _integer,
    "int64": _integer,
    "boolean": bool,
    "number": float,
    "IntOrString": _int_or_string,
    "Quantity": _quantity,
    "Time": _time,
    "MicroTime": _micro_time,
    "object": _object,
    "bytes": lambda value: base64.b64encode(value).decode(),
}


@lru_cache(maxsize=1)
def _numbers() -> dict[str, dict[int, str]]:
    lines = TEXT.replace("\n  ", " ").split("\n")
    return {name: _numbered(words) for name, *words in (line.split() for line in lines if line)}


def _numbered(words: list[str]) -> dict[int, str]:
    found, number = {}, 1
    for word in words:
        if word.isdigit():
            number = int(word)
        else:
            found[number] = word
            number += 1
    return found
