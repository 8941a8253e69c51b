"""Edits of fields as edits of the text they are written in: comments, order and layout of everything else stay.

A field is found again by where it begins, in the tree that PyYAML composes; what is replaced is its value's own text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import yaml
from msgspec import Struct
from yaml.nodes import MappingNode, Node, SequenceNode

from portway.analysis.bundle import steps
from portway.analysis.finding import Edit
from portway.kubeapi import yaml_scalar

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


class CannotMend(ValueError):
    """This edit cannot be made in this text; says why."""


class Span(Struct, frozen=True, order=True):
    """Text to put in place of [begin, end) of another, in characters."""

    begin: int
    end: int
    text: str


def mended(text: str, edits: Iterable[Edit]) -> str:
    """The text with these edits made, all or none. Raises CannotMend."""
    for span in reversed(spans(text, edits)):
        text = text[: span.begin] + span.text + text[span.end :]
    return text


def spans(text: str, edits: Iterable[Edit]) -> list[Span]:
    """What these edits change, in order; no two overlap. Raises CannotMend."""
    documents = list(yaml.compose_all(text, Loader=_Loader))
    lines = _line_starts(text)
    found = sorted({_span(text, documents, lines, edit) for edit in edits})
    for before, after in pairwise(found):
        if after.begin < before.end or after.begin == before.begin:
            raise CannotMend("two fixes want to change the same text; apply one, then run again")
    return found


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _span(text: str, documents: list[Node], lines: list[int], edit: Edit) -> Span:
    place = edit.where.line - 1, edit.where.column - 1
    last = steps(edit.where.path)[-1]
    if edit.op == "add":
        around = steps(edit.where.path)[:-1]
        parent = _found(documents, place, is_item=bool(around) and isinstance(around[-1], int))
        return _addition(text, parent[1], str(last), edit)
    key, value = _found(documents, place, is_item=isinstance(last, int))
    own = _own_text(text, key, value)
    if edit.op == "replace":
        return Span(_at(value.start_mark), _at(value.start_mark) + len(own), written(edit.value))
    return _removal(text, lines, key or value, value)


def _own_text(text: str, key: Node | None, value: Node) -> str:
    """What a value is written as. An anchor's text is others' too, and an alias has none of its own."""
    if key is not None and _at(value.start_mark) < _at(key.end_mark):
        raise CannotMend("the field is written as an alias of another: change it by hand")
    own = text[_at(value.start_mark) : _at(value.end_mark)].rstrip()
    if own.startswith("&"):
        raise CannotMend("the field has an anchor, by which others may mean it: change it by hand")
    return own


def _found(documents: list[Node], place: tuple[int, int], *, is_item: bool) -> tuple[Node | None, Node]:
    """The key (None for a list's item) and the value that begin there."""
    for document in documents:
        for key, value in _pairs(document):
            begin = value if key is None else key
            if (key is None) == is_item and (begin.start_mark.line, begin.start_mark.column) == place:
                return key, value
    raise CannotMend("the field is not written in this text (an alias or a merge?)")


def _pairs(node: Node) -> Iterator[tuple[Node | None, Node]]:
    """Every key with its value, and every item of a list."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key, value
            yield from _pairs(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield None, item
            yield from _pairs(item)


def _at(mark: yaml.Mark) -> int:
    return int(mark.index)


def _addition(text: str, parent: Node, name: str, edit: Edit) -> Span:
    if not isinstance(parent, MappingNode) or not parent.value:
        raise CannotMend(f"{edit.where.path}: there is no object to add it to")
    first = parent.value[0][0]
    if parent.flow_style:
        at = _at(parent.value[-1][1].end_mark)
        return Span(at, at, f", {name}: {written(edit.value)}")
    last = _last_scalar(parent)
    at = text.find("\n", _at(last.start_mark) + len(text[_at(last.start_mark) : _at(last.end_mark)].rstrip()))
    at = len(text) if at < 0 else at
    ending = "\r\n" if text[at - 1 : at] == "\r" else "\n"
    at -= len(ending) - 1
    return Span(at, at, f"{ending}{' ' * first.start_mark.column}{name}: {written(edit.value)}")


def _last_scalar(node: Node) -> Node:
    """What is written last in it: a block's own end mark lies behind the empty lines and comments after it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _last_scalar(node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _last_scalar(node.value[-1])
    return node


def _removal(text: str, lines: list[int], begin: Node, value: Node) -> Span:
    """The field with its lines; only where nothing else stands on them."""
    start = lines[begin.start_mark.line]
    end = text.find("\n", _at(_last_scalar(value).end_mark))
    if text[start : _at(begin.start_mark)].strip():
        raise CannotMend("other fields are written on the same line: remove it by hand")
    return Span(start, len(text) if end < 0 else end + 1, "")


def written(value: object) -> str:
    """A value as YAML: plain where kubectl reads that as the same string, in quotes otherwise."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and yaml_scalar.resolve(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
