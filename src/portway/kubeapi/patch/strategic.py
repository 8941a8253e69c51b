"""Strategic merge patch: a merge patch that knows which lists are keyed.

A **merge list** (patchStrategy merge) of objects is merged item by item, matched by its patchMergeKey; a merge list
of scalars is a set; any other list is replaced. Directives in the patch:

- `$patch: replace` in an object or in a list's item: the patch stands alone; `$patch: delete`: the object or the item
  with this merge key goes.
- `$deleteFromPrimitiveList/F`: scalars to take out of list F.
- `$setElementOrder/F`: the order that the items of F get; items that only the server knows keep their places between.
- `$retainKeys`: fields of the object that are not named go.

Source: k8s.io/apimachinery pkg/util/strategicpatch and its design notes on order and on retainKeys.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.patch.equality import same
from portway.kubeapi.patch.refusal import object_of, unprocessable
from portway.kubeapi.schema import TYPES, Type

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"
_BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"


def apply(doc: Doc, patch: Any, schema_type: str, types: Mapping[str, Type] = TYPES) -> Doc:
    """The document, of the type `schema_type` of `types`, with the patch merged in.

    Raises ApiError: 400 for a malformed patch, 422 or 500 (as the API server does) for one that cannot be merged.
    """
    return _Merge(types).objects(doc, object_of(patch), schema_type)


class _Merge:
    """The recursion's fixed companion: the schema."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._types = types

    def _field(self, schema_type: str, name: str) -> tuple[str, str, tuple[str, ...]]:
        """(type of the values, merge key, strategies). Nothing known: objects merge, lists are replaced."""
        known = self._types.get(schema_type)
        field = known.fields.get(name) if known else None
        if field is None:
            return "", "", ()
        return "" if field.many == "map" else field.type, field.patch_merge_key, tuple(field.strategy.split(","))

    def objects(self, original: Doc, patch: Doc, schema_type: str) -> Doc:
        if _PATCH in patch:
            return _directed(patch)
        merged = _retained(original, patch)
        ordered = [key for key in patch if key.startswith(_ORDER)]
        done = {_RETAIN, *ordered}
        for key in ordered:
            done.add(self._in_order(merged, patch, key, schema_type))
        for key, value in patch.items():
            if key not in done:
                self._member(merged, key, value, schema_type)
        return merged

    def _member(self, merged: Doc, key: str, value: Any, schema_type: str) -> None:
        if key.startswith(_DELETE_FROM):
            _delete_from(merged, _field_of(key, _DELETE_FROM, _BAD_PRIMITIVE_LIST), value)
        elif value is None:
            merged.pop(key, None)
        else:
            result = self._value(merged.get(key), value, key, schema_type)
            if result is _GONE:
                merged.pop(key, None)
            else:
                merged[key] = result

    def _value(self, old: Any, value: Any, key: str, schema_type: str) -> Any:
        inner, merge_key, strategies = self._field(schema_type, key)
        if isinstance(old, dict) and isinstance(value, dict):
            return _plain(value) if "replace" in strategies else self.objects(old, value, inner)
        if isinstance(old, list) and isinstance(value, list) and "merge" in strategies:
            return self._lists(old, value, inner, merge_key)
        return _plain(value)

    def _in_order(self, merged: Doc, patch: Doc, directive: str, schema_type: str) -> str:
        """Merges one list with its $setElementOrder into `merged`; returns the list's name."""
        name = _field_of(directive, _ORDER, _BAD_ORDER)
        inner, merge_key, strategies = self._field(schema_type, name)
        order = _list(patch[directive])
        old, new = merged.get(name), patch.get(name)
        if old is None and new is None:
            return name
        server, items = _list(old or []), _list(new or [])
        _check_order(items, order, merge_key)
        if old is None:
            result = _plain(items)
        elif new is None:
            result = server
        else:
            result = self._lists(server, items, inner, merge_key) if "merge" in strategies else _plain(items)
        merged[name] = _arranged(result, order, server, merge_key)
        return name

    def _lists(self, original: list[Any], patch: list[Any], item_type: str, merge_key: str) -> list[Any]:
        _check_items(original, patch)
        if not any(isinstance(item, dict) for item in (*original, *patch)):
            return _arranged(_distinct([*original, *patch]), patch, original, "")
        if not merge_key:
            raise ApiError(500, "", f"cannot merge lists without merge key for {item_type}")
        left, rest, replace = _without_directives(original, patch, merge_key)
        if replace:
            return [_plain(item) for item in rest]
        return _arranged(self._items(left, rest, item_type, merge_key), rest, left, merge_key)

    def _items(self, original: list[Any], patch: list[Any], item_type: str, merge_key: str) -> list[Any]:
        merged = list(original)
        for item in patch:
            place = _place(merged, _key_of(item, merge_key), merge_key)
            if place < 0:
                merged.append(_plain(item))
            else:
                merged[place] = self.objects(merged[place], item, item_type)
        return merged


class _Gone:
    """What is left of a value that was nothing but a directive."""


_GONE = _Gone()


