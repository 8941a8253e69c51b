"""Terse ways to write a RouteTable down, and the cases that `decide` and every engine answer alike.

A case is a request at a listener of a table, and what becomes of it. Whoever runs a table for real puts servers of
its own behind the pools (`with_endpoints`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.table import (
    Endpoint,
    HeaderEdit,
    Listener,
    Match,
    PathEdit,
    Pool,
    Redirect,
    Request,
    Rewrite,
    Route,
    RouteTable,
    ValueMatch,
    VirtualHost,
    WeightedBackend,
)


def pool(name: str, *endpoints: str, **fields: Any) -> Pool:
    """`pool("shop/web:80", "10.0.0.1:8080")`: by its key, less the protocol."""
    namespace, _, rest = name.partition("/")
    service, _, port = rest.partition(":")
    ready = tuple(Endpoint(at.rpartition(":")[0], int(at.rpartition(":")[2])) for at in endpoints)
    return Pool(namespace, service, int(port), endpoints=ready, **fields)


def key_of(pool: Pool) -> str:
    """The pool's key in a table."""
    return f"{pool.namespace}/{pool.service}:{pool.port}/TCP"


def pools(*names: str, empty: Iterable[str] = ()) -> dict[str, Pool]:
    """Services of namespace shop with one endpoint each, or none."""
    made = [pool(f"shop/{name}:80", f"10.0.0.{number}:80") for number, name in enumerate(names, 1)]
    return {key_of(p): p for p in [*made, *(pool(f"shop/{name}:80") for name in empty)]}


def to(*services: str, weight: int = 1) -> tuple[WeightedBackend, ...]:
    """Backends at services of namespace shop; `a=3` has a weight of its own; an empty one is a bad reference."""
    return tuple(_backend(*service.partition("=")[::2], weight) for service in services)


def _backend(service: str, own: str, weight: int) -> WeightedBackend:
    key = f"shop/{service}:80/TCP" if service else ""
    return WeightedBackend(key, int(own or weight), "" if key else "BackendNotFound")


def exact(path: str, **fields: Any) -> Match:
    """Path Exact."""
    return Match(path, "Exact", **fields)


def prefix(path: str = "/", **fields: Any) -> Match:
    """Path Prefix."""
    return Match(path, "Prefix", **fields)


def route(match: Match | str, *services: str, **fields: Any) -> Route:
    """A route named after what it matches, to services of namespace shop."""
    match = prefix(match) if isinstance(match, str) else match
    fields.setdefault("name", f"HTTPRoute shop/{match.path}")
    return Route(match=match, backends=to(*services), **fields)


def host(name: str, *routes: Route, one_label: bool = False) -> VirtualHost:
    """A virtual host."""
    return VirtualHost(name, one_label, routes)


def listener(*hosts: VirtualHost, port: int = 80, **fields: Any) -> Listener:
    """An HTTP listener of the door of Gateway shop/gateway."""
    fields.setdefault("name", f"shop/gateway/{port}")
    return Listener(door="gateway/shop/gateway", port=port, hosts=hosts, **fields)


def table(*listeners: Listener, pools: Mapping[str, Pool] | None = None) -> RouteTable:
    """A table; without pools, those that its routes name, with one endpoint each."""
    named = {b.pool for at in listeners for h in at.hosts for r in h.routes for b in r.backends if b.pool}
    known = {key: pool(key.removesuffix("/TCP"), "10.0.0.1:80") for key in sorted(named)}
    return RouteTable(listeners, known if pools is None else pools)


def with_endpoints(table: RouteTable, endpoints: Mapping[str, Iterable[Endpoint]]) -> RouteTable:
    """The table with these endpoints behind those of its pools that have any."""
    real = {
        key: replace(pool, endpoints=tuple(endpoints.get(key, ()))) if pool.endpoints else pool
        for key, pool in table.pools.items()
    }
    return replace(table, pools=real)


