"""Every object inside a document, with its Type and its path."""

from collections.abc import Iterator
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.schema import TYPES, Field


def objects(type_name: str, value: Doc, path: str = "") -> Iterator[tuple[str, Doc, str]]:
    """(type, object, path): the outer one first; `path` is empty for the document itself.

    What is changed of an object before the next is asked for is seen by the walk: so defaults reach into defaults.
    """
    yield type_name, value, path
    for name, field in TYPES[type_name].fields.items():
        if field.type in TYPES and name in value and name != "metadata":
            yield from _within(field, value[name], f"{path}.{name}" if path else name)


def _within(field: Field, value: Any, path: str) -> Iterator[tuple[str, Doc, str]]:
    items = [(path, value)]
    if field.many == "list":
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    elif field.many == "map":
        items = [(f"{path}.{key}", item) for key, item in value.items()]
    for at, item in items:
        yield from objects(field.type, item, at)
