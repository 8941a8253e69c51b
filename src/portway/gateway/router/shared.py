"""Connections to backends in HTTP/2: many requests at once on each."""

import asyncio
from collections.abc import Awaitable, Callable, Container
from typing import Any

from h2.events import InformationalResponseReceived, ResponseReceived

from portway.gateway.fields import request_fields, response_of
from portway.gateway.head import Headers
from portway.gateway.router.asked import Answered, Asked, Lost, Response, Target
from portway.gateway.router.farewell import ALL, CANCEL, NO_ERROR, REFUSED_STREAM, Farewell
from portway.gateway.router.http2 import Http2, Stream

Connected = Callable[[asyncio.Protocol, Target, str], Awaitable[None]]
"""Connects a protocol; raises OSError."""

_UNTOUCHED = Lost("it ended the connection", REFUSED_STREAM, unprocessed=True)


class Http2Upstream(Stream):
    """One request at a backend."""

    def __init__(self, backend: "Http2Backend", number: int, used: bool) -> None:
        super().__init__(backend, number)
        self.used = used
        self._scheme = "https" if backend.target.secure else "http"
        self._owner: Answered | None = None
        self._trailers: list[tuple[str, str]] = []

    def ask(self, owner: Answered, asked: Asked) -> None:
        """Send the head."""
        self._owner = owner
        fields = request_fields(
            asked.method,
            asked.path,
            asked.host,
            asked.headers,
            length=asked.length,
            trailers=asked.trailers,
            scheme=self._scheme,
        )
        if not self.head(fields, ended=not asked.has_body):
            self.wire.drop(self, _UNTOUCHED)

    def send(self, data: bytes) -> None:
        """A piece of the body."""
        self.write(data)

    def send_end(self, trailers: Headers) -> None:
        """The body is whole."""
        self.finish(trailers)

    def hold(self, yes: bool) -> None:
        """Let the backend's window close, or open it."""
        self.pause(yes)

    def release(self, whole: bool) -> None:
        """Who has answered needs no more of the request (RFC 9113 8.1)."""
        self._owner = None
        self.reset(NO_ERROR if whole else CANCEL)

    def abort(self) -> None:
        """Nobody waits any more."""
        self._owner = None
        self.reset(CANCEL)

    # what the backend sends

    def responded(self, event: ResponseReceived | InformationalResponseReceived) -> None:
        """A head."""
        response = Response()
        response.status, response.headers, response.length = response_of(event.headers)
        response.ended = isinstance(event, ResponseReceived) and event.stream_ended is not None
        if self._owner is not None:
            self._owner.response_head(response)

    def data(self, data: bytes) -> None:
        """A piece of the body."""
        if self._owner is not None:
            self._owner.response_body(data)

    def trailers(self, fields: Headers) -> None:
        """Behind the body."""
        self._trailers += fields

    def ended(self) -> None:
        """The response is whole."""
        super().ended()
        if self._owner is not None:
            self._owner.response_ended(self._trailers)

    def lost(self, lost: Lost) -> None:
        """There will be no answer, or no end of it."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.upstream_lost(lost)

    def writable(self, yes: bool) -> None:
        """Whether the backend takes more."""
        if self._owner is not None:
            self._owner.upstream_writable(yes)


class Http2Backend(Http2):
    """One connection."""

    def __init__(self, target: Target, clock: Callable[[], float], gone: Callable[["Http2Backend"], None]) -> None:
        super().__init__(client_side=True)
        self.target, self._clock, self._gone = target, clock, gone
        self.since = 0.0
        """When its last stream ended."""
        self._next = 1
        """The number of the next stream."""
        self._last = ALL
        """The last stream that the backend will look at."""
        self._retired = False

    def has_room(self) -> bool:
        """Whether another stream may begin."""
        most = self.h2.remote_settings.max_concurrent_streams
        there = not self._retired and not self.transport.is_closing() and self._next < ALL
        return there and len(self.streams) < most

    def lend(self) -> Http2Upstream:
        """A stream, which begins when it is asked."""
        stream = Http2Upstream(self, self._next, used=self._next > 1)
        self.streams[self._next] = stream
        self._next += 2
        return stream

    def retire(self) -> None:
        """Begin no more streams, and end with the last one."""
        self._retired = True
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is of no more use."""
        self._retired = True
        self._gone(self)
        super().connection_lost(exc)

    def opened(self, event: Any) -> None:
        """The head of a response."""
        if isinstance(event, ResponseReceived | InformationalResponseReceived):
            stream = self.streams.get(event.stream_id)
            if isinstance(stream, Http2Upstream):
                stream.responded(event)

    def farewell(self, said: Farewell) -> None:
        """The backend takes leave: what it has not looked at goes elsewhere, the rest ends here."""
        self._last, self._retired = min(said.last, self._last), True
        self._gone(self)
        for number, stream in list(self.streams.items()):
            if number > self._last:
                self.drop(stream, _UNTOUCHED)
        self._rest()

    def forget(self, stream: Stream) -> None:
        """It is over."""
        super().forget(stream)
        self.since = self._clock()
        self._rest()

    def _rest(self) -> None:
        if self._retired and not self.streams and not self.transport.is_closing():
            self.flush()
            self.transport.close()


class Shared:
    """Connections by target; one is made when the others are full."""

    def __init__(self, clock: Callable[[], float], connected: Connected, kept_seconds: float) -> None:
        self._clock, self._connected, self._kept_seconds = clock, connected, kept_seconds
        self._open: dict[Target, list[Http2Backend]] = {}
        self._opening: dict[Target, asyncio.Task[Http2Backend]] = {}

    def ready(self, target: Target) -> Http2Upstream | None:
        """A stream of a connection that is here."""
        found = next((one for one in self._open.get(target, ()) if one.has_room()), None)
        return found.lend() if found is not None else None

    async def connect(self, target: Target, name: str) -> Http2Upstream:
        """A stream of a new connection, which others who ask meanwhile share. Raises OSError."""
        opening = self._opening.get(target)
        if opening is None:
            opening = asyncio.get_running_loop().create_task(self._connect(target, name))
            self._opening[target] = opening
            opening.add_done_callback(self._opened)
        backend = await asyncio.shield(opening)
        return backend.lend() if backend.has_room() else (await self._connect(target, name)).lend()

    def _opened(self, task: asyncio.Task[Http2Backend]) -> None:
        """Who asked may have gone meanwhile: then nobody hears of a failure."""
        self._opening = {target: other for target, other in self._opening.items() if other is not task}
        if not task.cancelled():
            task.exception()

    async def _connect(self, target: Target, name: str) -> Http2Backend:
        made = Http2Backend(target, self._clock, self._forget)
        await self._connected(made, target, name)
        made.since = self._clock()
        self._open.setdefault(target, []).append(made)
        return made

    def _forget(self, backend: Http2Backend) -> None:
        here = self._open.get(backend.target, [])
        if backend in here:
            here.remove(backend)
            if not here:
                del self._open[backend.target]

    def _all(self) -> list[Http2Backend]:
        return [one for here in self._open.values() for one in here]

    def only(self, endpoints: Container[tuple[str, int]]) -> None:
        """Take leave of others."""
        for one in self._all():
            if one.target[:2] not in endpoints:
                self._forget(one)
                one.retire()

    def sweep(self, now: float) -> None:
        """Close what has been idle for long."""
        for one in self._all():
            if not one.streams and now - one.since > self._kept_seconds:
                self._forget(one)
                one.retire()

    def close(self) -> None:
        """Close all."""
        for one in self._all():
            one.transport.close()
