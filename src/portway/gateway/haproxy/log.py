"""What HAProxy tells of requests and connections: lines of JSON over a Unix socket, made what every engine tells."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from portway.gateway.engine import Carried, Report, Served, Told
from portway.gateway.haproxy.identity import hand
from portway.routing.haproxy import Rendered

log = logging.getLogger(__name__)

_BUFFER = 8 << 20
"""Bytes of lines that may wait for us; HAProxy drops what is more, and counts it."""

_LONGEST = 1 << 16
"""Bytes of a line; it is cut off before."""

_NOBODY = "<NOSRV>"
"""A server's name where there is none."""

Failed = Callable[[tuple[str, int]], bool]
"""Whether the last connection that was made for HAProxy to an address was given up for its TLS."""

_MOST_NAMES = 100_000
"""Of old tables."""


class Line(Struct, kw_only=True, tag_field="kind"):
    """As the frontends' log-formats have it."""

    at: float
    took: int
    """Milliseconds; -1 for what was no request."""
    client: str
    port: int
    address: str
    target: str
    section: str
    server: str
    end: str
    """Who ended it, and when: HAProxy's termination state."""
    tls: str
    """The error of a backend's TLS."""
    listener: str
    known: str
    """The virtual host."""
    from_: int = msgspec.field(name="from")
    in_: int = msgspec.field(name="in")
    out: int = 0


class RequestLine(Line, kw_only=True, tag="request"):
    """Of a request."""

    status: int
    method: str
    host: str
    path: str


class ConnectionLine(Line, kw_only=True, tag="connection"):
    """Of a connection of which no requests were read."""

    name: str


_decode = msgspec.json.Decoder(RequestLine | ConnectionLine).decode


class LogSocket(asyncio.DatagramProtocol):
    """Reads lines and reports them. `learn` tells what names in them mean; old ones stay known for late lines."""

    def __init__(self, report: Report, has_failed: Failed = lambda _: False) -> None:
        self._report, self._has_failed = report, has_failed
        self._routes: dict[str, str] = {}
        self._pools: dict[str, str] = {}
        self._entries: dict[str, str] = {}
        self._transport: asyncio.BaseTransport | None = None
        self._socket: socket.socket | None = None

    async def open(self, path: Path, writer: int) -> None:
        """`writer`: the user who may write, besides root; 0: whoever we are. Raises OSError."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind(str(path))
        hand(path, writer)
        with suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.setblocking(False)
        self._socket, loop = listening, asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=listening)

    def learn(self, rendered: Rendered) -> None:
        """From now on, lines may name these."""
        if len(self._routes) > _MOST_NAMES:
            self._routes, self._pools = {}, {}
        self._routes |= rendered.routes
        self._pools |= {name: section.pool for name, section in rendered.sections.items()}
        self._entries |= rendered.entries

    def close(self) -> None:
        """Read what is there, and no more."""
        if self._transport is None or self._socket is None:
            return
        with suppress(OSError):  # there is nothing more
            while True:
                self.datagram_received(self._socket.recv(_LONGEST), None)
        self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A line."""
        try:
            line = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.debug("HAProxy wrote %r: %s", data, error)
            return
        told = self._told(line)
        if told.backend is not None and _is_distrusted(line, told.backend, self._has_failed):
            told = replace(told, code="BACKEND_TLS_FAILED")
        self._report(told)

    def _told(self, line: RequestLine | ConnectionLine) -> Told:
        """A dash is HAProxy's word for nothing."""
        address, _, port = line.server.rpartition("_")
        pool = self._pools.get(line.section, "")
        shared = {
            "started": line.at,
            "seconds": max(0, line.took) / 1000,
            "client": (line.client, line.from_),
            "frontend": (line.address, line.port),
            "entry": self._entries.get(line.listener, next(iter(self._entries.values()), "")),
            "route": self._routes.get(line.target, ""),
            "pool": pool,
            "backend": (address, int(port)) if address and port.isdecimal() else None,
            "bytes_in": line.in_,
            "bytes_out": line.out,
        }
        return _carried(line, pool, shared) if isinstance(line, ConnectionLine) else _served(line, pool, shared)


def _served(line: RequestLine, pool: str, shared: dict[str, Any]) -> Served:
    served = Served(
        method=_known(line.method),
        host=_known(line.host),
        path=_known(line.path),
        status=max(0, line.status),
        code=_code(line, pool),
        **shared,
    )
    return replace(served, route="") if _is_misdirected(line) else served


def _carried(line: ConnectionLine, pool: str, shared: dict[str, Any]) -> Carried:
    return Carried(name=_known(line.name), code=_fate(line, pool), **shared)


def _fate(line: ConnectionLine, pool: str) -> str:
    if line.known == "-":
        return "NO_HOST"
    if line.server != _NOBODY:
        return "BACKEND_UNREACHABLE" if line.end.upper() == _NOT_CONNECTED else "ROUTED"
    return "NO_ENDPOINTS" if pool else "BACKEND_INVALID"


_NOT_CONNECTED = "SC"
"""A termination state: refused by the server, or in lower case not reached in time."""


def _is_misdirected(line: RequestLine) -> bool:
    """Answered 421 and no backend asked: so it was the door that said it, whatever route it had thought of before."""
    return line.status == 421 and line.server == _NOBODY


def _is_distrusted(line: Line, backend: tuple[str, int], has_failed: Failed) -> bool:
    """No answer came, and TLS was why: HAProxy's own, or that of who went there for it."""
    return line.end.startswith("S") and (line.tls not in ("-", "0") or has_failed(backend))


def _code(line: RequestLine, pool: str) -> str:
    """What `decide` would have said, from what is left of it."""
    if line.method == "-":
        return "BAD_REQUEST"
    if _is_misdirected(line):
        return "MISDIRECTED"
    if line.known == "-":
        return "NO_HOST"
    if line.target == "-":
        return "NO_ROUTE"
    if line.server != _NOBODY:
        return "ROUTED"
    if line.status in _OWN:
        return _OWN[line.status]
    if pool:
        return "NO_ENDPOINTS"
    return "REDIRECTED" if 300 <= line.status < 400 else "BACKEND_INVALID"


_OWN = {204: "PREFLIGHT", 403: "ORIGIN_REFUSED", 413: "BODY_TOO_LARGE"}
"""What the door answers for one reason only."""


def _known(text: str) -> str:
    return "" if text == "-" else text
