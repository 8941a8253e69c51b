"""A connection of a client that speaks HTTP/2: each of its streams is a request."""

import asyncio
from typing import Any

from h2.errors import ErrorCodes
from h2.events import PingAckReceived, RequestReceived

from portway.gateway.fields import request_of, response_fields
from portway.gateway.head import Headers, plain_text
from portway.gateway.router.asked import Lost
from portway.gateway.router.farewell import ALL, CANCEL, ENHANCE_YOUR_CALM, NO_ERROR, REFUSED_STREAM, farewell
from portway.gateway.router.http2 import Http2, Stream
from portway.gateway.router.request import Exchange, Home, Incoming, Tunnel

_PATIENCE = 2.0
"""Seconds that a client has to hear a farewell."""
_MOST_CANCELLED = 500
"""Requests that a client may begin and cancel beyond twice those that it heard out (CVE-2023-44487)."""
_PING = b"farewell"


class Http2Request(Stream):
    """One stream of a client: a request, and the way its answer goes back."""

    def __init__(self, client: "Http2Downstream", number: int, request: Incoming) -> None:
        super().__init__(client, number)
        self._client, self._request = client, request
        self.transport: asyncio.Transport = client.transport
        self.deadline = 0.0
        self._exchange: Exchange | None = None
        self._paused = True
        """Until somebody wants the body."""

    def begin_exchange(self, home: Home) -> None:
        """Have it answered."""
        self.within(home.timings.answer)
        self._exchange = home.answering(self, self._request)
        self._exchange.start()

    # what the client sends

    def data(self, data: bytes) -> None:
        """A piece of the body."""
        self._request.add(data)

    def trailers(self, fields: Headers) -> None:
        """Behind the body."""
        self._request.trailers += fields

    def ended(self) -> None:
        """The request is whole."""
        if not self._request.complete:
            self._request.complete = True
            if self._exchange is not None:
                self._exchange.body_ended()
        super().ended()

    def lost(self, lost: Lost) -> None:
        """Nobody waits for the answer any more."""
        if self._exchange is not None:
            self._exchange.client_lost()

    def writable(self, yes: bool) -> None:
        """Whether the client takes more."""
        if self._exchange is not None:
            self._exchange.writable(yes)

    # what the exchange asks for

    def interim(self, status: int, headers: Headers) -> None:
        """1xx."""
        self.head(response_fields(status, headers, None), ended=False)

    def begin(self, status: int, headers: Headers, length: int | None, ended: bool) -> None:
        """The head."""
        self.head(response_fields(status, headers, length), ended=ended)

    def body(self, data: bytes) -> None:
        """A piece of the body."""
        self.write(data)

    def end(self, trailers: Headers = ()) -> None:
        """The answer is whole."""
        self.finish(trailers)

    def answer(self, status: int, text: str, headers: Headers, keep: bool) -> None:
        """In plain text; other streams do not mind."""
        content = b"" if self._request.method == "HEAD" else text.encode()
        length = len(text.encode()) if text else None
        self.begin(status, [*plain_text(text), *headers], length, not content)
        if content:
            self.write(content)
            self.finish()

    def switch(self, headers: Headers, upgrade: str, rest: bytes, backend: Tunnel) -> None:
        """HTTP/2 has no Upgrade."""
        raise NotImplementedError

    def cut(self, code: int) -> None:
        """The client is told that it will never be whole."""
        self.reset(code)

    def within(self, seconds: float) -> None:
        """Other streams have deadlines of their own."""
        self.deadline = self._client.home.now() + seconds if seconds else 0.0

    def done(self) -> None:
        """The exchange is over: what it has written may still have to be taken."""
        self._exchange = None
        self.within(self._client.home.timings.answer)
        self._let_go()

    def check(self, now: float) -> None:
        """Called now and then."""
        if self.deadline and now >= self.deadline:
            self.deadline = 0.0
            if self._exchange is not None:
                self._exchange.expired()
            else:
                self.reset(CANCEL)

    def pump(self) -> None:
        """Also, when all is written: have no more of a body that nobody reads (RFC 9113 8.1)."""
        super().pump()
        if self._exchange is None:
            self.within(self._client.home.timings.answer)
            self._let_go()

    def _let_go(self) -> None:
        if self._sent and not self._received:
            self.reset(NO_ERROR)


