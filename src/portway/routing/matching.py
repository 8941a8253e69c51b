"""Whether a request is like a Match says: path, method, headers and query, all of them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

from portway.routing.table import Match, Request, ValueMatch


def matches(match: Match, request: Request) -> bool:
    """All conditions at once. The path is compared as sent: case counts, nothing is decoded or normalised."""
    path, _, query = request.target.partition("?")
    return (
        path_matches(match, path)
        and match.method in ("", request.method)
        and all(_header_matches(wanted, request) for wanted in match.headers)
        and all(_query_matches(wanted, query) for wanted in match.query)
    )


def path_matches(match: Match, path: str) -> bool:
    """By path_type; a regular expression has to match the whole path."""
    if match.path_type == "Exact":
        return path == match.path
    if match.path_type == "Prefix":
        prefix = match.path.rstrip("/")
        return path.startswith(prefix + "/") or (path == prefix and bool(prefix))
    return _fully_matches(match.path, path)


def _header_matches(wanted: ValueMatch, request: Request) -> bool:
    """Any one line of that name is enough; lists within a line are not taken apart."""
    return any(_value_matches(wanted, value) for name, value in request.headers if name == wanted.name)


def _query_matches(wanted: ValueMatch, query: str) -> bool:
    """The first parameter of that name counts, its value decoded."""
    value = next(iter(_values(wanted.name, query)), None)
    return value is not None and _value_matches(wanted, value)


def _values(name: str, query: str) -> Iterable[str]:
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            yield unquote_plus(value)


def _value_matches(wanted: ValueMatch, value: str) -> bool:
    if wanted.type == "Exact":
        return value == wanted.value
    return _fully_matches(wanted.value, value)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _fully_matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None
