"""Rules of HTTPRoutes, GRPCRoutes and TLSRoutes become Routes, with what is wrong about them.

Requests of a rule that cannot be carried out are answered 500, not handed to another rule: its filters may be there to
keep something out.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.kubeapi.gateway.rules import milliseconds
from portway.routing.backendtls import secured
from portway.routing.documents import Doc, Documents, Name, meta, name_of, shown, spec
from portway.routing.filters import BACKEND_FILTERS, ROUTE_FILTERS, effects, mirrored, unsupported
from portway.routing.references import Resolved, backend, pool_key
from portway.routing.table import Match, Mirror, PathType, Pool, Route, Timeouts, ValueMatch, WeightedBackend

Precedence = tuple[object, ...]


class Ruled(Struct, frozen=True):
    """What a route document asks for, before anybody knows which listeners take it."""

    routes: tuple[tuple[Precedence, Route], ...] = ()
    """With what orders them among those of other documents: Gateway API's rules for conflicts."""
    pools: tuple[tuple[str, Pool], ...] = ()
    services: tuple[Name, ...] = ()
    """That it leads to, also where a policy keeps it from going there."""
    unresolved: tuple[Resolved, ...] = ()
    """Backend references that lead nowhere."""
    unsupported: tuple[str, ...] = ()
    """What is not done, by rule."""
    is_refused: bool = False
    """Not one of its rules is done."""


def rules(documents: Documents, document: Doc) -> Ruled:
    """Of one HTTPRoute, GRPCRoute or TLSRoute."""
    reader = _Reader(documents, document)
    for index, rule in enumerate(spec(document).get("rules") or ()):
        reader.rule(index, rule)
    return Ruled(
        tuple(reader.routes),
        tuple(reader.pools.items()),
        tuple(reader.services),
        tuple(reader.unresolved),
        tuple(reader.unsupported),
        0 < reader.unsupported_rules == len(spec(document).get("rules") or ()),
    )


class _Reader:
    """One pass over a document's rules."""

    def __init__(self, documents: Documents, document: Doc) -> None:
        self._documents, self._document = documents, document
        self._kind = document.get("kind")
        self._age = (meta(document).get("creationTimestamp") or "", name_of(document))
        self.routes: list[tuple[Precedence, Route]] = []
        self.pools: dict[str, Pool] = {}
        self.services: dict[Name, None] = {}
        self.unresolved: list[Resolved] = []
        self.unsupported: list[str] = []
        self.unsupported_rules = 0

    def rule(self, index: int, rule: Doc) -> None:
        """Every match of the rule is a Route."""
        filters = rule.get("filters") or []
        problems = list(unsupported(filters, ROUTE_FILTERS))
        matches = []
        for match in self._matches(rule):
            if broken := next(_broken_patterns(match), ""):
                problems.append(f"{broken!r} is no regular expression, and matches nothing")
            else:
                matches.append(match)
        done = Route(
            name=f"{shown(self._document)} rules[{index}]",
            backends=tuple(self._backend(ref, problems) for ref in rule.get("backendRefs") or ()),
            mirrors=tuple(Mirror(key, *share) for ref, *share in mirrored(filters) if (key := self._pool(ref)[0])),
            timeouts=_timeouts(rule.get("timeouts") or {}),
            **effects(filters),
        )
        if problems:
            self.unsupported_rules += 1
            self.unsupported += [f"rules[{index}]: {problem}" for problem in problems]
            done = Route(name=done.name)
        self.routes += [(self._precedence(match, index), replace(done, match=match)) for match in matches]

    def _matches(self, rule: Doc) -> list[Match]:
        if self._kind == "GRPCRoute":
            return [_grpc_match(match) for match in rule.get("matches") or [{}]]
        if self._kind == "TLSRoute":
            return [Match()]
        return [_http_match(match) for match in rule.get("matches") or [{}]]

    def _precedence(self, match: Match, index: int) -> Precedence:
        """The smaller, the earlier it is tried."""
        path = {"Exact": 0, "RegularExpression": 1, "Prefix": 2}[match.path_type]
        conditions = (-len(match.path), not match.method, -len(match.headers), -len(match.query))
        return (path, *conditions, self._age, index)

    def _backend(self, reference: Doc, problems: list[str]) -> WeightedBackend:
        filters = reference.get("filters") or []
        problems += unsupported(filters, BACKEND_FILTERS)
        weight = reference.get("weight")
        key, reason = self._pool(reference)
        return WeightedBackend(key, 1 if weight is None else int(weight), reason, **effects(filters))

    def _pool(self, reference: Doc) -> tuple[str, str]:
        """The key of the pool that a reference leads to; empty: why it leads nowhere."""
        resolved = backend(self._documents, self._document, reference)
        if resolved.pool is None:
            self.unresolved.append(resolved)
            return "", resolved.reason
        pool, key = resolved.pool, pool_key(resolved.pool)
        if self._kind == "GRPCRoute" and pool.protocol == "http":
            pool, key = replace(pool, protocol="h2c"), pool_key(pool, "h2c")
        elif self._kind == "TLSRoute":
            pool, key = replace(pool, protocol="tls"), pool_key(pool, "tls")
        self.services[pool.namespace, pool.service] = None
        safe = secured(self._documents, pool)
        if safe.pool is None:
            return "", safe.reason
        self.pools[key] = safe.pool
        return key, ""


def _timeouts(timeouts: Doc) -> Timeouts:
    request, backend_request = (milliseconds(timeouts.get(n) or "") / 1000 for n in ("request", "backendRequest"))
    return Timeouts(request, backend_request)


_PATH_TYPES: dict[str, PathType] = {
    "Exact": "Exact",
    "PathPrefix": "Prefix",
    "RegularExpression": "RegularExpression",
}


def _http_match(match: Doc) -> Match:
    path = match.get("path") or {}
    return Match(
        path.get("value") or "/",
        _PATH_TYPES[path.get("type") or "PathPrefix"],
        match.get("method") or "",
        _values(match.get("headers"), lower=True),
        _values(match.get("queryParams")),
    )


def _values(matches: Sequence[Doc] | None, lower: bool = False) -> tuple[ValueMatch, ...]:
    return tuple(
        ValueMatch(m["name"].lower() if lower else m["name"], m["value"], m.get("type") or "Exact")
        for m in matches or ()
    )


def _grpc_match(match: Doc) -> Match:
    """A gRPC call is a POST to /SERVICE/METHOD."""
    method = match.get("method") or {}
    service, name = method.get("service") or "", method.get("method") or ""
    headers = _values(match.get("headers"), lower=True)
    if method.get("type") == "RegularExpression":
        path = f"/{service or '[^/]+'}/{name or '[^/]+'}"
        return Match(path, "RegularExpression", headers=headers)
    if service and name:
        return Match(f"/{service}/{name}", "Exact", headers=headers)
    if name:
        return Match(f"/[^/]+/{re.escape(name)}", "RegularExpression", headers=headers)
    return Match(f"/{service}", "Prefix", headers=headers)


def _broken_patterns(match: Match) -> Iterator[str]:
    patterns = [match.path] if match.path_type == "RegularExpression" else []
    patterns += [v.value for v in (*match.headers, *match.query) if v.type == "RegularExpression"]
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error:
            yield pattern
