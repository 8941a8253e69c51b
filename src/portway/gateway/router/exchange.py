"""One request and its answer: decide, choose a backend, pass on both ways."""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from portway.gateway.engine import Door, Served
from portway.gateway.fields import wants_trailers
from portway.gateway.head import Headers, end_to_end, forwarded
from portway.gateway.router.asked import Asked, Lost, Response, Target, Upstream, target
from portway.gateway.router.farewell import INTERNAL_ERROR
from portway.gateway.router.kept import Kept
from portway.gateway.router.mirror import Mirror
from portway.gateway.router.request import Incoming, Reply, ends
from portway.gateway.router.upstream import Http1Upstream
from portway.routing import backend_code, backend_status, decide, edited_headers, is_copied, pick, told_headers
from portway.routing.answers import answer_text
from portway.routing.decide import NO_CONTENT
from portway.routing.table import (
    Decision,
    Endpoint,
    HeaderEdit,
    Listener,
    Pool,
    Request,
    Route,
    RouteTable,
    WeightedBackend,
)

log = logging.getLogger(__name__)

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_STALE = "stale"
_MOST_REPEATED = 1 << 16
"""Bytes of a body that are remembered until the backend begins to answer: it may turn the request away untouched."""


class House(Protocol):
    """What an exchange needs of its engine."""

    door: Door
    table: RouteTable
    kept: Kept

    def listener(self, transport: asyncio.Transport, port: int, host: str) -> tuple[Listener | None, str]:
        """Who takes a request for this host on this connection, with as many hosts as may matter; else why nobody.

        `port`: the door's own, which the transport of one that is just being lost does not know any more.
        """

    def request_id(self) -> str:
        """A new one."""

    def endpoints(self, key: str, pool: Pool) -> Iterator[Endpoint]:
        """In the order in which they are to be tried."""

    def chance(self) -> float:
        """0 to 1."""

    def told(self, served: Served) -> None:
        """It is over."""


