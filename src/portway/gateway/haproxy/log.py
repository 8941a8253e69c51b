"""What HAProxy tells of each request: lines of JSON over a Unix socket, made what every engine tells."""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from portway.gateway.engine import Report, Served
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


class Line(Struct):
    """As the frontends' log-format has it."""

    at: float
    took: int
    """Milliseconds; -1 for what was no request."""
    client: str
    port: int
    address: str
    status: int
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
    method: str
    host: str
    path: str
    from_: int = msgspec.field(name="from")
    in_: int = msgspec.field(name="in")
    out: int = 0


_decode = msgspec.json.Decoder(Line).decode


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
        served = _served(line, self._routes, self._pools, self._entries)
        if served.backend is not None and _is_distrusted(line, served.backend, self._has_failed):
            served = replace(served, code="BACKEND_TLS_FAILED")
        self._report(served)


def _served(line: Line, routes: Mapping[str, str], pools: Mapping[str, str], entries: Mapping[str, str]) -> Served:
    """A dash is HAProxy's word for nothing."""
    address, _, port = line.server.rpartition("_")
    return Served(
        started=line.at,
        seconds=max(0, line.took) / 1000,
        client=(line.client, line.from_),
        frontend=(line.address, line.port),
        entry=entries.get(line.listener, next(iter(entries.values()), "")),
        method=_known(line.method),
        host=_known(line.host),
        path=_known(line.path),
        status=max(0, line.status),
        code=_code(line, pools.get(line.section, "")),
        route="" if _is_misdirected(line) else routes.get(line.target, ""),
        pool=pools.get(line.section, ""),
        backend=(address, int(port)) if address and port.isdecimal() else None,
        bytes_in=line.in_,
        bytes_out=line.out,
    )


def _is_misdirected(line: Line) -> bool:
    """Answered 421 and no backend asked: so it was the door that said it, whatever route it had thought of before."""
    return line.status == 421 and line.server == _NOBODY


def _is_distrusted(line: Line, backend: tuple[str, int], has_failed: Failed) -> bool:
    """No answer came, and TLS was why: HAProxy's own, or that of who went there for it."""
    return line.end.startswith("S") and (line.tls not in ("-", "0") or has_failed(backend))


def _code(line: Line, pool: str) -> str:
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
