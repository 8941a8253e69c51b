"""Filters of Gateway API's routes become what a Route does; what is not known here is said."""

from collections.abc import Iterator, Sequence
from typing import Any

from portway.routing.documents import Doc
from portway.routing.table import Cors, HeaderEdit, PathEdit, Redirect, Rewrite

BACKEND_FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier")
"""Those that a single backend may have."""
ROUTE_FILTERS = (*BACKEND_FILTERS, "RequestRedirect", "URLRewrite", "RequestMirror", "CORS")


_FRAMING = frozenset(("connection", "content-length", "expect", "transfer-encoding", "upgrade"))
"""What says where a message ends and whose connection it is on: the engine's own."""


def header_edit(modifier: Doc) -> HeaderEdit:
    """`requestHeaderModifier`, `responseHeaderModifier`; what frames a message is left as it is."""
    pairs = {verb: tuple(_pairs(modifier.get(verb) or ())) for verb in ("set", "add")}
    removed = tuple(name for name in modifier.get("remove") or () if name.lower() not in _FRAMING)
    return HeaderEdit(pairs["set"], pairs["add"], removed)


def _pairs(items: Sequence[Doc]) -> Iterator[tuple[str, str]]:
    for item in items:
        if item["name"].lower() not in _FRAMING:
            yield item["name"], item["value"]


def path_edit(path: Doc | None) -> PathEdit | None:
    """HTTPPathModifier."""
    if path is None:
        return None
    if path["type"] == "ReplaceFullPath":
        return PathEdit("ReplaceFullPath", path.get("replaceFullPath") or "")
    return PathEdit("ReplacePrefixMatch", path.get("replacePrefixMatch") or "")


def redirect(of: Doc) -> Redirect:
    """`requestRedirect`."""
    return Redirect(
        of.get("scheme") or "",
        of.get("hostname") or "",
        of.get("port"),
        path_edit(of.get("path")),
        of.get("statusCode") or 302,
    )


def rewrite(of: Doc) -> Rewrite:
    """`urlRewrite`."""
    return Rewrite(of.get("hostname") or "", path_edit(of.get("path")))


def cors(of: Doc) -> Cors:
    """`cors`."""
    origins, methods, headers, exposed = (
        tuple(of.get(name) or ()) for name in ("allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders")
    )
    return Cors(origins, methods, headers, exposed, bool(of.get("allowCredentials")), of.get("maxAge") or 5)


def effects(filters: Sequence[Doc]) -> dict[str, Any]:
    """The fields of a Route or WeightedBackend that the filters fill, in their order; mirrors are not among them."""
    found: dict[str, Any] = {}
    for filter_ in filters:
        if filter_["type"] == "RequestHeaderModifier":
            found["request_headers"] = header_edit(filter_["requestHeaderModifier"])
        elif filter_["type"] == "ResponseHeaderModifier":
            found["late_headers" if "cors" in found else "response_headers"] = header_edit(
                filter_["responseHeaderModifier"]
            )
        elif filter_["type"] == "RequestRedirect":
            found["redirect"] = redirect(filter_["requestRedirect"])
        elif filter_["type"] == "URLRewrite":
            found["rewrite"] = rewrite(filter_["urlRewrite"])
        elif filter_["type"] == "CORS":
            found["cors"] = cors(filter_["cors"])
    return found


def mirrored(filters: Sequence[Doc]) -> list[tuple[Doc, int, int]]:
    """Of mirrors: the backendRef, and of how many requests (the last number) how many are copied."""
    given = [filter_["requestMirror"] for filter_ in filters if filter_["type"] == "RequestMirror"]
    return [(mirror["backendRef"], *_share(mirror)) for mirror in given]


def _share(mirror: Doc) -> tuple[int, int]:
    if (fraction := mirror.get("fraction")) is not None:
        return fraction["numerator"], fraction.get("denominator") or 100
    percent = mirror.get("percent")
    return (1, 1) if percent is None else (percent, 100)


def unsupported(filters: Sequence[Doc], known: Sequence[str]) -> Iterator[str]:
    """What of them nobody here does."""
    for filter_ in filters:
        if filter_["type"] not in known:
            yield f"filter {filter_['type']} is not supported"