class Answering:
    """An exchange. Its steps run in a task until the backend has the request; bytes are passed on by callbacks."""

    def __init__(self, house: House, reply: Reply, request: Incoming) -> None:
        self._house, self._reply, self._incoming = house, reply, request
        self._table = house.table
        self._listener: Listener | None = None
        self._decision, self._request = Decision("NO_HOST", 404), Request()
        self._backend = WeightedBackend("")
        self._code = "NO_HOST"
        self._endpoint: Endpoint | None = None
        self._upstream: Upstream | None = None
        self._mirrors: list[Mirror] = []
        self._outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Of the present try: `_STALE`, or nothing to add."""
        self._task: asyncio.Task[None] | None = None
        self._client, self._door = ends(reply.transport)
        self._started = time.time()
        self._begun = self._over = self._taking = self._full = False
        self._repeat: list[bytes] | None = []
        """The body as far as it has come; None: it cannot be sent again."""
        self._status = self._sent = 0

    # what the client's connection tells

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def body_ended(self) -> None:
        """The request's body is whole."""
        if self._upstream is not None:
            self._upstream.send_end(self._incoming.trailers)
        if self._taking:
            for mirror in self._mirrors:
                mirror.end()

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""
        self._finish()
        if self._task is not None:
            self._task.cancel()

    def expired(self) -> None:
        """Its deadline has passed: the client's fault while its body is missing, else the backend's."""
        if not self._incoming.complete and self._upstream is not None and not self._upstream.is_slow():
            self._fail(408, "the request's body took too long")
        else:
            self._fail(504, "the backend took too long")
        if self._task is not None:
            self._task.cancel()

    def writable(self, yes: bool) -> None:
        """Whether the client takes more: else the backend has to wait."""
        if self._upstream is not None:
            self._upstream.hold(not yes)

    # the steps

    async def _run(self) -> None:
        try:
            seconds = self._decide()
            if not self._over:
                self._reply.within(max(seconds + 1.0, self._house.door.timings.answer))
                async with asyncio.timeout(seconds or None):
                    await self._forward()
        except TimeoutError:
            if self._status != 101:  # in time, though this task had no turn before
                self._fail(504, f"the backend took too long{self._by()}")
        except asyncio.CancelledError:
            if not self._over:
                self._fail(503, "the door is closing")
        except Exception:
            log.exception("%s %s failed", self._incoming.method, self._incoming.target)
            self._fail(500, "an error in the router")

    def _decide(self) -> float:
        """Answer what the door answers itself; else seconds that the request may take, 0 for any."""
        incoming = self._incoming
        listener, self._code = self._house.listener(self._reply.transport, self._door[1], incoming.host)
        if listener is None:
            self._own(421 if self._code == "MISDIRECTED" else 404, answer_text(self._code))
            return 0.0
        self._listener = listener
        headers = tuple((name.lower(), value) for name, value in incoming.headers)
        request = self._request = Request(incoming.method, incoming.host, incoming.target, headers)
        decision = self._decision = decide(self._table, listener, request)
        route, self._code = decision.route, decision.code
        if decision.status:
            first = decision.backends[0] if decision.backends else WeightedBackend("")
            text = answer_text(decision.code, route, first.pool, first.reason)
            self._own(decision.status, text, [("Location", decision.location)] if decision.location else [])
            return 0.0
        assert route is not None
        backend = self._backend = pick(decision.backends, self._house.chance())
        if status := backend_status(self._table, route, backend):
            self._code = code = backend_code(self._table, backend)
            self._own(status, answer_text(code, route, backend.pool, backend.reason))
        return min((s for s in (route.timeouts.request, route.timeouts.backend_request) if s > 0), default=0.0)

    async def _forward(self) -> None:
        pool = self._table.pools[self._backend.pool]
        asked = self._asked(self._route())
        self._mirror(asked)
        for endpoint in self._house.endpoints(self._backend.pool, pool):
            self._endpoint = endpoint
            if await self._tried(target(endpoint, pool), asked):
                return
        self._own(503, f"no endpoint of {self._backend.pool} can be {self._verb()}{self._by()}")

    async def _tried(self, where: Target, asked: Asked) -> bool:
        """Whether this endpoint took the request. What an old connection did not answer is asked on a new one."""
        kept = self._house.kept
        ready = kept.ready(where, self._is_repeatable())
        if ready is not None and await self._send(ready, asked) != _STALE:
            return True
        try:
            fresh = await kept.connect(where, self._decision.host)
        except OSError as error:
            log.debug("%s:%s: %s", where.address, where.port, error)
            self._code = "BACKEND_TLS_FAILED" if isinstance(error, ssl.SSLError) else self._decision.code
            return False
        self._code = self._decision.code
        return await self._send(fresh, asked) != _STALE

    def _verb(self) -> str:
        return "trusted" if self._code == "BACKEND_TLS_FAILED" else "reached"

    def _is_repeatable(self) -> bool:
        """Whether it may be sent again to who may have seen it."""
        return self._incoming.method in _IDEMPOTENT and not self._incoming.has_body

    async def _send(self, upstream: Upstream, asked: Asked) -> str:
        if self._over:
            upstream.abort()
            return ""
        self._upstream, self._full = upstream, False
        self._outcome = asyncio.get_running_loop().create_future()
        upstream.ask(self, asked)
        if self._incoming.has_body and self._upstream is not None:
            self._send_body(upstream)
        return await self._outcome

    def _send_body(self, upstream: Upstream) -> None:
        if self._taking:
            for piece in self._repeat or ():
                upstream.send(piece)
        else:
            if self._incoming.expects:
                self._reply.interim(100, ())
            self._taking = True
            self._incoming.take(self._pass_body)
        if self._incoming.complete:
            self.body_ended()
        self._reply.pause(self._full)

    def _pass_body(self, data: bytes) -> None:
        route = self._route()
        if route.max_body and self._incoming.size > route.max_body:
            self._fail(413, answer_text("BODY_TOO_LARGE", route))
            return
        if self._over:
            return
        self._reply.within(self._house.door.timings.answer)
        self._remember(data)
        if self._upstream is not None:
            self._upstream.send(data)
        for mirror in self._mirrors:
            mirror.write(data)

    def _remember(self, data: bytes) -> None:
        if self._begun or self._incoming.size > _MOST_REPEATED:
            self._repeat = None
        elif self._repeat is not None:
            self._repeat.append(data)

    def _mirror(self, asked: Asked) -> None:
        for mirror in self._route().mirrors:
            pool = self._table.pools.get(mirror.pool) if is_copied(mirror, self._house.chance()) else None
            endpoint = next(iter(self._house.endpoints(mirror.pool, pool)), None) if pool else None
            if pool is not None and endpoint is not None:
                self._mirrors.append(Mirror(self._house.kept, target(endpoint, pool), asked))

    def _asked(self, route: Route) -> Asked:
        incoming = self._incoming
        scheme = "http" if self._listener is None or self._listener.protocol == "HTTP" else "https"
        headers = forwarded(end_to_end(incoming.headers), self._client[0], scheme, incoming.host, self._door[1])
        if not any(name.lower() == "x-request-id" for name, _ in headers):
            headers.append(("X-Request-Id", self._house.request_id()))
        edits = (route.request_headers, self._backend.request_headers)
        return Asked(
            incoming.method,
            self._decision.path,
            self._host(route, edits),
            edited_headers(headers, edits),
            length=incoming.length,
            chunked=incoming.chunked,
            upgrade=incoming.upgrade,
            trailers=wants_trailers(incoming.headers),
        )

    def _host(self, route: Route, edits: Iterable[HeaderEdit | None]) -> str:
        """That the backend is asked for: a rewrite's, or what a filter has made of the field."""
        if route.rewrite is not None and route.rewrite.hostname:
            return self._decision.host
        made = (value for name, value in edited_headers((), edits) if name.lower() == "host")
        return next(made, self._decision.host)

    # what the backend's connection tells

    def response_head(self, response: Response) -> None:
        """Pass it on."""
        status = response.status
        if status < 200:
            if status not in (100, 101):
                self._reply.interim(status, end_to_end(response.headers))
            return
        self._begun, self._status, self._repeat = True, status, None
        self._reply.within(self._house.door.timings.answer)
        length = None if response.chunked else response.length
        ended = response.ended or self._incoming.method == "HEAD" or status in (204, 304)
        self._reply.begin(status, self._edited(response.headers), length, ended)

    def _edited(self, headers: Headers) -> Headers:
        edits = (self._route().response_headers, self._backend.response_headers)
        return told_headers(self._route(), self._request, edited_headers(end_to_end(headers), edits))

    def response_body(self, data: bytes) -> None:
        """Pass it on."""
        self._sent += len(data)
        self._reply.within(self._house.door.timings.answer)
        self._reply.body(data)

    def response_ended(self, trailers: Headers) -> None:
        """The end: the backend's connection is free, if both sides are whole."""
        upstream, self._upstream = self._upstream, None
        assert upstream is not None
        self._reply.end(trailers)
        upstream.release(self._incoming.complete)
        self._finish()

    def upstream_lost(self, lost: Lost) -> None:
        """Before an answer: once more, if that can do no harm; in the middle of one: the end."""
        upstream, self._upstream = self._upstream, None
        if self._status == 101:
            self._finish()
        elif upstream is not None and not self._begun and self._may_repeat(upstream, lost):
            self._outcome.set_result(_STALE)
        else:
            self._fail(502, f"{self._backend.pool}: {lost.reason}{self._by()}", lost.code)

    def _may_repeat(self, upstream: Upstream, lost: Lost) -> bool:
        """Nothing was done with it, or it was an old connection's fault."""
        return self._repeat is not None and (lost.unprocessed or (upstream.used and self._is_repeatable()))

    def upstream_writable(self, yes: bool) -> None:
        """Whether the backend takes more: else the client has to wait."""
        self._full = not yes
        self._reply.pause(self._full)

    def switched(self, rest: bytes) -> None:
        """Another protocol both ways, if the client asked for it."""
        upstream = self._upstream
        assert isinstance(upstream, Http1Upstream)
        if not self._incoming.upgrade:
            self._fail(502, f"{self._backend.pool} switched to a protocol that nobody asked for")
            return
        self._begun, self._status = True, 101
        self._reply.switch(self._edited(upstream.response.headers), self._incoming.upgrade, rest, upstream)
        self._reply.within(self._house.door.timings.tunnel)
        self._outcome.set_result("")  # a route's timeouts are for requests

    # the end

    def _own(self, status: int, text: str, headers: Headers = (), *, keep: bool = True) -> None:
        """An answer of the door's own."""
        text = f"{text}\n" if status != NO_CONTENT else ""
        self._begun, self._status, self._sent = True, status, len(text)
        self._reply.answer(status, text, told_headers(self._decision.route, self._request, headers), keep)
        self._finish()

    def _fail(self, status: int, text: str, code: int = INTERNAL_ERROR) -> None:
        """No answer any more: say so if none has begun, else cut it off."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        if self._over:
            return
        if self._begun:
            self._reply.cut(code)
            self._finish()
        else:
            self._own(status, text, keep=False)

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        if not self._outcome.done():
            self._outcome.set_result("")
        self._house.told(self._told())
        self._reply.done()

    def _told(self) -> Served:
        incoming = self._incoming
        endpoint, route = self._endpoint, self._decision.route
        return Served(
            started=self._started,
            seconds=time.time() - self._started,
            client=self._client,
            frontend=self._door,
            entry=self._listener.entry if self._listener else "",
            method=incoming.method,
            host=incoming.host,
            path=incoming.target.partition("?")[0],
            status=self._status,
            code=self._code,
            route=route.name if route else "",
            pool=self._backend.pool,
            backend=(endpoint.address, endpoint.port) if endpoint else None,
            bytes_in=incoming.size,
            bytes_out=self._sent,
        )

    def _route(self) -> Route:
        assert self._decision.route is not None
        return self._decision.route

    def _by(self) -> str:
        return f" ({self._route().name})"