def _directed(patch: Doc) -> Doc:
    if patch[_PATCH] == "replace":
        plain: Doc = _plain({key: value for key, value in patch.items() if key != _PATCH})
        return plain
    if patch[_PATCH] == "delete":
        return {}
    raise _unknown_directive(patch)


def _retained(original: Doc, patch: Doc) -> Doc:
    if _RETAIN not in patch:
        return dict(original)
    keys = patch[_RETAIN]
    if not isinstance(keys, list):
        raise bad_request(_BAD_RETAIN_KEYS)
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in keys:
            raise bad_request(_BAD_RETAIN_KEYS)
    return {key: value for key, value in original.items() if key in keys}


def _plain(value: Any) -> Any:
    """A value of the patch as it enters the document: without nulls in objects, without directives."""
    if isinstance(value, list):
        return [kept for kept in map(_plain, value) if kept is not _GONE]
    if not isinstance(value, dict):
        return value
    if _PATCH in value:
        return _GONE
    members = ((key, _plain(member)) for key, member in value.items() if member is not None)
    return {key: member for key, member in members if member is not _GONE and not _is_directive(key)}


def _is_directive(key: str) -> bool:
    return key == _RETAIN or key.startswith((f"{_DELETE_FROM}/", f"{_ORDER}/"))


def _delete_from(merged: Doc, name: str, value: Any) -> None:
    if isinstance(merged.get(name), list):
        out = _list(value)
        merged[name] = [item for item in merged[name] if not any(same(item, gone) for gone in out)]


def _field_of(directive: str, prefix: str, complaint: str) -> str:
    head, _, name = directive.partition("/")
    if head != prefix or not name:
        raise bad_request(complaint)
    return name


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ApiError(500, "", f"expected a list, but received a {_go_kind(value)}")
    return value


def _go_kind(value: Any) -> str:
    return {dict: "map", str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "nil")


def _check_items(original: list[Any], patch: list[Any]) -> None:
    kinds = {_go_kind(item) for item in (*original, *patch)}
    if any(isinstance(item, list) for item in (*original, *patch)):
        raise unprocessable("", "lists of lists are not supported")
    if len(kinds) > 1:
        raise ApiError(500, "", f"list element types are not identical: {go_text([original, patch])}")


def _check_order(items: list[Any], order: list[Any], merge_key: str) -> None:
    """The items, deletions aside, are a subsequence of `order`."""
    if not items or not order:
        return
    rest = iter(order)
    for item in items:
        if isinstance(item, dict) and _PATCH in item:
            continue
        if not any(_matches(item, place, merge_key) for place in rest):
            raise ApiError(
                500,
                "",
                f"The order in patch list:\n{go_text(items)}\n doesn't match {_ORDER} list:\n{go_text(order)}\n",
            )


def _matches(one: Any, other: Any, merge_key: str) -> bool:
    return same(_identity(one, merge_key), _identity(other, merge_key))


def _identity(item: Any, merge_key: str) -> Any:
    return _key_of(item, merge_key) if merge_key else item


def _key_of(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict) or merge_key not in item:
        raise ApiError(500, "", f"map: {go_text(item)} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _place(items: Sequence[Any], key: Any, merge_key: str) -> int:
    for place, item in enumerate(items):
        if merge_key in item and same(item[merge_key], key):
            return place
    return -1


def _without_directives(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any], bool]:
    """(what is left of the original, the patch's ordinary items, whether they replace the whole list)."""
    rest, replace = [], False
    for item in patch:
        directive = item.get(_PATCH)
        if directive is None:
            rest.append(item)
        elif directive == "delete":
            key = _key_of(item, merge_key)
            original = [old for old in original if not same(old.get(merge_key), key)]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise ApiError(500, "", "merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(item)
    return original, rest, replace


def _unknown_directive(patch: Doc) -> ApiError:
    return ApiError(500, "", f"unknown patch type: {go_text(patch[_PATCH])} in map: {go_text(patch)}")


def _distinct(items: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept


def _arranged(items: list[Any], order: list[Any], server: list[Any], merge_key: str) -> list[Any]:
    """The items in `order`; those it does not name stay in front of what they preceded on the server."""
    wanted = [_identity(item, merge_key) for item in order]
    lived = [_identity(item, merge_key) for item in server]
    ranked = [(_rank(wanted, _identity(item, merge_key)), item) for item in items]
    named = [item for _, item in sorted((pair for pair in ranked if pair[0] >= 0), key=lambda pair: pair[0])]
    others = [item for rank, item in ranked if rank < 0]
    arranged = []
    for item in named:
        here = _rank(lived, _identity(item, merge_key))
        while others and here >= 0 and 0 <= _rank(lived, _identity(others[0], merge_key)) < here:
            arranged.append(others.pop(0))
        arranged.append(item)
    return arranged + others


def _rank(identities: list[Any], identity: Any) -> int:
    return next((place for place, other in enumerate(identities) if same(identity, other)), -1)


def go_text(value: Any) -> str:
    """A value as Go's `%v` prints it: `map[name:x port:80]`, `[a b]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
