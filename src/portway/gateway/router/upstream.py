"""A connection to a backend in HTTP/1, lent to one exchange at a time."""

import asyncio
from typing import TYPE_CHECKING, Any

import httptools

from portway.gateway.head import Headers, chunk, last_chunk, request_head, tokens
from portway.gateway.router.asked import Answered, Asked, Lost, Response, Target

if TYPE_CHECKING:
    from portway.gateway.router.kept import Kept


class Http1Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, target: Target, kept: "Kept") -> None:
        self.target, self._kept = target, kept
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.used = False
        """Whether it has carried an exchange before the present one."""
        self.since = 0.0
        self.tunnel: asyncio.WriteTransport | None = None
        self._owner: Answered | None = None
        self._asked = Asked("", "", "", ())
        self.response = Response()
        self._trailers: list[tuple[str, str]] = []
        self._in_body = False
        self._parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The backend is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, owner: Answered, asked: Asked) -> None:
        """The next response is for this one."""
        self._owner, self._asked = owner, asked
        self._in_body = False
        self._parser = httptools.HttpResponseParser(self)
        framing = _framing(asked)
        self.transport.write(request_head(asked.method, asked.path, asked.host, asked.headers, framing))

    def send(self, data: bytes) -> None:
        """In a chunk, if the length is not known."""
        self.transport.write(chunk(data) if self._asked.chunked else data)

    def send_end(self, trailers: Headers) -> None:
        """A body of known length ends by itself."""
        if self._asked.chunked:
            self.transport.write(last_chunk(trailers))

    def hold(self, yes: bool) -> None:
        """Read no more, or go on."""
        if not self.transport.is_closing():
            (self.transport.pause_reading if yes else self.transport.resume_reading)()

    def is_slow(self) -> bool:
        """Bytes wait."""
        return self.transport.get_write_buffer_size() > 0

    def release(self, whole: bool) -> None:
        """Keep the connection, if both sides left it as it was."""
        self._owner = self._parser = None
        self.used = True
        if whole and _is_reusable(self.response) and not self.transport.is_closing():
            self._kept.put(self)
        else:
            self.transport.close()

    def abort(self) -> None:
        """Nobody waits any more; what is in a tunnel may still arrive."""
        self._owner = None
        (self.transport.abort if self.tunnel is None else self.transport.close)()

    def data_received(self, data: bytes) -> None:
        """Bytes of a response, or of what goes through a tunnel."""
        if self.tunnel is not None:
            self.tunnel.write(data)
            return
        if self._owner is None:
            self._unasked()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._owner.switched(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._lost(f"its answer is not HTTP/1.1: {error}")

    def eof_received(self) -> bool:
        """The backend sends no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The backend is gone; that is how a response without a length ends."""
        self._kept.forget(self)
        if self.tunnel is not None:
            self.tunnel.close()
        response = self.response
        if self._owner is not None and self._in_body and not response.chunked and response.length is None and not exc:
            self._end()
        else:
            self._lost("it closed the connection")

    def pause_writing(self) -> None:
        """The backend is slow."""
        if self._owner is not None:
            self._owner.upstream_writable(False)

    def resume_writing(self) -> None:
        """The backend has caught up."""
        if self._owner is not None:
            self._owner.upstream_writable(True)

    # what the parser tells

    def on_message_begin(self) -> None:
        """A response, or what goes before it."""
        if self._owner is None:
            self._unasked()
        self.response, self._trailers, self._in_body = Response(), [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or one behind a body."""
        fields = self._trailers if self._in_body else self.response.headers
        fields.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        response, self._in_body = self.response, True
        response.status = self._parser.get_status_code()
        response.old = self._parser.get_http_version() == "1.0"
        response.keep_alive = self._parser.should_keep_alive()
        lengths = [value for name, value in response.headers if name.lower() == "content-length"]
        response.length = int(lengths[0]) if lengths else None
        response.chunked = "chunked" in tokens(response.headers, "transfer-encoding")
        if self._owner is not None:
            self._owner.response_head(response)
        if self._asked.method == "HEAD" and response.status >= 200:
            self._end()

    def on_body(self, data: bytes) -> None:
        """Body."""
        if self._owner is not None:
            self._owner.response_body(data)
        else:
            self._unasked()

    def on_message_complete(self) -> None:
        """The response is whole; 1xx are not the response."""
        self._in_body = False
        if self.response.status >= 200:
            self._end()

    def _end(self) -> None:
        if self._owner is not None:
            self._owner.response_ended(self._trailers)

    def _unasked(self) -> None:
        """A backend that talks by itself: the next client must not take that for its answer."""
        self._kept.forget(self)
        self.transport.abort()

    def _lost(self, reason: str) -> None:
        owner, self._owner = self._owner, None
        if not self.transport.is_closing():
            self.transport.abort()
        if owner is not None:
            owner.upstream_lost(Lost(reason))


def _framing(asked: Asked) -> list[tuple[str, str]]:
    framing: list[tuple[str, str]] = []
    if asked.chunked:
        framing.append(("Transfer-Encoding", "chunked"))
    elif asked.length is not None:
        framing.append(("Content-Length", str(asked.length)))
    if asked.upgrade:
        framing += [("Connection", "Upgrade"), ("Upgrade", asked.upgrade)]
    return framing


def _is_reusable(response: Response) -> bool:
    """Whether it left the connection as it was."""
    return response.keep_alive and (response.chunked or response.length is not None or response.status in (204, 304))
