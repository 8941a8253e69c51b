"""Sections: what becomes of the requests of a target."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from portway.routing.answers import answer_text
from portway.routing.edits import WELL_KNOWN_PORTS
from portway.routing.haproxy.limiting import limit_lines, too_large
from portway.routing.haproxy.mirroring import mirror_line
from portway.routing.haproxy.upstreams import marks
from portway.routing.haproxy.words import edit_lines, formatted, quoted, section_name
from portway.routing.table import (
    Listener,
    Match,
    Mirror,
    PathEdit,
    Pool,
    Route,
    RouteTable,
    WeightedBackend,
)

_REPEATABLE = "GET HEAD OPTIONS TRACE PUT DELETE"


class Section(Struct, frozen=True):
    """One `backend`."""

    name: str
    lines: tuple[str, ...]
    pool: str = ""
    """Whose endpoints are its servers; empty: it answers by itself."""


def sections_of(table: RouteTable, listener: Listener, route: Route) -> list[tuple[Section, int]]:
    """Of a route, each with its weight."""
    if route.redirect is not None:
        return [(_own(_redirect_lines(listener, route)), 1)]
    shares = [(backend, backend.weight) for backend in route.backends if backend.weight > 0]
    if not shares:
        return [
            (_own([*_limit(route), _return(route.status_without_backend, answer_text("BACKEND_INVALID", route))]), 1)
        ]
    return [(_section(table, route, backend), weight) for backend, weight in shares]


def passed_through(table: RouteTable, route: Route) -> list[tuple[Section, int]]:
    """Of a route for connections, not requests."""
    shares = [backend for backend in route.backends if backend.weight > 0]
    return [(_passing(table.pools.get(backend.pool), backend.pool), backend.weight) for backend in shares]


def _passing(pool: Pool | None, key: str) -> Section:
    """Without a pool it has no servers, and its share is closed."""
    lines = ("mode tcp", "balance roundrobin", "option redispatch 1")
    more = marks(pool.tls) if pool is not None else ()
    return Section(section_name(pool, lines, *more), lines, key if pool is not None else "")


def _own(lines: list[str]) -> Section:
    return Section(section_name(None, tuple(lines)), tuple(lines))


def _section(table: RouteTable, route: Route, backend: WeightedBackend) -> Section:
    pool = table.pools.get(backend.pool)
    if pool is None:
        text = answer_text("BACKEND_INVALID", route, reason=backend.reason)
        return _own([*_limit(route), _return(route.status_without_backend, text)])
    copies = zip(mirrors_of(table, route), _known_mirrors(table, route), strict=True)
    lines = tuple(_lines(pool, route, backend, [mirror_line(copy.name, mirror) for copy, mirror in copies]))
    return Section(section_name(pool, lines, *marks(pool.tls)), lines, backend.pool)


def mirrors_of(table: RouteTable, route: Route) -> list[Section]:
    """Sections for copies: of each pool the one that changes nothing."""
    plain = Route(route.name)
    return [_section(table, plain, WeightedBackend(mirror.pool)) for mirror in _known_mirrors(table, route)]


def _known_mirrors(table: RouteTable, route: Route) -> list[Mirror]:
    return [mirror for mirror in route.mirrors if mirror.pool in table.pools]


def _lines(pool: Pool, route: Route, backend: WeightedBackend, mirrors: Sequence[str]) -> Iterator[str]:
    key = f"{pool.namespace}/{pool.service}:{pool.port}/TCP"
    yield "balance roundrobin"
    yield from _limit(route)
    # a worker that ends says that it has no servers while it still uses them
    yield f"{_return(503, answer_text('NO_ENDPOINTS', None, key))} if {{ nbsrv eq 0 }} !{{ stopping }}"
    yield f"http-request disable-l7-retry unless {{ method {_REPEATABLE} }}"
    seconds = min((s for s in (route.timeouts.request, route.timeouts.backend_request) if s > 0), default=0.0)
    if seconds:
        yield f"http-request set-timeout server {max(1, round(seconds * 1000))}ms"
    for edit in (route.request_headers, backend.request_headers):
        yield from edit_lines("http-request", edit)
    if route.rewrite is not None:
        yield from _path_lines(route.rewrite.path, route.match)
        if route.rewrite.hostname:
            yield f"http-request set-header Host {quoted(formatted(route.rewrite.hostname))}"
    for edit in (route.response_headers, backend.response_headers):
        yield from edit_lines("http-response", edit)
    if mirrors:
        yield "option http-buffer-request"
        yield from mirrors


def _limit(route: Route) -> list[str]:
    if not route.max_body:
        return []
    refusal = _return(413, answer_text("BODY_TOO_LARGE", route))
    return [*limit_lines(route.max_body), *(f"{refusal} if {condition}" for condition in too_large(route.max_body))]


def _return(status: int, text: str) -> str:
    return f"http-request return status {status} content-type 'text/plain; charset=utf-8' string {_body(text)}"


def _body(text: str) -> str:
    """A quoted string in which the end of the line is escaped, as HAProxy wants it."""
    return quoted(text.replace("\\", "\\\\"))


def _path_lines(edit: PathEdit | None, match: Match) -> Iterator[str]:
    """As `edited_path`: the query is not touched by set-path."""
    if edit is None:
        return
    if edit.type == "ReplaceFullPath":
        yield f"http-request set-path {quoted(formatted(edit.value))}"
        return
    cut = len(match.path.rstrip("/")) if match.path_type == "Prefix" else 0
    before = edit.value.rstrip("/")
    yield f"http-request set-var(txn.rest) path,bytes({cut})"
    yield f"http-request set-path {quoted(formatted(before or '/'))} if {{ path,length eq {cut} }}"
    yield f"http-request set-path {quoted(formatted(before) + '%[var(txn.rest)]')} if {{ var(txn.rest),length gt 0 }}"


def _redirect_lines(listener: Listener, route: Route) -> list[str]:
    """As `location`."""
    redirect = route.redirect
    assert redirect is not None
    scheme = redirect.scheme or ("http" if listener.protocol == "HTTP" else "https")
    port = redirect.port or (WELL_KNOWN_PORTS.get(redirect.scheme) if redirect.scheme else listener.port)
    suffix = "" if port in (None, WELL_KNOWN_PORTS.get(scheme)) else f":{port}"
    host = formatted(redirect.hostname) or "%[var(txn.host)]"
    where = quoted(f"{scheme}://{host}{suffix}%[pathq]")
    return [*_path_lines(redirect.path, route.match), f"http-request redirect location {where} code {redirect.status}"]
