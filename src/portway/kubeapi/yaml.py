"""YAML (and JSON) texts as documents, read as kubectl reads them and with the place of every field.

PyYAML does the scanning and parsing (by libyaml where it is there); what its events mean is decided here, see
yaml_scalar.py. Stricter than kubectl in one thing: a key that comes twice is an error, because one of the two values
would silently be lost. Places cost nothing until one is asked for: then the text is read a second time.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from portway.kubeapi import yaml_scalar
from portway.kubeapi.errors import Doc

Path = tuple[str | int, ...]
"""Field names and list indexes."""

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_ALIASED = 1_000_000
"""Values that aliases may stand for in one text: more is an attack ("billion laughs")."""


class YamlError(ValueError):
    """A text that cannot be read. `line` and `column` count from 1."""

    def __init__(self, file: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{file}:{line}:{column}: {message}")
        self.file = file
        self.line = line
        self.column = column
        self.message = message


class _Source:
    """A text and, once somebody asks, the places of everything in it."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file

    @cached_property
    def places(self) -> list[dict[Path, tuple[int, int]]]:
        """For each document, the line and column of every key and item. Short where YAML cannot read the JSON."""
        found: list[dict[Path, tuple[int, int]]] = []
        try:
            for event in (stream := _Stream(self.text, self.file)):
                found.append({})
                _locate(stream, event, (), found[-1])
        except (YamlError, RecursionError):
            pass
        return found


class Document:
    """One object of a text."""

    def __init__(self, value: Doc, source: _Source, index: int, first_line: int, root: Path = ()) -> None:
        self.value = value
        self._source = source
        self._index = index
        self._first_line = first_line
        self._root = root

    @property
    def file(self) -> str:
        """The source's name."""
        return self._source.file

    @property
    def first_line(self) -> int:
        """The line on which it begins, from 1; unlike `line()` known from the first reading."""
        return self.line() if self._root else self._first_line

    def position(self, path: str | Path = ()) -> tuple[int, int]:
        """Line and column, from 1, of a field's key or a list's item, or of the nearest thing around it.

        `path` is `spec.ports[0].nodePort`, `metadata.annotations[example.com/a]`, or names and indexes in a tuple.
        """
        places = self._source.places[self._index] if self._index < len(self._source.places) else {}
        whole = self._root + (split(path) if isinstance(path, str) else path)
        for end in range(len(whole), -1, -1):
            if place := places.get(whole[:end]):
                return place
        return 1, 1

    def line(self, path: str | Path = ()) -> int:
        """See `position`."""
        return self.position(path)[0]

    def where(self, path: str | Path = ()) -> str:
        """`file:line:column`."""
        line, column = self.position(path)
        return f"{self.file}:{line}:{column}"

    def items(self) -> "list[Document]":
        """The objects in this one when it is a `List` (or `ServiceList`, …); otherwise itself."""
        kind, items = self.value.get("kind"), self.value.get("items")
        if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
            return [self]
        inner = [
            Document(self._typed(kind, item, i), self._source, self._index, self._first_line, (*self._root, "items", i))
            for i, item in enumerate(items)
        ]
        return [document for one in inner for document in one.items()]

    def _typed(self, kind: str, item: Any, index: int) -> Doc:
        """An item of a `ServiceList` may leave its own type to the list."""
        if not isinstance(item, dict):
            line, column = self.position(("items", index))
            raise YamlError(self.file, line, column, f"an item of a {kind} must be an object")
        if kind == "List" or "kind" in item:
            return item
        return {"apiVersion": self.value.get("apiVersion"), "kind": kind.removesuffix("List")} | item


@functools.lru_cache(maxsize=4096)
def split(path: str) -> Path:
    """`spec.ports[0].port` as ("spec", "ports", 0, "port")."""
    parts = re.findall(r"\[([^\]]*)\]|([^.\[]+)", path)
    return tuple(int(inner) if inner.isdigit() else inner or name for inner, name in parts)


