"""The meaning of a RouteTable: what a door does with a request, and why."""

from collections.abc import Sequence

from portway.routing.cors import preflight, told_origin
from portway.routing.edits import edited_path, location
from portway.routing.hosts import host_of, virtual_host
from portway.routing.matching import matches
from portway.routing.table import Decision, Listener, Mirror, Request, Route, RouteTable, VirtualHost, WeightedBackend

DONE = ("ROUTED", "REDIRECTED", "PREFLIGHT")
"""Codes of requests that got what their route is for."""
NO_CONTENT = 204
REFUSED = 403
NOT_FOUND = 404
BODY_TOO_LARGE = 413
NO_ENDPOINTS = 503


def decide(table: RouteTable, listener: Listener, request: Request) -> Decision:
    """The one decision for a request that this listener took (see `listener_for`)."""
    host = virtual_host(listener.hosts, host_of(request.host))
    if host is None:
        return Decision("NO_HOST", NOT_FOUND)
    asked = preflight(request)
    route = next((route for route in host.routes if _takes(route, request, asked)), None)
    if route is None:
        return Decision("NO_ROUTE", NOT_FOUND, host)
    if route.cors is not None and asked is not None:
        if told_origin(route.cors, request):
            return Decision("PREFLIGHT", NO_CONTENT, host, route)
        return Decision("ORIGIN_REFUSED", REFUSED, host, route)
    if route.redirect is not None:
        where = location(route.redirect, route.match, listener, request)
        return Decision("REDIRECTED", route.redirect.status, host, route, location=where)
    if 0 < route.max_body < _length(request):
        return Decision("BODY_TOO_LARGE", BODY_TOO_LARGE, host, route)
    return _forwarded(table, host, route, request)


def _takes(route: Route, request: Request, asked: Request | None) -> bool:
    """A route with CORS also takes preflights that ask for what it takes: it need not match OPTIONS itself."""
    if matches(route.match, request):
        return True
    return asked is not None and route.cors is not None and matches(route.match, asked)


def _length(request: Request) -> int:
    """As announced; a body of unknown length is counted by the engine while it reads."""
    text = next((value for name, value in request.headers if name == "content-length"), "")
    return int(text) if text.isdecimal() else 0


def _forwarded(table: RouteTable, host: VirtualHost, route: Route, request: Request) -> Decision:
    candidates = tuple(backend for backend in route.backends if backend.weight > 0)
    code, status = _outcome(table, route, candidates)
    rewrite = route.rewrite
    return Decision(
        code,
        status,
        host,
        route,
        candidates,
        path=edited_path(rewrite.path if rewrite else None, route.match, request.target),
        host=(rewrite.hostname if rewrite else "") or request.host,
    )


def _outcome(table: RouteTable, route: Route, candidates: Sequence[WeightedBackend]) -> tuple[str, int]:
    """ROUTED while any candidate can answer: `pick` tells which share of the requests fails."""
    statuses = {backend_status(table, route, backend) for backend in candidates}
    if 0 in statuses:
        return "ROUTED", 0
    if any(backend.pool for backend in candidates):
        return "NO_ENDPOINTS", NO_ENDPOINTS
    return "BACKEND_INVALID", route.status_without_backend


def backend_status(table: RouteTable, route: Route, backend: WeightedBackend) -> int:
    """What the door answers to the share of one backend; 0: the backend itself answers."""
    if backend.pool not in table.pools:
        return route.status_without_backend
    return 0 if table.pools[backend.pool].endpoints else NO_ENDPOINTS


def backend_code(table: RouteTable, backend: WeightedBackend) -> str:
    """What becomes of the share of one backend."""
    if backend.pool not in table.pools:
        return "BACKEND_INVALID"
    return "ROUTED" if table.pools[backend.pool].endpoints else "NO_ENDPOINTS"


def is_copied(mirror: Mirror, point: float) -> bool:
    """Whether the mirror gets the request at a point (0 <= point < 1) that is drawn evenly."""
    return point * mirror.denominator < mirror.numerator


def pick(candidates: Sequence[WeightedBackend], point: float) -> WeightedBackend:
    """The candidate at a point (0 <= point < 1) of the line on which each is as long as its weight.

    An engine that draws the point evenly, or walks over it, splits requests by weight. Needs at least one candidate.
    """
    left = point * sum(backend.weight for backend in candidates)
    for backend in candidates:
        left -= backend.weight
        if left < 0:
            return backend
    return candidates[-1]
