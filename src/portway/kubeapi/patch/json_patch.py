"""JSON Patch (RFC 6902), with the API server's two extensions.

Arrays may be counted from the end (`/items/-1`), and `test` for null holds for an absent member (the server's
library does both, and clients rely on it). The words of the errors are that library's (evanphx/json-patch v4).
"""

from collections.abc import Callable, Sequence
from typing import Any

from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.patch.equality import same
from portway.kubeapi.patch.refusal import undecodable, unprocessable

MOST_OPERATIONS = 10_000
Tokens = Sequence[str]
Container = dict[str, Any] | list[Any]


class _MissingError(Exception):
    """A path leads nowhere; the text says which step failed."""


def apply(doc: Doc, operations: Any) -> Doc:
    """The document after all operations, in order.

    Raises ApiError: 400 for a malformed patch, 413 for more than MOST_OPERATIONS, 422 when one does not apply.
    """
    if not isinstance(operations, list):
        raise undecodable(operations, "jsonpatch.Patch")
    if len(operations) > MOST_OPERATIONS:
        raise _too_many(len(operations))
    result: Any = doc
    for operation in operations:
        if not isinstance(operation, dict):
            raise undecodable(operation, "jsonpatch.Operation")
        result = _apply_one(result, operation)
    if not isinstance(result, dict):
        raise unprocessable("", "the patch replaces the whole document by something that is not an object")
    return result


def _too_many(count: int) -> ApiError:
    message = (
        f"Request entity is too large: The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}"
    )
    return ApiError(413, "RequestEntityTooLarge", message)


def _apply_one(doc: Any, operation: Doc) -> Any:
    name, path = operation.get("op"), operation.get("path")
    handler = _OPERATIONS.get(name) if isinstance(name, str) else None
    if handler is None:
        raise unprocessable("op", f"Unexpected kind: {name or 'unknown'}")
    if not isinstance(path, str):
        raise unprocessable("path", f"{name} operation does not apply: missing path")
    try:
        return handler(doc, operation, _tokens(path))
    except _MissingError as error:
        raise unprocessable(path, f"{name} operation does not apply: {error}") from None


def _add(doc: Any, operation: Doc, path: Tokens) -> Any:
    return _insert(doc, path, _value(operation))


def _remove(doc: Any, operation: Doc, path: Tokens) -> Any:
    return _changed(doc, path, _take_out)


def _replace(doc: Any, operation: Doc, path: Tokens) -> Any:
    value = _value(operation)
    if not path:
        return value

    def put(container: Container, token: str) -> None:
        _get(container, token)
        if isinstance(container, list):
            container[_index(token, len(container))] = value
        else:
            container[token] = value

    return _changed(doc, path, put)


def _move(doc: Any, operation: Doc, path: Tokens) -> Any:
    source = _source(operation)
    value = _find(doc, source)
    if path[: len(source)] == source:
        if len(path) == len(source):
            return doc
        raise _MissingError("a value cannot be moved into itself")
    return _insert(_changed(doc, source, _take_out), path, value)


def _copy(doc: Any, operation: Doc, path: Tokens) -> Any:
    return _insert(doc, path, _find(doc, _source(operation)))


def _test(doc: Any, operation: Doc, path: Tokens) -> Any:
    wanted = operation.get("value")
    try:
        found = _find(doc, path)
    except _MissingError:
        if wanted is None:
            return doc
        raise
    if not same(found, wanted):
        text = operation["path"]
        raise unprocessable(text, f"testing value {text} failed: test failed")
    return doc


_OPERATIONS: dict[str, Callable[[Any, Doc, Tokens], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _value(operation: Doc) -> Any:
    if "value" not in operation:
        raise _MissingError('missing "value"')
    return operation["value"]


def _source(operation: Doc) -> Tokens:
    if not isinstance(operation.get("from"), str):
        raise _MissingError('missing "from"')
    return _tokens(operation["from"])


def _tokens(pointer: str) -> Tokens:
    """RFC 6901: "" is the whole document, "/a~1b/0" is ("a/b", "0")."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise _MissingError(f'path "{pointer}" must start with "/"')
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _insert(doc: Any, path: Tokens, value: Any) -> Any:
    if not path:
        return value

    def put(container: Container, token: str) -> None:
        if isinstance(container, dict):
            container[token] = value
        elif token == "-":
            container.append(value)
        else:
            container.insert(_index(token, len(container) + 1), value)

    return _changed(doc, path, put)


def _take_out(container: Container, token: str) -> None:
    _get(container, token)
    if isinstance(container, list):
        del container[_index(token, len(container))]
    else:
        del container[token]


def _changed(doc: Any, path: Tokens, change: Callable[[Container, str], None]) -> Any:
    """A document in which `change` was done to a copy of the container that the last token names a place in."""
    if not path:
        raise _MissingError("the whole document cannot be removed")
    if not isinstance(doc, dict | list):
        raise _MissingError(f'doc is missing path: "{path[0]}": missing value')
    copy = doc.copy()
    if len(path) == 1:
        change(copy, path[0])
        return copy
    inner = _changed(_get(copy, path[0]), path[1:], change)
    if isinstance(copy, list):
        copy[_index(path[0], len(copy))] = inner
    else:
        copy[path[0]] = inner
    return copy


def _find(doc: Any, path: Tokens) -> Any:
    for token in path:
        doc = _get(doc, token)
    return doc


def _get(container: Any, token: str) -> Any:
    if isinstance(container, list):
        return container[_index(token, len(container))]
    if isinstance(container, dict) and token in container:
        return container[token]
    raise _MissingError(f'doc is missing key: "{token}": missing value')


def _index(token: str, size: int) -> int:
    """A place in an array of `size` places; negative numbers count from its end."""
    digits = token.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (len(digits) > 1 and digits[0] == "0"):
        raise _MissingError(f'"{token}" is not an array index')
    index = int(token)
    if not -size <= index < size:
        raise _MissingError(f"Unable to access invalid index: {token}: invalid index referenced")
    return index % size
