"""One request and its answer: decide, choose a backend, pass on both ways."""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Protocol

from portway.gateway.engine import Door, Served
from portway.gateway.head import LAST_CHUNK, answer, chunk, end_to_end, forwarded, request_head, response_head
from portway.gateway.router.incoming import Downstream, Incoming
from portway.gateway.router.mirror import Mirror
from portway.gateway.router.upstream import Kept, Response, Target, Upstream
from portway.routing import backend_status, decide, edited_headers, pick
from portway.routing.answers import answer_text
from portway.routing.table import Decision, Endpoint, Listener, Pool, Request, Route, RouteTable, WeightedBackend

log = logging.getLogger(__name__)

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_STALE = "stale"


class House(Protocol):
    """What an exchange needs of its engine."""

    door: Door
    table: RouteTable
    kept: Kept

    def listener(self, client: Downstream, host: str) -> Listener | None:
        """Who takes a request for this host on this connection, with as many hosts as may matter."""

    def endpoints(self, key: str, pool: Pool) -> Iterator[Endpoint]:
        """In the order in which they are to be tried."""

    def chance(self) -> float:
        """0 to 1."""

    def served(self, served: Served) -> None:
        """It is over."""


class Answering:
    """An exchange. Its steps run in a task until the backend has the request; bytes are passed on by callbacks."""

    def __init__(self, house: House, client: Downstream, request: Incoming) -> None:
        self._house, self._client, self._incoming = house, client, request
        self._table = house.table
        self._listener: Listener | None = None
        self._decision = Decision("NO_HOST", 404)
        self._backend = WeightedBackend("")
        self._code = "NO_HOST"
        self._endpoint: Endpoint | None = None
        self._upstream: Upstream | None = None
        self._mirrors: list[Mirror] = []
        self._outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Of the present try: `_STALE`, or nothing to add."""
        self._task: asyncio.Task[None] | None = None
        self._started = time.time()
        self._begun = self._over = self._chunking = False
        self._close = not request.keep_alive
        self._status = self._sent = 0

    # what the client's connection tells

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def body_ended(self) -> None:
        """The request's body is whole."""
        if self._upstream is not None and self._incoming.chunked:
            self._upstream.transport.write(LAST_CHUNK)
            for mirror in self._mirrors:
                mirror.write(LAST_CHUNK)

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""
        self._finish(keep=False)
        if self._task is not None:
            self._task.cancel()

    def expired(self) -> None:
        """Its deadline has passed: the client's fault while its body is missing, else the backend's."""
        if not self._incoming.complete and self._upstream is not None and not self._paused_by_backend():
            self._fail(408, "the request's body took too long")
        else:
            self._fail(504, "the backend took too long")
        if self._task is not None:
            self._task.cancel()

    def writable(self, yes: bool) -> None:
        """Whether the client takes more: else the backend has to wait."""
        if self._upstream is not None and not self._upstream.transport.is_closing():
            transport = self._upstream.transport
            (transport.resume_reading if yes else transport.pause_reading)()

    def _paused_by_backend(self) -> bool:
        assert self._upstream is not None
        return self._upstream.transport.get_write_buffer_size() > 0

    # the steps

    async def _run(self) -> None:
        try:
            seconds = self._decide()
            if not self._over:
                self._client.within(max(seconds + 1.0, self._house.door.timings.answer))
                async with asyncio.timeout(seconds or None):
                    await self._forward()
        except TimeoutError:
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
        listener = self._house.listener(self._client, incoming.host)
        if listener is None:
            self._own(404, answer_text("NO_HOST"))
            return 0.0
        self._listener = listener
        headers = tuple((name.lower(), value) for name, value in incoming.headers)
        request = Request(incoming.method, incoming.host, incoming.target, headers)
        decision = self._decision = decide(self._table, listener, request)
        route, self._code = decision.route, decision.code
        if decision.status:
            first = decision.backends[0] if decision.backends else WeightedBackend("")
            text = answer_text(decision.code, route, first.pool, first.reason)
            self._own(decision.status, text, decision.location)
            return 0.0
        assert route is not None
        backend = self._backend = pick(decision.backends, self._house.chance())
        if status := backend_status(self._table, route, backend):
            self._code = code = "NO_ENDPOINTS" if backend.pool in self._table.pools else "BACKEND_INVALID"
            self._own(status, answer_text(code, route, backend.pool, backend.reason))
        return min((s for s in (route.timeouts.request, route.timeouts.backend_request) if s > 0), default=0.0)

    async def _forward(self) -> None:
        pool = self._table.pools[self._backend.pool]
        if pool.protocol == "h2c":
            self._own(502, f"{self._backend.pool} speaks h2c, which needs the HAProxy engine{self._by()}")
            return
        head = self._head(self._route())
        self._mirror(head)
        for endpoint in self._house.endpoints(self._backend.pool, pool):
            self._endpoint = endpoint
            target = (endpoint.address, endpoint.port, pool.protocol == "https")
            if await self._tried(target, head):
                return
        self._own(503, f"no endpoint of {self._backend.pool} can be reached{self._by()}")

    async def _tried(self, target: Target, head: bytes) -> bool:
        """Whether this endpoint got the request. One that closed an idle connection gets it again on a new one."""
        kept = self._house.kept
        incoming = self._incoming
        repeatable = incoming.method in _IDEMPOTENT and not incoming.has_body
        idle = kept.idle(target) if repeatable else None
        if idle is not None and await self._send(idle, head) != _STALE:
            return True
        try:
            fresh = await kept.connect(target, self._decision.host)
        except OSError as error:
            log.debug("%s:%s: %s", target[0], target[1], error)
            return False
        await self._send(fresh, head)
        return True

    async def _send(self, upstream: Upstream, head: bytes) -> str:
        if self._over:
            upstream.transport.close()
            return ""
        incoming = self._incoming
        self._upstream = upstream
        self._outcome = asyncio.get_running_loop().create_future()
        upstream.lend(self, incoming.method == "HEAD")
        upstream.transport.write(head)
        if incoming.has_body:
            self._send_body()
        return await self._outcome

    def _send_body(self) -> None:
        if self._incoming.expects:
            self._client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._incoming.take(self._pass_body)
        if self._incoming.complete:
            self.body_ended()
        self._client.pause(False)

    def _pass_body(self, data: bytes) -> None:
        route = self._route()
        if route.max_body and self._incoming.size > route.max_body:
            self._fail(413, answer_text("BODY_TOO_LARGE", route))
            return
        if self._upstream is None or self._over:
            return
        self._client.within(self._house.door.timings.answer)
        piece = chunk(data) if self._incoming.chunked else data
        self._upstream.transport.write(piece)
        for mirror in self._mirrors:
            mirror.write(piece)

    def _mirror(self, head: bytes) -> None:
        for key in self._route().mirrors:
            pool = self._table.pools.get(key)
            endpoint = next(iter(self._house.endpoints(key, pool)), None) if pool else None
            if endpoint is not None:
                self._mirrors.append(Mirror(endpoint, head))

    def _head(self, route: Route) -> bytes:
        incoming, client = self._incoming, self._client
        scheme = "http" if self._listener is None or self._listener.protocol == "HTTP" else "https"
        address = client.transport.get_extra_info("peername") or ("", 0)
        port = (client.transport.get_extra_info("sockname") or ("", 0))[1]
        headers = forwarded(end_to_end(incoming.headers), address[0], scheme, incoming.host, port)
        headers = list(edited_headers(headers, (route.request_headers, self._backend.request_headers)))
        framing: list[tuple[str, str]] = []
        if incoming.chunked:
            framing.append(("Transfer-Encoding", "chunked"))
        elif incoming.length is not None:
            framing.append(("Content-Length", str(incoming.length)))
        if incoming.upgrade:
            framing += [("Connection", "Upgrade"), ("Upgrade", incoming.upgrade)]
        return request_head(incoming.method, self._decision.path, self._decision.host, headers, framing)

    # what the backend's connection tells

    def response_head(self, response: Response) -> None:
        """Pass it on."""
        if response.status < 200:
            if response.status not in (100, 101) and not self._incoming.old:
                self._client.transport.write(response_head(response.status, end_to_end(response.headers), ()))
            return
        self._begun, self._status = True, response.status
        self._client.within(self._house.door.timings.answer)
        self._client.transport.write(response_head(response.status, self._edited(response), self._framing(response)))

    def _edited(self, response: Response) -> tuple[tuple[str, str], ...]:
        edits = (self._route().response_headers, self._backend.response_headers)
        return edited_headers(end_to_end(response.headers), edits)

    def _framing(self, response: Response) -> list[tuple[str, str]]:
        bodiless = self._incoming.method == "HEAD" or response.status in (204, 304)
        unknown = not bodiless and (response.chunked or response.length is None)
        self._chunking = unknown and not self._incoming.old
        if (unknown and self._incoming.old) or not self._incoming.complete:
            self._close = True
        framing: list[tuple[str, str]] = []
        if response.length is not None and not response.chunked:
            framing.append(("Content-Length", str(response.length)))
        elif self._chunking:
            framing.append(("Transfer-Encoding", "chunked"))
        if self._close or self._client.home.draining:
            framing.append(("Connection", "close"))
        elif self._incoming.old:
            framing.append(("Connection", "keep-alive"))
        return framing

    def response_body(self, data: bytes) -> None:
        """Pass it on."""
        self._sent += len(data)
        self._client.within(self._house.door.timings.answer)
        self._client.transport.write(chunk(data) if self._chunking else data)

    def response_ended(self) -> None:
        """The end: both connections are free, if both sides are whole."""
        upstream = self._upstream
        assert upstream is not None
        if self._chunking:
            self._client.transport.write(LAST_CHUNK)
        reusable = upstream_reusable(upstream) and self._incoming.complete
        self._upstream = None
        upstream.release(reusable)
        self._finish(keep=not self._close)

    def upstream_lost(self, reason: str) -> None:
        """Before an answer: once more, if it may have been too old a connection; in the middle of one: the end."""
        upstream, self._upstream = self._upstream, None
        if self._status == 101:
            self._finish(keep=False)
        elif upstream is not None and upstream.used and not self._begun:
            self._outcome.set_result(_STALE)
        else:
            self._fail(502, f"{self._backend.pool}: {reason}{self._by()}")

    def upstream_writable(self, yes: bool) -> None:
        """Whether the backend takes more: else the client has to wait."""
        self._client.pause(not yes)

    def switched(self, rest: bytes) -> None:
        """Another protocol both ways, if the client asked for it."""
        upstream, client = self._upstream, self._client
        assert upstream is not None
        if not self._incoming.upgrade:
            self._fail(502, f"{self._backend.pool} switched to a protocol that nobody asked for")
            return
        framing = [("Connection", "Upgrade"), ("Upgrade", self._incoming.upgrade)]
        self._begun, self._status = True, 101
        client.transport.write(response_head(101, self._edited(upstream.response), framing) + rest)
        client.tunnel, upstream.tunnel = upstream.transport, client.transport
        if early := client.let_go():
            upstream.transport.write(early)
        client.within(self._house.door.timings.tunnel)
        self._outcome.set_result("")  # a route's timeouts are for requests

    # the end

    def _own(self, status: int, text: str, location: str = "") -> None:
        """An answer of the door's own. A body that nobody read makes the connection useless."""
        self._close |= not self._incoming.complete
        close = self._close or self._client.home.draining
        whole = answer(status, text + "\n", close=close, location=location, body=self._incoming.method != "HEAD")
        self._begun, self._status, self._sent = True, status, len(text) + 1
        self._client.transport.write(whole)
        self._finish(keep=not close)

    def _fail(self, status: int, text: str) -> None:
        """No answer any more: say so if none has begun, else cut it off."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        if self._over:
            return
        self._close = True
        if self._begun:
            self._client.transport.abort()
            self._finish(keep=False)
        else:
            self._own(status, text)

    def _finish(self, keep: bool) -> None:
        if self._over:
            return
        self._over = True
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort() if upstream.tunnel is None else upstream.transport.close()
        if not self._outcome.done():
            self._outcome.set_result("")
        self._house.served(self._told())
        self._client.done(keep)

    def _told(self) -> Served:
        incoming, transport = self._incoming, self._client.transport
        endpoint, route = self._endpoint, self._decision.route
        return Served(
            started=self._started,
            seconds=time.time() - self._started,
            client=_pair(transport.get_extra_info("peername")),
            frontend=_pair(transport.get_extra_info("sockname")),
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


def upstream_reusable(upstream: Upstream) -> bool:
    """Whether its response left the connection as it was."""
    response = upstream.response
    return response.keep_alive and (response.chunked or response.length is not None or response.status in (204, 304))


def _pair(name: tuple[str, int] | None) -> tuple[str, int]:
    return (name[0], name[1]) if name else ("", 0)