class DoorCase(Struct, frozen=True, kw_only=True):
    """A request at the first listener of a table, and its fate."""

    name: str
    table: RouteTable
    request: Request
    code: str = "ROUTED"
    status: int = 0
    backends: frozenset[str] = frozenset()
    """The services (of namespace shop) one of which gets it."""
    path: str = ""
    """That the backend sees; empty: as sent."""
    host: str = ""
    """That the backend sees; empty: as sent."""
    location: str = ""

    def __repr__(self) -> str:
        return self.name


def get(target: str = "/", host: str = "example.com", **headers: str) -> Request:
    """A GET; underscores in header names stand for hyphens."""
    return Request("GET", host, target, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def _cases(name: str, table: RouteTable, *rows: tuple[Request, str, str]) -> list[DoorCase]:
    """Rows: request, the service that gets it or a status in digits, and why."""
    return [_case(f"{name}: {why}", table, request, fate) for request, fate, why in rows]


_CODES = {"404": "NO_ROUTE", "503": "NO_ENDPOINTS", "500": "BACKEND_INVALID", "413": "BODY_TOO_LARGE"}


def _case(name: str, table: RouteTable, request: Request, fate: str) -> DoorCase:
    if fate.isdigit():
        return DoorCase(name=name, table=table, request=request, code=_CODES[fate], status=int(fate))
    return DoorCase(name=name, table=table, request=request, backends=frozenset(fate.split("|")))


_PATHS = table(
    listener(
        host(
            "",
            route(exact("/foo"), "exact"),
            route(prefix("/foo/bar/"), "deep"),
            route(prefix("/foo"), "shallow"),
            route(Match("/v[0-9]+/.*", "RegularExpression"), "versions"),
            route(prefix("/aaa"), "aaa"),
        )
    )
)
_HOSTS = table(
    listener(
        host("foo.example.com", route("/only", "exact")),
        host("*.example.com", route("/", "short")),
        host("*.foo.example.com", route("/", "long")),
        host("", route("/", "any")),
    )
)
_INGRESS_HOSTS = table(
    listener(
        host("*.foo.com", route("/", "wild"), one_label=True),
        host("foo.com", route("/", "apex"), one_label=True),
        entry="Ingress",
    )
)
_CONDITIONS = table(
    listener(
        host(
            "",
            route(prefix("/", method="POST"), "posts"),
            route(prefix("/", headers=(ValueMatch("version", "two"), ValueMatch("color", "blue"))), "both"),
            route(prefix("/", headers=(ValueMatch("version", "two"),)), "two"),
            route(prefix("/", headers=(ValueMatch("version", "v[0-9]", "RegularExpression"),)), "numbered"),
            route(prefix("/", query=(ValueMatch("animal", "whale"),)), "whale"),
            route(prefix("/", query=(ValueMatch("q", "a b"),)), "spaced"),
        )
    )
)
_FATES = table(
    listener(
        host(
            "",
            route("/empty", "empty"),
            route("/bad", ""),
            route("/bad-ingress", "", status_without_backend=503),
            route("/none"),
            route("/zero", "a=0"),
            route("/part", "a", "empty", ""),
            route("/small", "a", max_body=10),
            route("/", "a", "b"),
        )
    ),
    pools=pools("a", "b", empty=["empty"]),
)

_CHOICES = [
    *_cases(
        "path",
        _PATHS,
        (get("/foo"), "exact", "Exact before a Prefix that stands later"),
        (get("/foo?a=/bar"), "exact", "the query is no part of the path"),
        (get("/foo/"), "shallow", "Exact minds the slash at the end, Prefix does not"),
        (get("/foo/bar"), "deep", "a slash at a prefix's end does not count"),
        (get("/foo/bar/"), "deep", "Prefix with a slash at the end"),
        (get("/foo/bar/baz"), "deep", "Prefix, one element deeper"),
        (get("/foo/barbaz"), "shallow", "Prefix is by whole elements"),
        (get("/aaaccc"), "404", "Prefix is by whole elements, and nothing else matches"),
        (get("/AAA"), "404", "case counts"),
        (get("/v12/x"), "versions", "a regular expression"),
        (get("/x/v12/x"), "404", "a regular expression has to match the whole path"),
        (get("/"), "404", "no route for it"),
    ),
    *_cases(
        "host",
        _HOSTS,
        (get("/only", "foo.example.com"), "exact", "an exact one first"),
        (get("/only", "FOO.example.com:8080"), "exact", "without regard to case and port"),
        (get("/other", "foo.example.com"), "404", "what the most specific host does not route, no other does"),
        (get("/", "bar.example.com"), "short", "a wildcard"),
        (get("/", "a.b.example.com"), "short", "Gateway API's wildcard stands for many labels"),
        (get("/", "a.foo.example.com"), "long", "the longest wildcard"),
        (get("/", "a.b.foo.example.com"), "long", "the longest wildcard, many labels"),
        (get("/", "example.com"), "any", "a wildcard does not take its own parent"),
        (get("/", "other.org"), "any", "the rest"),
    ),
    *_cases(
        "Ingress host",
        _INGRESS_HOSTS,
        (get("/", "bar.foo.com"), "wild", "a wildcard"),
        (get("/", "foo.com"), "apex", "a wildcard does not take its own parent"),
    ),
    *_cases(
        "condition",
        _CONDITIONS,
        (Request("POST", "a", "/"), "posts", "method"),
        (get(version="two"), "two", "a header"),
        (get(version="two", color="blue"), "both", "all headers of a match"),
        (get(version="v2"), "numbered", "a header by regular expression"),
        (get(version="v22"), "404", "the whole value has to match"),
        (Request("GET", "a", "/", (("version", "one"), ("version", "two"))), "two", "any line of a repeated header"),
        (get("/?animal=whale"), "whale", "a query parameter"),
        (get("/?animal=hydra&animal=whale"), "404", "the first of a repeated parameter counts"),
        (get("/?q=a%20b"), "spaced", "a parameter's value is decoded"),
        (get("/?q=a+b"), "spaced", "plus is a space"),
        (get("/?animals=whale"), "404", "another parameter"),
    ),
    *_cases(
        "fate",
        _FATES,
        (get("/empty"), "503", "no endpoint is ready"),
        (get("/bad"), "500", "a bad reference"),
        (get("/none"), "500", "a route without backends"),
        (get("/zero"), "500", "a backend of weight 0 gets nothing"),
        (get("/small"), "a", "no body"),
        (Request("POST", "a", "/small", (("content-length", "10"),)), "a", "a body of the largest size"),
        (Request("POST", "a", "/small", (("content-length", "11"),)), "413", "a body that is too large"),
        (get("/x"), "a|b", "any of several"),
    ),
    DoorCase(
        name="fate: a bad reference of an Ingress",
        table=_FATES,
        request=get("/bad-ingress"),
        code="BACKEND_INVALID",
        status=503,
    ),
    *[
        DoorCase(name=f"Ingress host: {why}", table=_INGRESS_HOSTS, request=get("/", name), code="NO_HOST", status=404)
        for name, why in [("baz.bar.foo.com", "a wildcard stands for one label"), ("other.org", "nobody's host")]
    ],
]

_REPLACEMENTS = [
    # prefix of the match, what replaces it, request, what the backend sees
    ("/foo", "/xyz", "/foo/bar", "/xyz/bar"),
    ("/foo", "/xyz/", "/foo/bar", "/xyz/bar"),
    ("/foo/", "/xyz", "/foo/bar", "/xyz/bar"),
    ("/foo/", "/xyz/", "/foo/bar", "/xyz/bar"),
    ("/foo", "/xyz", "/foo", "/xyz"),
    ("/foo", "/xyz", "/foo/", "/xyz/"),
    ("/foo", "", "/foo/bar", "/bar"),
    ("/foo", "", "/foo/", "/"),
    ("/foo", "", "/foo", "/"),
    ("/foo", "/", "/foo/", "/"),
    ("/foo", "/", "/foo", "/"),
    ("/foo", "/", "/foo/bar?x=/foo", "/bar?x=/foo"),
    ("/", "/xyz", "/bar", "/xyz/bar"),
    ("/foo", "/xyz", "/foo?x=1", "/xyz?x=1"),
]


def _rewritten(match: Match, rewrite: Rewrite) -> RouteTable:
    return table(listener(host("", route(match, "web", rewrite=rewrite))))


_REWRITES = [
    *[
        DoorCase(
            name=f"rewrite: {before} -> {after!r}, {target}",
            table=_rewritten(prefix(before), Rewrite(path=PathEdit("ReplacePrefixMatch", after))),
            request=get(target),
            backends=frozenset({"web"}),
            path=path,
        )
        for before, after, target, path in _REPLACEMENTS
    ],
    DoorCase(
        name="rewrite: the full path, the query kept",
        table=_rewritten(prefix("/full"), Rewrite(path=PathEdit("ReplaceFullPath", "/one"))),
        request=get("/full/two?x=1"),
        backends=frozenset({"web"}),
        path="/one?x=1",
    ),
    DoorCase(
        name="rewrite: the host",
        table=_rewritten(prefix("/"), Rewrite(hostname="one.example.org")),
        request=get("/two"),
        backends=frozenset({"web"}),
        host="one.example.org",
    ),
]

_HTTPS: dict[str, Any] = {"port": 443, "protocol": "HTTPS"}
_REDIRECTS: list[tuple[dict[str, Any], Redirect, Request, str]] = [
    # listener, redirect, request, Location
    ({}, Redirect(hostname="example.org"), get("/a?b=c"), "http://example.org/a?b=c"),
    ({}, Redirect(scheme="https", status=308), get("/a"), "https://example.com/a"),
    ({"port": 8080}, Redirect(), get("/a", "example.com:9"), "http://example.com:8080/a"),
    ({"port": 8080}, Redirect(scheme="https"), get("/a"), "https://example.com/a"),
    ({"port": 8080}, Redirect(scheme="http"), get("/a"), "http://example.com/a"),
    ({"port": 8443, "protocol": "HTTPS"}, Redirect(), get("/a"), "https://example.com:8443/a"),
    (_HTTPS, Redirect(), get("/a"), "https://example.com/a"),
    (_HTTPS, Redirect(scheme="http", port=8080), get("/a"), "http://example.com:8080/a"),
    (_HTTPS, Redirect(port=80), get("/a"), "https://example.com:80/a"),
    (_HTTPS, Redirect(port=443), get("/a"), "https://example.com/a"),
    ({}, Redirect(port=8080), get("/a"), "http://example.com:8080/a"),
    ({}, Redirect(scheme="https", port=443), get("/a"), "https://example.com/a"),
    ({}, Redirect(scheme="https", port=8443), get("/a"), "https://example.com:8443/a"),
    ({}, Redirect(path=PathEdit("ReplacePrefixMatch", "/new")), get("/old/a?b"), "http://example.com/new/a?b"),
    ({}, Redirect(path=PathEdit("ReplaceFullPath", "/new"), status=301), get("/old/a"), "http://example.com/new"),
]

CASES: tuple[DoorCase, ...] = (
    *_CHOICES,
    *_REWRITES,
    *[
        DoorCase(
            name=f"redirect {number}: {where}",
            table=table(listener(host("", route("/old", redirect=redirect), route("/", redirect=redirect)), **fields)),
            request=request,
            code="REDIRECTED",
            status=redirect.status,
            location=where,
        )
        for number, (fields, redirect, request, where) in enumerate(_REDIRECTS, 1)
    ],
)

HEADER_EDITS = [
    # before, edit, after (names in any case)
    ([("some", "a")], HeaderEdit(set=(("Some", "b"),)), [("Some", "b")]),
    ([], HeaderEdit(set=(("new", "b"),)), [("new", "b")]),
    ([("some", "a")], HeaderEdit(add=(("some", "b"),)), [("some", "a"), ("some", "b")]),
    ([("some", "a"), ("other", "c")], HeaderEdit(remove=("SOME",)), [("other", "c")]),
    (
        [("s", "1"), ("a", "1"), ("r", "1")],
        HeaderEdit(set=(("s", "2"),), add=(("a", "2"),), remove=("r",)),
        [("a", "1"), ("s", "2"), ("a", "2")],
    ),
]
