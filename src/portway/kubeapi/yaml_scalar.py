"""What a YAML scalar means to kubectl: YAML 1.1 as sigs.k8s.io/yaml reads it, then JSON.

0644 is 420, `yes` and `on` are true, 1_000 is 1000, 1e3 is 1000; 22:22, dates and `=` stay strings. Whole floats become
integers, because JSON text does not tell them apart.

Source: sigs.k8s.io/yaml goyaml.v2 (resolve.go), Go strconv; checked against kubectl itself by the tests.
"""

import base64
import re
from functools import lru_cache
from typing import Any

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_WORDS: dict[str, Any] = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False) | dict.fromkeys(_NULL)
_NOT_JSON = re.compile(r"\.(nan|NaN|NAN)|[-+]?\.(inf|Inf|INF)")
_INTEGER = re.compile(r"[-+]?(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"x": 16, "b": 2, "o": 8, "d": 10}
_STARTS = frozenset("+-.0123456789~yYnNtTfFoO")


@lru_cache(maxsize=8192)
def resolve(text: str) -> Any:
    """The JSON value of a plain scalar without a tag. Raises ValueError for infinities and NaN, as kubectl does."""
    if text and text[0] not in _STARTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} is a number that JSON does not have")
    number = _number(text) if text[0] in "+-.0123456789" else None
    return text if number is None else number


def _number(text: str) -> int | float | None:
    plain = text if text[0] == "." else text.replace("_", "")
    whole = _INTEGER.fullmatch(plain)
    if whole and whole.lastgroup:
        amount = int(whole[whole.lastgroup], _BASES[whole.lastgroup])
        signed = -amount if plain[0] == "-" else amount
        if -(2**63) <= signed < 2**64:
            return signed
    return real(float(plain)) if _FLOAT.fullmatch(plain) else None


def real(number: float) -> int | float | None:
    """A float as JSON text hands it on: whole numbers as integers; None beyond what Go can parse."""
    if number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def tagged(tag: str, text: str) -> Any:
    """The JSON value of a scalar that carries a tag. Raises ValueError, in kubectl's words, when they disagree."""
    if not tag.startswith(_TAG):
        return text
    name = tag.removeprefix(_TAG)
    if name == "binary":
        return _binary(text)
    if name not in _WANTED or name == "str":
        return text
    value = resolve(text)
    if name == "float" and type(value) is int:
        return value
    if not isinstance(value, _WANTED[name]) or (name == "int" and (isinstance(value, bool) or "." in text)):
        raise ValueError(f"cannot decode !!{_name_of(value, text)} `{text}` as a !!{name}")
    return value


_WANTED: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "null": type(None),
}


def _name_of(value: Any, text: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "int" if _INTEGER.fullmatch(text.replace("_", "")) else "float"
    return "null" if value is None else "str"


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode()
    except ValueError:
        raise ValueError("!!binary value contains invalid base64 data") from None


def key(value: Any) -> str:
    """The JSON field name that a mapping's key becomes. Raises ValueError for one that cannot be a name."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("null cannot be a field name")
