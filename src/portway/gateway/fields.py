"""Heads of HTTP/2 messages as lists of fields: what they say, and what a proxy makes of them. Pure.

Source: RFC 9113 8.2 (fields), 8.3 (pseudo-fields). What h2 has let through is checked again where a backend that speaks
HTTP/1 could read it otherwise.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from portway.gateway.head import HOP_BY_HOP, Headers, end_to_end, tokens

Fields = Sequence[tuple[bytes, bytes]]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00\r\n]*")
_TARGET = re.compile(r"\*|/[^\x00-\x20\x7f#]*")
HOST = re.compile(r"[^\x00-\x20\x7f/?#@]*")
"""What a request may say that it is for."""


class RequestHead(Struct, frozen=True):
    """A request as its fields say it."""

    method: str = ""
    target: str = ""
    host: str = ""
    headers: list[tuple[str, str]] = []
    """Without pseudo-fields and Host, which `host` is."""
    length: int | None = None
    bad: str = ""
    """Why it is none; the rest is then worth nothing."""


def request_of(fields: Fields) -> RequestHead:
    """Read a request."""
    known = _text(fields)
    pseudo = {name: value for name, value in known if name.startswith(":")}
    rest = [(name, value) for name, value in known if not name.startswith(":")]
    hosts = {value for name, value in rest if name == "host"}
    host = pseudo.get(":authority") or next(iter(hosts), "")
    headers = [(name, value) for name, value in rest if name != "host"]
    method, target = pseudo.get(":method", ""), pseudo.get(":path", "")
    if bad := _complaint(method, target, host, hosts, headers):
        return RequestHead(bad=bad)
    return RequestHead(method, target, host, headers, _length(headers))


def _complaint(method: str, target: str, host: str, hosts: set[str], headers: Headers) -> str:
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        return "this method is not served"
    if not _TARGET.fullmatch(target):
        return "the path has to begin with a slash"
    if not host or not HOST.fullmatch(host) or hosts - {host}:
        return "there must be one Host"
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or name != name.lower() or not _VALUE.fullmatch(value):
            return "a field cannot be read"
        if name in HOP_BY_HOP and (name, value) != ("te", "trailers"):
            return f"{name} has no place in HTTP/2"
    if not all(value.isdecimal() for name, value in headers if name == "content-length"):
        return "the length is no number"
    return ""


def response_of(fields: Fields) -> tuple[int, list[tuple[str, str]], int | None]:
    """Status, headers and length of a response."""
    known = _text(fields)
    status = next((value for name, value in known if name == ":status"), "")
    headers = [(name, value) for name, value in known if not name.startswith(":")]
    return int(status) if status.isdecimal() else 502, headers, _length(headers)


def trailers_of(fields: Fields) -> list[tuple[str, str]]:
    """The fields behind a body."""
    return [(name, value) for name, value in _text(fields) if not name.startswith(":")]


def request_fields(
    method: str, path: str, host: str, headers: Headers, *, length: int | None, trailers: bool, scheme: str = "http"
) -> list[tuple[bytes, bytes]]:
    """A request for a backend; the scheme has to say whether that is spoken to by TLS."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)]
    own = [] if length is None else [("content-length", str(length))]
    return _bytes([*pseudo, *_plain(headers, "host"), *own, *([("te", "trailers")] if trailers else [])])


def response_fields(status: int, headers: Headers, length: int | None) -> list[tuple[bytes, bytes]]:
    """A response's head; `length` None: not known, or not to be said."""
    own = [] if length is None else [("content-length", str(length))]
    return _bytes([(":status", str(status)), *_plain(headers), *own])


def trailer_fields(trailers: Headers) -> list[tuple[bytes, bytes]]:
    """The fields behind a body."""
    return _bytes(_plain(trailers, "host"))


def wants_trailers(headers: Headers) -> bool:
    """`TE: trailers`, without which servers of gRPC refuse to speak."""
    return "trailers" in tokens(headers, "te")


def _plain(headers: Headers, *less: str) -> list[tuple[str, str]]:
    """Lower case, without what frames the message or belongs to a connection of HTTP/1."""
    left_out = {"content-length", "expect", *less}
    return [(low, value.strip()) for name, value in end_to_end(headers) if (low := name.lower()) not in left_out]


def _length(headers: Headers) -> int | None:
    found = next((value for name, value in headers if name == "content-length"), "")
    return int(found) if found.isdecimal() else None


def _text(fields: Fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _bytes(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
