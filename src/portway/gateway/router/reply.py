"""How an answer goes back in HTTP/1: its head, how its body is delimited, and whether the connection stays."""

import asyncio
from typing import TYPE_CHECKING

from portway.gateway.head import Headers, answer, chunk, last_chunk, response_head
from portway.gateway.router.request import Incoming, Tunnel

if TYPE_CHECKING:
    from portway.gateway.router.incoming import Downstream


class Http1Reply:
    """To one request of a connection. What a turn of the loop writes leaves together: a small answer is one packet."""

    __slots__ = ("_chunking", "_close", "_connection", "_request", "_waiting", "transport")

    def __init__(self, connection: "Downstream", request: Incoming) -> None:
        self._connection, self._request = connection, request
        self.transport: asyncio.Transport = connection.transport
        self._close = not request.keep_alive
        self._chunking = False
        self._waiting: list[bytes] = []

    def interim(self, status: int, headers: Headers) -> None:
        """Clients of HTTP/1.0 know none."""
        if not self._request.old:
            self._write(response_head(status, headers, ()))

    def begin(self, status: int, headers: Headers, length: int | None, ended: bool) -> None:
        """The head, with its framing."""
        bodiless = self._request.method == "HEAD" or status in (204, 304)
        if ended and not bodiless and length is None:
            length = 0
        unknown = not bodiless and length is None
        old = self._request.old
        self._chunking = unknown and not old
        self._close |= (unknown and old) or not self._request.complete
        framing: list[tuple[str, str]] = []
        if length is not None:
            framing.append(("Content-Length", str(length)))
        elif self._chunking:
            framing.append(("Transfer-Encoding", "chunked"))
        if self._close or self._connection.home.draining:
            self._close = True
            framing.append(("Connection", "close"))
        elif old:
            framing.append(("Connection", "keep-alive"))
        self._write(response_head(status, headers, framing))

    def body(self, data: bytes) -> None:
        """A piece of the body."""
        self._write(chunk(data) if self._chunking else data)

    def end(self, trailers: Headers = ()) -> None:
        """The answer is whole."""
        if self._chunking:
            self._write(last_chunk(trailers))

    def answer(self, status: int, text: str, headers: Headers, keep: bool) -> None:
        """A body that nobody read makes the connection useless."""
        self._close |= not keep or not self._request.complete or self._connection.home.draining
        body = self._request.method != "HEAD"
        self._write(answer(status, text, close=self._close, headers=headers, body=body))

    def switch(self, headers: Headers, upgrade: str, rest: bytes, backend: Tunnel) -> None:
        """101, and what came too early goes through first."""
        connection = self._connection
        self._close = True
        framing = [("Connection", "Upgrade"), ("Upgrade", upgrade)]
        self._write(response_head(101, headers, framing) + rest)
        self._flush()
        connection.tunnel, backend.tunnel = backend.transport, self.transport
        if early := connection.let_go():
            backend.transport.write(early)

    def cut(self, code: int) -> None:
        """Its end is the only way to say so."""
        self._close = True
        self._waiting.clear()
        self.transport.abort()

    def pause(self, yes: bool) -> None:
        """Stop reading, or go on."""
        self._connection.pause(yes)

    def within(self, seconds: float) -> None:
        """The connection has no other exchange."""
        self._connection.within(seconds)

    def done(self) -> None:
        """The next request, or the end."""
        self._flush()
        self._connection.done(not self._close)

    def _write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)

    def _flush(self) -> None:
        if self._waiting:
            self.transport.write(b"".join(self._waiting))
            self._waiting.clear()
