"""A connection of a client that speaks HTTP/1: bytes to requests, one answered after the other."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import httptools

from portway.gateway.fields import HOST
from portway.gateway.head import answer, origin_form, tokens
from portway.gateway.router.reply import Http1Reply
from portway.gateway.router.request import Exchange, Home, Incoming

_MAX_QUEUED = 8
"""Requests of a client that does not wait for answers, before we stop reading."""

_TOO_LARGE = "the request's head is too large"


class Downstream(asyncio.Protocol):
    """A client's connection."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.deadline = 0.0
        self.exchange: Exchange | None = None
        self.tunnel: asyncio.WriteTransport | None = None
        self._rest = b""
        self._holding = False
        """A request asks for another protocol: what comes behind it waits for the answer."""
        self._queue: deque[Incoming] = deque()
        self._current = Incoming()
        self._head = 0
        """Bytes of the head that is being read; 0: none is."""
        self._in_body = self._ending = self._paused = False
        self._resuming = False
        """The parser is told of a body that it has taken for another protocol."""
        self._parser: Any = httptools.HttpRequestParser(self)

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.home.connections.add(self)
        self._within(self.home.timings.head)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests, or of what goes through a tunnel."""
        if self.tunnel is not None:
            self.deadline = self.home.now() + self.home.timings.tunnel
            self.tunnel.write(data)
        elif self._holding:
            self._rest += data
            self.pause(len(self._rest) > 1 << 16)
        elif not self._ending:
            self._read(data)

    def eof_received(self) -> bool:
        """The client sends no more, but may still read."""
        waits = self.exchange is not None and not self._ending and not self._in_body
        return waits and self.tunnel is None and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.home.connections.discard(self)
        self._queue.clear()
        if self.tunnel is not None:
            self.tunnel.close()
        if self.exchange is not None:
            self.exchange.client_lost()

    def pause_writing(self) -> None:
        """The client is slow."""
        if self.exchange is not None:
            self.exchange.writable(False)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.exchange is not None:
            self.exchange.writable(True)

    # what the parser tells

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._resuming:
            return
        self._current = Incoming()
        self._head = max(self._head, 1)
        if self.exchange is None:
            self._within(self.home.timings.head)

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if not self._resuming:
            self._current.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or one behind a body."""
        if self._resuming:
            return
        fields = self._current.trailers if self._in_body else self._current.headers
        fields.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._resuming:
            return
        self._head = 0
        request = self._current
        request.method = self._parser.get_method().decode("latin-1")
        request.old = self._parser.get_http_version() == "1.0"
        request.keep_alive = self._parser.should_keep_alive()
        _understand(request)
        if len(request.target) + sum(len(key) + len(value) for key, value in request.headers) > self.home.max_head:
            request.bad = 431, _TOO_LARGE
        self._in_body = True
        self._queue.append(request)
        if request.has_body:
            self.pause(True)

    def on_body(self, data: bytes) -> None:
        """Body."""
        self._current.add(data)

    def on_message_complete(self) -> None:
        """The request is whole, but for a body that llhttp leaves to the protocol that is offered."""
        if self._parser.should_upgrade() and self._current.has_body:
            return
        self._in_body = False
        self._current.complete = True
        if self.exchange is not None and not self._queue:
            self.exchange.body_ended()
        if len(self._queue) >= _MAX_QUEUED:
            self.pause(True)

    # what replies ask for

    def pause(self, yes: bool) -> None:
        """Stop reading, or go on."""
        if yes != self._paused and not self.transport.is_closing():
            self._paused = yes
            (self.transport.pause_reading if yes else self.transport.resume_reading)()

    def within(self, seconds: float) -> None:
        """Its exchange has so long from now on; 0: as long as it likes."""
        self._within(seconds)

    def done(self, keep: bool) -> None:
        """The answer is written: the next request, or the end."""
        self.exchange = None
        if not keep or self.home.draining or (self._ending and not self._queue):
            self.end()
            return
        self.pause(False)
        self._within(self.home.timings.head if self._head else self.home.timings.idle)
        if rest := self.let_go():
            self._read(rest)
        else:
            self._next()

    def let_go(self) -> bytes:
        """Hold nothing back any more: what was."""
        rest, self._rest, self._holding = self._rest, b"", False
        return rest

    def end(self) -> None:
        """Close so that the client still gets what was written: it may be sending, which would reset the connection."""
        self._ending = True
        self._queue.clear()
        if self.transport.is_closing():
            return
        if not (self._in_body or self._paused) or not self.transport.can_write_eof():
            self.transport.close()
            return
        with suppress(OSError):  # a reset came first: there is nobody to tell
            self.transport.write_eof()
        self.pause(False)
        self._within(2.0)

    # within

    def _within(self, seconds: float) -> None:
        self.deadline = self.home.now() + seconds if seconds else 0.0

    def check(self, now: float) -> None:
        """Called now and then."""
        if not self.deadline or now < self.deadline:
            return
        self.deadline = 0.0
        if self.exchange is not None:
            self.exchange.expired()
        elif self._head:
            self._refuse(408, "the request's head took too long")
        else:
            self.transport.close()

    def leave(self) -> None:
        """The engine stops: answers from now on say that they are the last; who is idle may be asking just now."""
        if self.exchange is None and not self._queue and self.tunnel is None and not self._head:
            self._within(min(self.home.timings.last_chance, self.home.timings.idle))

    def _read(self, data: bytes) -> None:
        if self._head:
            self._head += len(data)
        elif not self._in_body:
            self._head = len(data)
        try:
            while data:
                data = self._parsed(data)
        except httptools.HttpParserError as error:
            self._refuse(400, f"not HTTP/1.1: {error}")
        if self._head > self.home.max_head:
            self._refuse(431, _TOO_LARGE)
        self._next()

    def _parsed(self, data: bytes) -> bytes:
        """What is left when a request offers another protocol. With a body it stays one of HTTP: that comes first."""
        try:
            self._parser.feed_data(data)
            return b""
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        self._parser = httptools.HttpRequestParser(self)
        if not self._current.has_body:
            self._rest, self._holding = rest, True
            return b""
        self._resuming = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % _framing(self._current))
        self._resuming = False
        return rest

    def _refuse(self, status: int, text: str) -> None:
        if self._in_body and self._current not in self._queue:  # no telling what an answer would be to
            self.transport.abort()
            return
        if not self._in_body:
            self._current = Incoming()
            self._queue.append(self._current)
        self._current.bad = status, text
        self._in_body, self._head = False, 0
        self._ending = True
        if self.exchange is None:
            self._next()

    def _next(self) -> None:
        if self.exchange is not None or not self._queue:
            return
        request = self._queue.popleft()
        if request.bad is not None:
            self.transport.write(answer(*_line(request.bad), close=True))
            self.home.refused(self, request.bad[0])
            self.end()
            return
        if not request.has_body and len(self._queue) < _MAX_QUEUED:
            self.pause(False)
        self.exchange = self.home.answering(Http1Reply(self, request), request)
        self._within(self.home.timings.answer)
        self.exchange.start()