class Http2Downstream(Http2):
    """A client's connection."""

    def __init__(self, home: Home) -> None:
        super().__init__(client_side=False)
        self.home = home
        self.deadline = 0.0
        self._last = ALL
        """The last stream that is served."""
        self._leaving = False
        self._cancelled = self._heard = 0

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        super().connection_made(transport)
        self.home.connections.add(self)
        self._within(self.home.timings.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.home.connections.discard(self)
        super().connection_lost(exc)

    # what it does of itself

    def leave(self) -> None:
        """Take leave without losing a request: streams begin until the client has heard it, and all of them end."""
        if not self._leaving:
            self._leaving = True
            self.say(farewell(ALL, NO_ERROR))
            self.h2.ping(_PING)
            self.flush()
            self._within(_PATIENCE)

    def check(self, now: float) -> None:
        """Called now and then."""
        for stream in list(self.streams.values()):
            assert isinstance(stream, Http2Request)
            stream.check(now)
        if self.deadline and now >= self.deadline:
            self.deadline = 0.0
            if self._leaving:
                self._part()
            elif not self.streams:
                self.leave()

    def broken(self, reason: str) -> None:
        """What was no request has no answer but the reason that h2 gives."""
        self.home.refused(self, 400)
        super().broken(reason)

    # what happens on it

    def opened(self, event: Any) -> None:
        """A request, or an answer to our ping."""
        if isinstance(event, RequestReceived):
            self._asked(event)
        elif isinstance(event, PingAckReceived) and self._leaving:
            self._part()

    def _asked(self, event: RequestReceived) -> None:
        if event.stream_id > self._last:
            self.h2.reset_stream(event.stream_id, ErrorCodes(REFUSED_STREAM))
            return
        request = _incoming(event, self.home.max_head)
        stream = self.streams[event.stream_id] = Http2Request(self, event.stream_id, request)
        self.deadline = 0.0
        if request.complete:
            stream.ended()
        if request.bad is not None:
            stream.answer(request.bad[0], f"{request.bad[1]}\n", (), keep=True)
            self.home.refused(self, request.bad[0])
            stream.done()
        else:
            stream.begin_exchange(self.home)

    def gave_up(self, stream: Stream, lost: Lost) -> None:
        """One stream costs its client nothing and us something: who cancels and cancels has to go."""
        self._cancelled += 1
        super().gave_up(stream, lost)
        if self._cancelled > _MOST_CANCELLED + 2 * self._heard:
            self.say(farewell(self.h2.highest_inbound_stream_id, ENHANCE_YOUR_CALM))
            self.transport.close()

    def forget(self, stream: Stream) -> None:
        """It is over; with the last one, the connection rests or ends."""
        super().forget(stream)
        self._heard += stream.is_whole()
        if not self.streams:
            if self._last != ALL:
                self.flush()
                self.transport.close()
            elif not self._leaving:
                self._within(self.home.timings.idle)

    def _part(self) -> None:
        """Take leave of the streams that may still begin."""
        self._last = self.h2.highest_inbound_stream_id
        self.say(farewell(self._last, NO_ERROR))
        if not self.streams:
            self.transport.close()

    def _within(self, seconds: float) -> None:
        self.deadline = self.home.now() + seconds


def _incoming(event: RequestReceived, max_head: int) -> Incoming:
    head = request_of(event.headers)
    request = Incoming()
    request.method, request.target, request.host = head.method, head.target, head.host
    request.headers, request.length = head.headers, head.length
    request.complete = event.stream_ended is not None
    request.chunked = not request.complete and head.length is None
    if request.complete and head.length is None and head.method in ("POST", "PUT", "PATCH"):
        request.length = 0
    request.expects = any(name == "expect" and value.lower() == "100-continue" for name, value in head.headers)
    if head.bad:
        request.bad = 400, head.bad
    elif sum(len(name) + len(value) for name, value in event.headers) > max_head:
        request.bad = 431, "the request's head is too large"
    return request
