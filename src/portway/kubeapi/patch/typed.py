"""Documents seen through their schema: what server-side apply can own one by one, and what only as a whole.

A **shape** says how a value divides: `leaf` does not; `struct` and `map` by name; `keyed` lists by their items'
keys; `set` lists by value. Fields that the schema does not know divide as their JSON does, lists staying whole.

Source: sigs.k8s.io/structured-merge-diff typed (tofieldset.go, merge.go, remove.go).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.patch import field_set
from portway.kubeapi.patch.field_set import FieldSet, Path
from portway.kubeapi.schema import TYPES, Field

CONTAINER = object()
"""What `leaves` gives for a path that has others below it."""


class Shape(Struct, frozen=True):
    """How a value divides."""

    form: Literal["leaf", "struct", "map", "keyed", "set"]
    type: str = ""
    """The Type's name (struct), or that of the members (map, keyed)."""
    keys: tuple[str, ...] = ()


LEAF = Shape("leaf")
Child = tuple[str, Any, Shape]


def shape_of(type_name: str) -> Shape:
    """The shape of one value of a type."""
    known = TYPES.get(type_name)
    return Shape("struct", type_name) if known and not known.atomic else LEAF


def _field_shape(field: Field | None, value: Any) -> Shape:
    if field is None:
        return Shape("struct") if isinstance(value, dict) else LEAF
    if field.atomic:
        return LEAF
    if field.many == "map":
        return Shape("map", field.type)
    if field.many == "list":
        return _list_shape(field)
    return shape_of(field.type)


def _list_shape(field: Field) -> Shape:
    if field.set_list:
        return Shape("set")
    return Shape("keyed", field.type, field.list_map_keys) if field.list_map_keys else LEAF


def divides(value: Any, shape: Shape) -> bool:
    """Whether the value has parts that are owned one by one."""
    if shape.form in ("struct", "map"):
        return isinstance(value, dict)
    return shape.form != "leaf" and isinstance(value, list)


def children(value: Any, shape: Shape) -> Iterator[Child]:
    """(element, part, its shape) of a value that `divides`."""
    if shape.form == "struct":
        known = TYPES.get(shape.type)
        for name, part in value.items():
            yield field_set.field(name), part, _field_shape(known.fields.get(name) if known else None, part)
    elif shape.form == "map":
        yield from ((field_set.field(name), part, shape_of(shape.type)) for name, part in value.items())
    elif shape.form == "keyed":
        yield from ((field_set.item(_keys(part, shape)), part, shape_of(shape.type)) for part in value)
    else:
        yield from ((field_set.member(part), part, LEAF) for part in value)


def _keys(part: Any, shape: Shape) -> Doc:
    """An item's keys; those it leaves out have the schema's defaults."""
    fields: Mapping[str, Field] = TYPES[shape.type].fields if shape.type in TYPES else {}
    given = part if isinstance(part, dict) else {}
    found = {key: given.get(key, fields[key].default if key in fields else None) for key in shape.keys}
    return {key: value for key, value in found.items() if value not in (None, "")}


def duplicate(value: Any, shape: Shape, path: Path = ()) -> Path | None:
    """The first path that two items of a keyed list or of a set have."""
    if not divides(value, shape):
        return None
    seen: set[str] = set()
    for element, part, inner in children(value, shape):
        here = (*path, element)
        if element in seen:
            return here
        seen.add(element)
        found = duplicate(part, inner, here)
        if found:
            return found
    return None


def owned(value: Any, shape: Shape, path: Path = ()) -> FieldSet:
    """The fields that someone who applies `value` owns."""
    if not divides(value, shape) or not value:
        return frozenset([path])
    found: set[Path] = set()
    for element, part, inner in children(value, shape):
        here = (*path, element)
        found |= owned(part, inner, here)
        if shape.form != "struct":
            found.add(here)
    return frozenset(found)


def leaves(value: Any, shape: Shape, path: Path = ()) -> dict[Path, Any]:
    """Every path with its value; CONTAINER for those that divide."""
    if not divides(value, shape):
        return {path: value}
    found: dict[Path, Any] = {path: CONTAINER}
    for element, part, inner in children(value, shape):
        found |= leaves(part, inner, (*path, element))
    return found


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """`live` with what `config` says put in; list items in the order of `config`."""
    if not divides(config, shape) or not divides(live, shape):
        return config
    # Validation allows some lists to hold one key twice; such items stay until a config speaks of them.
    old: dict[str, list[Any]] = {}
    for element, part, _ in children(live, shape):
        old.setdefault(element, []).append(part)
    new = {
        element: merge(old[element][0], part, inner) if element in old else part
        for element, part, inner in children(config, shape)
    }
    if shape.form in ("struct", "map"):
        return {**live, **{element[2:]: part for element, part in new.items()}}
    return _interleaved(old, new)


def _interleaved(old: dict[str, list[Any]], new: dict[str, Any]) -> list[Any]:
    """The new items in their order; the others keep their places between those that both have."""
    waiting, merged, done = list(old), [], set()
    for element, part in new.items():
        while waiting and (waiting[0] not in new or waiting[0] in done):
            first = waiting.pop(0)
            merged += [] if first in done else old[first]
        merged.append(part)
        done.add(element)
    return merged + [part for element in waiting if element not in new for part in old[element]]


def without(value: Any, shape: Shape, gone: FieldSet, kept: frozenset[Path], path: Path = ()) -> Any:
    """`value` without the paths of `gone`, unless `kept` (closed under prefixes) has them; None: nothing is left."""
    if not divides(value, shape):
        return value
    parts = []
    for element, part, inner in children(value, shape):
        here = (*path, element)
        if here in gone and here not in kept:
            continue
        left = without(part, inner, gone, kept, here)
        if left is not None:
            parts.append((element, left))
    if not parts and value and path not in kept:
        return None
    return _rebuilt(parts, shape)


def _rebuilt(parts: list[tuple[str, Any]], shape: Shape) -> Any:
    if shape.form in ("struct", "map"):
        return {element[2:]: part for element, part in parts}
    return [part for _, part in parts]