def load_all(text: str | bytes, source: str = "file") -> list[Document]:
    """The objects of a YAML stream, or of JSON objects one after the other; empty documents are left out.

    Raises YamlError with the place of what cannot be read; `source` names the file in it.
    """
    whole = _Source(_decoded(text, source), source)
    documents = []
    for index, (value, line) in enumerate(_values(whole)):
        if value is not None:
            documents.append(Document(value, whole, index, line))
            _require_object(documents[-1])
    return documents


def load(text: str | bytes, source: str = "file") -> Any:
    """The one value of a text, of any kind (a request's body, a patch); None when it is empty. Raises YamlError."""
    whole = _Source(_decoded(text, source), source)
    values = list(_values(whole))
    if len(values) > 1:
        raise YamlError(source, values[1][1], 1, "expected one document, found another")
    return values[0][0] if values else None


def flatten(documents: Iterable[Document]) -> list[Document]:
    """The documents with each `List` replaced by its items."""
    return [item for document in documents for item in document.items()]


def _require_object(document: Document) -> None:
    if not isinstance(document.value, dict):
        line, column = document.position()
        found = {str: "a string", list: "a list", bool: "a boolean"}.get(type(document.value), "a number")
        message = f"expected an object with apiVersion and kind, found {found}"
        raise YamlError(document.file, line, column, message)


def _decoded(text: str | bytes, source: str) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = text.count(b"\n", 0, bad.start) + 1
        column = bad.start - text.rfind(b"\n", 0, bad.start)
        raise YamlError(source, line, column, "this is not UTF-8 text") from None


def _values(source: _Source) -> Iterator[tuple[Any, int]]:
    """Each document and its first line. What is not JSON is YAML, which also says what is wrong with it."""
    if source.text.lstrip()[:1] in ("{", "["):
        try:
            return iter(_json_values(source.text))
        except (ValueError, RecursionError):
            pass
    return _yaml_values(source)


def _json_values(text: str) -> list[tuple[Any, int]]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_real, parse_constant=_real)
    values = []
    at, line = _skip(text, 0, 1)
    while at < len(text):
        value, end = decoder.raw_decode(text, at)
        values.append((value, line))
        at, line = _skip(text, end, line + text.count("\n", at, end))
    return values


def _skip(text: str, at: int, line: int) -> tuple[int, int]:
    """Where the space at `at` ends, and on which line."""
    while at < len(text) and text[at].isspace():
        line += text[at] == "\n"
        at += 1
    return at, line


def _unique(pairs: list[tuple[str, Any]]) -> Doc:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _real(text: str) -> int | float:
    number = yaml_scalar.real(float(text))
    if number is None or number != number:
        raise ValueError(f"{text} is a number that JSON does not have")
    return number


def _yaml_values(source: _Source) -> Iterator[tuple[Any, int]]:
    stream = _Stream(source.text, source.file)
    try:
        for event in stream:
            yield _Builder(stream).value(event), _place(event)[0]
    except RecursionError:
        raise YamlError(source.file, 1, 1, "nested too deeply") from None


class _Stream:
    """PyYAML's events; iterating gives each document's first event, `next` those that follow."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        try:
            self._parser = _Parser(text)
        except yaml.YAMLError as bad:
            raise self._error(bad, text) from None
        self._text = text
        self.aliased = 0

    def next(self) -> Event:
        """The next event. Raises YamlError."""
        try:
            event: Event = self._parser.get_event()
        except yaml.YAMLError as bad:
            raise self._error(bad, self._text) from None
        return event

    def __iter__(self) -> Iterator[Event]:
        while not isinstance(event := self.next(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                yield self.next()

    def refusal(self, event: Event, message: str) -> YamlError:
        """An error at an event's place."""
        return YamlError(self.file, *_place(event), message)

    def _error(self, bad: yaml.YAMLError, text: str) -> YamlError:
        if "nesting depth" in (getattr(bad, "problem", None) or ""):
            # libyaml's own limit, which newer versions have: said as where recursion is the limit.
            return YamlError(self.file, 1, 1, "nested too deeply")
        mark = getattr(bad, "problem_mark", None) or getattr(bad, "context_mark", None)
        if mark is not None:
            return YamlError(self.file, mark.line + 1, mark.column + 1, getattr(bad, "problem", None) or str(bad))
        at = max(0, getattr(bad, "position", 0))
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return YamlError(self.file, line, column, getattr(bad, "reason", str(bad)))


