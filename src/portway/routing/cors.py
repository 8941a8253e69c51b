"""CORS: a door answers preflights by itself, and tells browsers who may read what a backend answers.

A **preflight** is an OPTIONS request with an Origin that asks (Access-Control-Request-Method) whether another request
may follow. What is told of CORS is the door's word alone: a backend's own fields go.

Filters of a rule count in their order: a ResponseHeaderModifier before the CORS filter is a word of the backend's, one
behind it is the door's last.

Source: Gateway API, HTTPCORSFilter and HTTPRouteRule.filters; Fetch, 3.2 (CORS protocol).
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.edits import edited_headers
from portway.routing.table import Cors, Request, Route

Headers = tuple[tuple[str, str], ...]
ANY = "*"
PREFIX = "access-control-"
"""Of every field that is about CORS, in lower case."""
ASKED_METHOD, ASKED_HEADERS = "access-control-request-method", "access-control-request-headers"
_ORIGIN = re.compile(r"(https?)://(\[[^/\]]*\]|[^/:]+)(?::([0-9]+))?", re.IGNORECASE)
_PORTS = {"http": "80", "https": "443"}


class Origin(Struct, frozen=True):
    """`scheme://host:port` in its parts, the scheme's own port written out."""

    scheme: str
    host: str
    """Lower case; as it is written in a filter, it may begin with `*`."""
    port: str


def parse_origin(text: str) -> Origin | None:
    """None for `null`, and whatever else is no origin of http or https."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    return Origin(scheme, host, port or _PORTS[scheme])


def preflight(request: Request) -> Request | None:
    """The request that a preflight asks about, as far as it says; None: it is no preflight."""
    if request.method != "OPTIONS" or not _field(request, "origin"):
        return None
    method = _field(request, ASKED_METHOD)
    return replace(request, method=method) if method else None


def told_origin(cors: Cors, request: Request) -> str:
    """The value of Access-Control-Allow-Origin; empty: this origin may not read the answer."""
    if says_any(cors):
        return ANY
    origin = _field(request, "origin")
    return origin if ANY in cors.origins or _is_among(cors, parse_origin(origin)) else ""


def says_any(cors: Cors) -> bool:
    """Whether every client is told the same: anybody may read. Never with credentials."""
    return ANY in cors.origins and not cors.credentials


def _is_among(cors: Cors, origin: Origin | None) -> bool:
    return origin is not None and any(_takes(parse_origin(one), origin, cors.one_label) for one in cors.origins)


def _takes(pattern: Origin | None, origin: Origin, one_label: bool) -> bool:
    """A `*` in front stands for any text before the rest, dots included, or for all before the first dot."""
    if pattern is None or (pattern.scheme, pattern.port) != (origin.scheme, origin.port):
        return False
    if origin.host == pattern.host or not pattern.host.startswith(ANY):
        return origin.host == pattern.host
    return parent(origin.host) == pattern.host if one_label else origin.host.endswith(pattern.host[1:])


def parent(host: str) -> str:
    """`*.shop.example` of `a.shop.example`."""
    return ANY + host[len(host.partition(".")[0]) :]


def cors_headers(cors: Cors, request: Request) -> Headers:
    """What the answer to this request says of CORS; to a preflight also what may follow."""
    origin = told_origin(cors, request)
    vary = () if says_any(cors) else (("Vary", "Origin"),)
    if not origin:
        return vary
    told = [("Allow-Origin", origin), *_terms(cors)]
    if preflight(request) is not None:
        told += _permissions(cors, request)
    return (*vary, *((f"Access-Control-{name}", value) for name, value in told))


def _terms(cors: Cors) -> Iterator[tuple[str, str]]:
    if cors.credentials:
        yield "Allow-Credentials", "true"
    if exposed := exposed_names(cors):
        yield "Expose-Headers", ",".join(exposed)


def exposed_names(cors: Cors) -> tuple[str, ...]:
    """With credentials `*` would be the name of a field."""
    return tuple(name for name in cors.expose if name != ANY or not cors.credentials)


def _permissions(cors: Cors, request: Request) -> Iterator[tuple[str, str]]:
    for name, allowed, asked in (
        ("Allow-Methods", cors.methods, ASKED_METHOD),
        ("Allow-Headers", cors.headers, ASKED_HEADERS),
    ):
        if value := _field(request, asked) if echoes(cors, allowed) else ",".join(allowed):
            yield name, value
    yield "Max-Age", str(cors.max_age)


def echoes(cors: Cors, allowed: tuple[str, ...]) -> bool:
    """Whether a client is told what it asks for: `*` with credentials would be a name."""
    return ANY in allowed and cors.credentials


def with_cors(cors: Cors | None, request: Request, headers: Sequence[tuple[str, str]]) -> Headers:
    """The headers of an answer, whoever gives it, with the door's word on CORS instead of any other."""
    if cors is None:
        return tuple(headers)
    kept = tuple((name, value) for name, value in headers if not name.lower().startswith(PREFIX))
    varies = {word.strip().lower() for name, value in kept if name.lower() == "vary" for word in value.split(",")}
    return (*kept, *(told for told in cors_headers(cors, request) if told[0] != "Vary" or "origin" not in varies))


def told_headers(route: Route | None, request: Request, headers: Sequence[tuple[str, str]]) -> Headers:
    """The headers of an answer of this route's, whoever gives it, as its client gets them."""
    if route is None or route.cors is None:
        return tuple(headers)
    return edited_headers(with_cors(route.cors, request, headers), (route.late_headers,))


def _field(request: Request, name: str) -> str:
    """The first of this name; empty: there is none."""
    return next((value for key, value in request.headers if key == name), "")
