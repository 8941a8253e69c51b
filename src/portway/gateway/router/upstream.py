"""Connections to backends: made, kept, lent to one exchange at a time."""

import asyncio
import ssl
from collections.abc import Callable, Container
from typing import Any, Protocol

import httptools

from portway.gateway.head import tokens

Target = tuple[str, int, bool]
"""Address, port, whether by TLS."""


class Answered(Protocol):
    """Who waits for a response."""

    def response_head(self, response: "Response") -> None:
        """The head is whole; also of 1xx."""

    def response_body(self, data: bytes) -> None:
        """Body."""

    def response_ended(self) -> None:
        """The response is whole."""

    def upstream_lost(self, reason: str) -> None:
        """The connection ended before the response did."""

    def switched(self, rest: bytes) -> None:
        """101: from now on bytes of another protocol, these first."""

    def upstream_writable(self, yes: bool) -> None:
        """Whether the backend takes more."""


class Response:
    """A response's head."""

    __slots__ = ("chunked", "headers", "keep_alive", "length", "old", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.length: int | None = None
        self.chunked = self.keep_alive = self.old = False


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, target: Target, kept: "Kept") -> None:
        self.target, self._kept = target, kept
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.used = False
        """Whether it has carried an exchange before the present one."""
        self.since = 0.0
        self.tunnel: asyncio.WriteTransport | None = None
        self._owner: Answered | None = None
        self._bodiless = False
        self.response = Response()
        self._in_body = False
        self._parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The backend is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def lend(self, owner: Answered, bodiless: bool) -> None:
        """The next response is for this one; `bodiless`: the request is HEAD."""
        self._owner, self._bodiless = owner, bodiless
        self._in_body = False
        self._parser = httptools.HttpResponseParser(self)

    def release(self, reusable: bool) -> None:
        """The exchange is over."""
        self._owner = self._parser = None
        self.used = True
        if reusable and not self.transport.is_closing():
            self._kept.put(self)
        else:
            self.transport.close()

    def abort(self) -> None:
        """Nobody waits any more."""
        self._owner = None
        self.transport.abort()

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
        self.response, self._in_body = Response(), False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; those behind a body are left out."""
        if not self._in_body:
            self.response.headers.append((name.decode("latin-1"), value.decode("latin-1")))

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
        if self._bodiless and response.status >= 200:
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
            self._owner.response_ended()

    def _unasked(self) -> None:
        """A backend that talks by itself: the next client must not take that for its answer."""
        self._kept.forget(self)
        self.transport.abort()

    def _lost(self, reason: str) -> None:
        owner, self._owner = self._owner, None
        if not self.transport.is_closing():
            self.transport.abort()
        if owner is not None:
            owner.upstream_lost(reason)


class Kept:
    """Idle connections by target, the one that was used last first."""

    def __init__(self, clock: Callable[[], float], connect_seconds: float, kept_seconds: float) -> None:
        self._clock, self._connect_seconds, self._kept_seconds = clock, connect_seconds, kept_seconds
        self._idle: dict[Target, list[Upstream]] = {}
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False  # as `appProtocol: https` alone says nothing of whom to trust
        self._tls.verify_mode = ssl.CERT_NONE

    def idle(self, target: Target) -> Upstream | None:
        """One that is here."""
        here = self._idle.get(target)
        while here:
            found = here.pop()
            if not found.transport.is_closing():
                return found
        return None

    async def connect(self, target: Target, name: str) -> Upstream:
        """A new one. Raises OSError (TimeoutError is one)."""
        address, port, tls = target
        made = Upstream(target, self)
        async with asyncio.timeout(self._connect_seconds):
            await asyncio.get_running_loop().create_connection(
                lambda: made, address, port, ssl=self._tls if tls else None, server_hostname=name if tls else None
            )
        return made

    def put(self, upstream: Upstream) -> None:
        """Keep it for a while."""
        upstream.since = self._clock()
        self._idle.setdefault(upstream.target, []).append(upstream)

    def forget(self, upstream: Upstream) -> None:
        """It is closed."""
        here = self._idle.get(upstream.target)
        if here and upstream in here:
            here.remove(upstream)

    def only(self, endpoints: Container[tuple[str, int]]) -> None:
        """Close what goes to others."""
        for target, here in self._idle.items():
            if target[:2] not in endpoints:
                for one in here:
                    one.transport.close()

    def sweep(self, now: float) -> None:
        """Close what has been idle for long."""
        for target, here in list(self._idle.items()):
            for one in [one for one in here if now - one.since > self._kept_seconds]:
                one.transport.close()
                here.remove(one)
            if not here:
                del self._idle[target]

    def close(self) -> None:
        """Close all."""
        for here in self._idle.values():
            for one in here:
                one.transport.close()
        self._idle.clear()