class _Builder:
    """One document's value out of its events."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._anchors: dict[str, Any] = {}

    def value(self, event: Event) -> Any:
        """The value that begins with `event`; takes the events up to its end."""
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent)
        if isinstance(event, ScalarEvent):
            found = _scalar(self._stream, event)
        else:
            found = self._mapping() if isinstance(event, MappingStartEvent) else self._sequence()
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _sequence(self) -> list[Any]:
        found = []
        while not isinstance(event := self._stream.next(), SequenceEndEvent):
            found.append(self.value(event))
        return found

    def _mapping(self) -> Doc:
        found: Doc = {}
        explicit: set[str] | None = None
        while not isinstance(event := self._stream.next(), MappingEndEvent):
            if _merges(event):
                explicit = set(found) if explicit is None else explicit
                self._merge(event, found)
                continue
            key = _key(self._stream, event, self._anchors)
            if key in (found if explicit is None else explicit):
                raise self._stream.refusal(event, f'key "{key}" already set in map')
            if explicit is not None:
                explicit.add(key)
            found[key] = self.value(self._stream.next())
        return found

    def _merge(self, key: Event, into: Doc) -> None:
        """`<<`: as in kubectl what is merged wins over what stands before it, and loses to what comes after."""
        value = self.value(self._stream.next())
        sources = list(reversed(value)) if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._stream.refusal(key, "map merge requires map or sequence of maps as the value")
        for source in sources:
            into.update(source)

    def _alias(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise self._stream.refusal(event, f"unknown anchor '{event.anchor}' referenced")
        return self._copy(self._anchors[event.anchor], event)

    def _copy(self, value: Any, event: Event) -> Any:
        """Documents are trees: an alias is a copy, and copies are counted."""
        self._stream.aliased += 1
        if self._stream.aliased > _MOST_ALIASED:
            raise self._stream.refusal(event, "document contains excessive aliasing")
        if isinstance(value, dict):
            return {key: self._copy(item, event) for key, item in value.items()}
        return [self._copy(item, event) for item in value] if isinstance(value, list) else value


def _scalar(stream: _Stream, event: ScalarEvent) -> Any:
    plain, quoted = event.implicit
    try:
        if plain and event.tag != "!":
            return yaml_scalar.resolve(event.value)
        return event.value if quoted or plain or not event.tag else yaml_scalar.tagged(event.tag, event.value)
    except ValueError as bad:
        raise stream.refusal(event, str(bad)) from None


def _place(event: Event) -> tuple[int, int]:
    assert event.start_mark is not None
    return event.start_mark.line + 1, event.start_mark.column + 1


def _merges(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]


def _key(stream: _Stream, event: Event, anchors: dict[str, Any]) -> str:
    if isinstance(event, ScalarEvent):
        value = _scalar(stream, event)
        if event.anchor:
            anchors[event.anchor] = value
    elif isinstance(event, AliasEvent) and event.anchor in anchors:
        value = anchors[event.anchor]
    else:
        raise stream.refusal(event, "a field name must be a string, not a list or an object")
    try:
        return yaml_scalar.key(value)
    except ValueError as bad:
        raise stream.refusal(event, str(bad)) from None


def _locate(stream: _Stream, event: Event, path: Path, places: dict[Path, tuple[int, int]]) -> None:
    """Notes the place of the value that begins with `event` and of all in it; what is merged in has none."""
    places.setdefault(path, _place(event))
    if isinstance(event, SequenceStartEvent):
        index = 0
        while not isinstance(item := stream.next(), SequenceEndEvent):
            _locate(stream, item, (*path, index), places)
            index += 1
    elif isinstance(event, MappingStartEvent):
        while not isinstance(name := stream.next(), MappingEndEvent):
            if isinstance(name, ScalarEvent):
                inner = (*path, yaml_scalar.key(_scalar(stream, name)))
                places[inner] = _place(name)
                _locate(stream, stream.next(), inner, places)
            else:
                _locate(stream, name, path, places)
                _locate(stream, stream.next(), path, places)
