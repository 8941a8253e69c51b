"""Heads of HTTP/1.1 messages: what a proxy takes out, puts in and passes on. Pure.

Source: RFC 9110 7.6.1 (fields that belong to one connection), RFC 9112 6 (framing).
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

Headers = Sequence[tuple[str, str]]

HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("proxy-authenticate", "proxy"),  # the latter is HTTP_PROXY to a CGI program
    )
)
_FORWARDED = frozenset(("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"))
_OURS = frozenset(("host", "expect", "content-length", "connection", "transfer-encoding", "upgrade"))
"""Written by us, whatever an edit says: they frame the message."""
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def tokens(headers: Headers, name: str) -> frozenset[str]:
    """The comma-separated words of all fields of this (lower-case) name, in lower case."""
    values = [value for key, value in headers if key.lower() == name]
    if not values:  # nearly always, and several times a request
        return frozenset()
    return frozenset(word.strip().lower() for word in ",".join(values).split(",")) - {""}


def end_to_end(headers: Headers) -> list[tuple[str, str]]:
    """Without what belongs to the connection: the known fields, and those that Connection names."""
    named = tokens(headers, "connection")
    return [(k, v) for k, v in headers if (low := k.lower()) not in HOP_BY_HOP and low not in named]


def forwarded(headers: Headers, client: str, scheme: str, host: str, port: int) -> list[tuple[str, str]]:
    """With X-Forwarded-*. What the client claimed is replaced: this door is the first one that can be trusted.

    Programs that are told by the environment (CGI, WSGI) do not tell `_` from `-`.
    """
    kept = [(key, value) for key, value in headers if key.lower().replace("_", "-") not in _FORWARDED]
    ours = [
        ("X-Forwarded-For", client),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Port", str(port)),
    ]
    return kept + ours


def request_head(method: str, path: str, host: str, headers: Headers, framing: Iterable[tuple[str, str]]) -> bytes:
    """The head that a backend gets; `framing` are the fields that say how the body is delimited."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{key}: {value}" for key, value in headers if key.lower() not in _OURS]
    lines += [f"{key}: {value}" for key, value in framing]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def response_head(status: int, headers: Headers, framing: Iterable[tuple[str, str]]) -> bytes:
    """The head that the client gets."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{key}: {value}" for key, value in headers if key.lower() not in _OURS]
    lines += [f"{key}: {value}" for key, value in framing]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(status: int, text: str, *, close: bool, headers: Headers = (), body: bool = True) -> bytes:
    """An answer of the door's own, in plain text, if there is any; `body` False: to HEAD."""
    content = text.encode()
    framing = [("Content-Length", str(len(content)))] if content else []
    framing += [("Connection", "close")] if close else []
    return response_head(status, [*plain_text(text), *headers], framing) + (content if body else b"")


def plain_text(text: str) -> Headers:
    """What says so of an answer of the door's own; of an empty one there is nothing to say."""
    return [("content-type", "text/plain; charset=utf-8")] if text else []


def chunk(data: bytes) -> bytes:
    """One chunk of a body of unknown length."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Headers = ()) -> bytes:
    """The end of a body in chunks, with the fields behind it."""
    lines = "".join(f"{key}: {value}\r\n" for key, value in end_to_end(trailers) if key.lower() not in _OURS)
    return b"0\r\n" + lines.encode("latin-1") + b"\r\n"


def origin_form(target: str, host: str) -> tuple[str, str]:
    """(target, host) of a request line: one in absolute form names its host itself (RFC 9112 3.2.2)."""
    scheme, mark, rest = target.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return target, host
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    path = rest[cut:]
    return (path if path.startswith("/") else "/" + path), rest[:cut]
