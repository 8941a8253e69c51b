"""Just enough of HTTP/1 (RFC 9112) to answer a request: where it ends, and what it said. No I/O."""

from msgspec import Struct

_METHODS = tuple(
    f"{m} ".encode() for m in ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)


class Request(Struct, frozen=True):
    """One whole request."""

    method: str
    path: str
    headers: dict[str, str]
    """By name in lower case; repeated ones joined by ", "."""
    keep_alive: bool
    length: int
    """How many bytes it takes, body included."""


def looks_like_http(data: bytes) -> bool:
    """Whether `data`, perhaps cut short, begins with a method."""
    return any(data.startswith(method) or method.startswith(data) for method in _METHODS)


def parse(data: bytes) -> Request | None:
    """The request at the beginning of `data`; None while it is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    headers = _headers(lines)
    length = _body_end(data, end + 4, headers)
    if length is None:
        return None
    method, path, version = (*first.split(" "), "", "", "")[:3]
    connection = headers.get("connection", "").lower()
    keep_alive = "keep-alive" in connection if version == "HTTP/1.0" else "close" not in connection
    return Request(method, path, headers, keep_alive, length)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body_end(data: bytes, start: int, headers: dict[str, str]) -> int | None:
    """The index after the body that begins at `start`; None while it is incomplete."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunks_end(data, start)
    text = headers.get("content-length", "0")
    end = start + (int(text) if text.isascii() and text.isdigit() else 0)
    return end if len(data) >= end else None


def _chunks_end(data: bytes, start: int) -> int | None:
    position = start
    while (line_end := data.find(b"\r\n", position)) >= 0:
        try:
            size = int(data[position:line_end].partition(b";")[0], 16)
        except ValueError:
            return len(data)
        position = line_end + 2 + size + 2
        if len(data) < position:
            return None
        if size == 0:
            return position
    return None
