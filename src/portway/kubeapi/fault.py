"""Making FieldErrors: one function for each reason, and how Go prints a bad value.

Source: k8s.io/apimachinery pkg/util/validation/field (errors.go): scalars print plainly, strings as Go's `%q`,
anything else as compact JSON with `<`, `>` and `&` escaped.
"""

import json
from collections.abc import Iterable
from typing import Any

from portway.kubeapi.errors import FieldError

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(text: str) -> str:
    """Go's `%q`."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).translate(_JSON_ESCAPES)


def shown(value: Any) -> str:
    """A bad value as Kubernetes' message prints it; None is `null`."""
    return quoted(value) if isinstance(value, str) else _json(value)


def required(field: str, detail: str = "") -> FieldError:
    """The field must be given."""
    return FieldError("FieldValueRequired", field, detail)


def forbidden(field: str, detail: str = "") -> FieldError:
    """The field may not be given here."""
    return FieldError("FieldValueForbidden", field, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError("FieldValueInvalid", field, detail, shown(value))


def invalid_each(field: str, value: Any, messages: Iterable[str]) -> list[FieldError]:
    """One `invalid` for every message of a name rule."""
    return [invalid(field, value, message) for message in messages]


def duplicate(field: str, value: Any) -> FieldError:
    """The value was there before, where each must differ."""
    return FieldError("FieldValueDuplicate", field, "", shown(value))


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """The value is none of those known; `supported` in the order in which the message lists them.

    Such values have Go types of their own, so that even a string is printed as JSON.
    """
    listed = ", ".join(quoted(name) for name in supported)
    return FieldError("FieldValueNotSupported", field, f"supported values: {listed}", _json(value))


def too_long(field: str, limit: int) -> FieldError:
    """More than `limit` bytes."""
    return FieldError("FieldValueTooLong", field, f"may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    """More than `limit` items."""
    items = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", field, f"must have at most {limit} {items}", str(count))
