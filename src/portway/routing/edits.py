"""What a route changes of a request or a response: path, headers, and where a redirect leads.

Source: Gateway API HTTPRoute (HTTPPathModifier, HTTPHeaderFilter, HTTPRequestRedirectFilter).
"""

from collections.abc import Iterable, Sequence

from portway.routing.hosts import host_of
from portway.routing.table import HeaderEdit, Listener, Match, PathEdit, Redirect, Request

WELL_KNOWN_PORTS = {"http": 80, "https": 443}

Headers = Sequence[tuple[str, str]]


def edited_path(edit: PathEdit | None, match: Match, target: str) -> str:
    """The target (path and query) after the edit; the query stays as it is.

    Of a prefix, a slash at its end does not count, nor one at the end of what replaces it: `/foo/bar` with `/foo`
    replaced by `/xyz/` is `/xyz/bar`; a path of which nothing is left is `/`.
    """
    path, mark, query = target.partition("?")
    if edit is None:
        return target
    if edit.type == "ReplaceFullPath":
        return edit.value + mark + query
    prefix = match.path.rstrip("/") if match.path_type == "Prefix" else ""
    return (edit.value.rstrip("/") + path[len(prefix) :] or "/") + mark + query


def edited_headers(headers: Headers, edits: Iterable[HeaderEdit | None]) -> tuple[tuple[str, str], ...]:
    """The headers after each edit in turn: set, add, remove. Names compare without regard to case."""
    for edit in edits:
        if edit is not None:
            headers = _edited(headers, edit)
    return tuple(headers)


def _edited(headers: Headers, edit: HeaderEdit) -> Headers:
    replaced = {name.lower() for name, _ in edit.set}
    removed = {name.lower() for name in edit.remove}
    kept = [(name, value) for name, value in headers if name.lower() not in replaced]
    return [(name, value) for name, value in [*kept, *edit.set, *edit.add] if name.lower() not in removed]


def location(redirect: Redirect, match: Match, listener: Listener, request: Request) -> str:
    """The Location header: an absolute URL; a port that its scheme implies is left out."""
    scheme = redirect.scheme or ("http" if listener.protocol == "HTTP" else "https")
    host = redirect.hostname or host_of(request.host)
    port = redirect.port or (WELL_KNOWN_PORTS.get(redirect.scheme) if redirect.scheme else listener.port)
    suffix = "" if port in (None, WELL_KNOWN_PORTS.get(scheme)) else f":{port}"
    return f"{scheme}://{host}{suffix}{edited_path(redirect.path, match, request.target)}"