def _framing(request: Incoming) -> bytes:
    return b"Transfer-Encoding: chunked" if request.chunked else b"Content-Length: %d" % (request.length or 0)


def _line(bad: tuple[int, str]) -> tuple[int, str]:
    return bad[0], f"{bad[1]}\n"


def _understand(request: Incoming) -> None:
    """Read what the head says of host and body. What llhttp lets through and others may read otherwise is refused."""
    fields = [(name.lower(), value) for name, value in request.headers]
    hosts = [value for name, value in fields if name == "host"]
    codings = [value.strip().lower() for name, value in fields if name == "transfer-encoding"]
    request.target, request.host = origin_form(request.target, hosts[0] if hosts else "")
    lengths = [value for name, value in fields if name == "content-length"]
    request.length = int(lengths[0]) if lengths else None
    request.chunked = bool(codings)
    request.expects = any(name == "expect" and value.lower() == "100-continue" for name, value in fields)
    upgrade = tokens(request.headers, "upgrade") if "upgrade" in tokens(request.headers, "connection") else frozenset()
    request.upgrade = next((word for word in sorted(upgrade) if word not in ("h2c", "http/2.0")), "")
    if request.has_body:
        request.upgrade = ""
    if request.method == "CONNECT":
        request.bad = 400, "this method is not served"
    elif "#" in request.target:
        request.bad = 400, "a target has no fragment"
    elif len(hosts) > 1 or (not hosts and not request.old) or not HOST.fullmatch(request.host):
        request.bad = 400, "there must be one Host"
    elif codings and (codings != ["chunked"] or request.old):
        request.bad = 400, "the only Transfer-Encoding is chunked"
