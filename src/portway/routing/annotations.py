"""Annotations of Ingresses that are understood: those of ingress-nginx that people use most.

ssl-redirect and force-ssl-redirect (both have to be asked for), rewrite-target and use-regex, proxy-body-size,
proxy-read-timeout, backend-protocol, and those for CORS (`corsannotations`). Every other one of its prefix is
complained about.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from portway.routing import corsannotations
from portway.routing.documents import Doc, annotation, meta, spec
from portway.routing.table import Match, PathEdit, Pool, Redirect, Rewrite, Route, Timeouts, UpstreamProtocol

PREFIX = "nginx.ingress.kubernetes.io/"
KNOWN = (
    "ssl-redirect",
    "force-ssl-redirect",
    "rewrite-target",
    "use-regex",
    "proxy-body-size",
    "proxy-read-timeout",
    "backend-protocol",
    *corsannotations.NAMES,
)
_PERMANENT_REDIRECT = 308
_SUFFIXES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_PROTOCOLS: dict[str, UpstreamProtocol] = {"HTTP": "http", "HTTPS": "https", "GRPC": "h2c"}
_REST = re.compile(r"(?P<prefix>/[^()]*?)\(/\|\$\)\(\.\*\)")
"""The idiom for "this prefix": `/shop(/|$)(.*)`, whose second group is what follows."""


def _value(ingress: Doc, name: str) -> str:
    return annotation(ingress, PREFIX + name)


def complaints(ingress: Doc) -> Iterator[str]:
    """What nobody here will do."""
    for name in meta(ingress).get("annotations") or {}:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in KNOWN:
            yield f"annotation {name} is not known here and does nothing"
    if (size := _value(ingress, "proxy-body-size")) and _bytes(size) is None:
        yield f"annotation {PREFIX}proxy-body-size: {size!r} is no size such as 8m"
    for name, problem in _misunderstood(ingress):
        yield f"annotation {PREFIX}{name}: {problem}"
    target = _value(ingress, "rewrite-target")
    if "$" in target.replace("$2", "", 1):
        yield f"annotation {PREFIX}rewrite-target: of groups only $2 of a path like /shop(/|$)(.*) is known here"


def _misunderstood(ingress: Doc) -> Iterator[tuple[str, str]]:
    """(annotation, what is wrong with its value)."""
    for name in ("ssl-redirect", "force-ssl-redirect", "use-regex"):
        if (said := _value(ingress, name)) not in ("", "true", "false"):
            yield name, f"{said!r} is neither true nor false"
    if (seconds := _value(ingress, "proxy-read-timeout").strip()) and not seconds.isdecimal():
        yield "proxy-read-timeout", f"{seconds!r} is no number of seconds such as 30"
    if (protocol := _value(ingress, "backend-protocol")) and protocol.upper() not in _PROTOCOLS:
        yield "backend-protocol", f"{protocol!r} is none of {', '.join(_PROTOCOLS)}, and does nothing"
    if _value(ingress, "use-regex") == "true":
        for path in _paths(ingress):
            if not _compiles(path):
                yield "use-regex", f"path {path!r} is no regular expression, and taken as it is written"
    yield from corsannotations.problems(partial(_value, ingress))


def _paths(ingress: Doc) -> Iterator[str]:
    """Those that are not Exact."""
    for rule in spec(ingress).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            if path.get("pathType") != "Exact":
                yield path.get("path") or "/"


def _bytes(size: str) -> int | None:
    found = re.fullmatch("([0-9]+)([kmg]?)", size.strip().lower())
    return int(found[1]) * _SUFFIXES[found[2]] if found else None


def effects(ingress: Doc) -> dict[str, Any]:
    """Fields of its Routes."""
    found: dict[str, Any] = {"max_body": _bytes(_value(ingress, "proxy-body-size")) or 0}
    seconds = _value(ingress, "proxy-read-timeout").strip()
    if seconds.isdecimal():
        found["timeouts"] = Timeouts(backend_request=float(seconds))
    found["cors"] = corsannotations.cors_of(partial(_value, ingress))
    return found


def redirects(ingress: Doc, is_secured: bool) -> bool:
    """Whether plain requests are sent to HTTPS."""
    forced = _value(ingress, "force-ssl-redirect") == "true"
    return forced or (is_secured and _value(ingress, "ssl-redirect") == "true")


def redirected(route: Route) -> Route:
    """The route that sends its requests to HTTPS instead."""
    to_https = Redirect(scheme="https", status=_PERMANENT_REDIRECT)
    return Route(route.name, route.match, redirect=to_https, cors=route.cors)


def rewriting(ingress: Doc, match: Match) -> tuple[Match, Rewrite | None]:
    """The match and the rewrite of a path under rewrite-target and use-regex."""
    target = _value(ingress, "rewrite-target")
    if found := _REST.fullmatch(match.path):
        match = Match(found["prefix"] or "/", "Prefix")
        if "$2" in target:
            return match, Rewrite(path=PathEdit("ReplacePrefixMatch", target.replace("$2", "").rstrip("/") or "/"))
    elif _value(ingress, "use-regex") == "true" and match.path_type == "Prefix" and _compiles(match.path):
        match = Match(f"(?i:{match.path}).*", "RegularExpression")
    return match, Rewrite(path=PathEdit("ReplaceFullPath", target)) if target and "$" not in target else None


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def spoken(ingress: Doc, pool: Pool) -> tuple[Pool, str]:
    """The pool with the protocol that the annotation says, and the end of its key."""
    protocol = _PROTOCOLS.get(_value(ingress, "backend-protocol").upper())
    if protocol in (None, pool.protocol):
        return pool, "TCP"
    assert protocol is not None
    return replace(pool, protocol=protocol), protocol
