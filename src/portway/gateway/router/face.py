"""One open port."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

from portway.gateway.engine import Door
from portway.gateway.router.hello import NotTls, server_name
from portway.gateway.router.kept import Kept
from portway.gateway.router.passage import Handed, House, Passage
from portway.gateway.router.splice import Splice
from portway.routing.table import Listener

log = logging.getLogger(__name__)

_MOST_HELLO = 1 << 15
_BACKLOG = 4096
_AT_ONCE = 64
"""Clients taken before others have their turn."""
_PAUSE = 0.1
"""Seconds until a port is listened to again that had no file left for a client."""

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


class Engine(House, Protocol):
    """What a port needs of its engine."""

    door: Door
    kept: Kept

    def connected(self) -> asyncio.Protocol:
        """A client comes."""

    def taker(self, port: int, name: str) -> Listener | None:
        """Whose connections for this server name are."""

    def context(self, listener: Listener | None, name: str) -> ssl.SSLContext:
        """What ends TLS for this server name, or refuses to."""

    def handed(self, listener: Listener, name: str) -> Handed:
        """Where to go with a connection of which no requests are read."""


class Face:
    """Listens; TLS connections are looked into before they are accepted, without taking a byte of them."""

    def __init__(self, engine: Engine, port: int, tls: bool) -> None:
        self._engine, self.port, self.tls = engine, port, tls
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._greeting: set[asyncio.Task[None]] = set()

    @classmethod
    async def opened(cls, engine: Engine, port: int, tls: bool) -> "Face":
        """Raises OSError when not one of the door's addresses can be bound."""
        face = cls(engine, port, tls)
        for listening in _bound(engine.door.addresses, port):
            await face._serve(listening)
        return face

    async def _serve(self, listening: socket.socket) -> None:
        if not self.tls:
            loop = asyncio.get_running_loop()
            self._servers.append(await loop.create_server(self._engine.connected, sock=listening, backlog=_BACKLOG))
        else:
            listening.listen(_BACKLOG)
            self._sockets.append(listening)
            self._listen(listening)

    def close(self) -> None:
        """Take no more; connections stay."""
        for server in self._servers:
            server.close()
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def is_greeting(self) -> bool:
        """Whether clients are here that are no connections yet."""
        return bool(self._greeting)

    def _listen(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Those who wait there. Not `loop.sock_accept`: cancelled just as a client comes, it fails aloud."""
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("port %d: %s", self.port, error)
                loop.remove_reader(listening)
                loop.call_later(_PAUSE, self._listen, listening)
                return
            accepted.setblocking(False)
            task = loop.create_task(self._welcome(accepted))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _welcome(self, client: socket.socket) -> None:
        given = False
        try:
            async with asyncio.timeout(self._engine.door.timings.head):
                name = await _peeked(client)
            at = self._engine.taker(self.port, name)
            given = True
            if at is not None and at.protocol == "TLS":
                await self._hand_on(client, at, name)
            else:
                await self._end_tls(client, self._engine.connected, self._engine.context(at, name), 2.0)
        except (OSError, NotTls, ssl.SSLError) as error:
            log.debug("port %d: %s", self.port, error)
        finally:
            if not given:
                client.close()

    async def _end_tls(
        self, client: socket.socket, protocol: Callable[[], _P], context: ssl.SSLContext, shutdown: float | None
    ) -> _P:
        """The connection, once its client has shown what it must."""
        _, made = await asyncio.get_running_loop().connect_accepted_socket(
            protocol,
            client,
            ssl=context,
            ssl_handshake_timeout=self._engine.door.timings.head,
            ssl_shutdown_timeout=shutdown,
        )
        return made

    async def _hand_on(self, client: socket.socket, listener: Listener, name: str) -> None:
        """Bytes as they are, or what is inside. A pod is asked for once the client is known."""
        if listener.ends_tls:
            here = await self._end_tls(client, Splice, self._engine.context(listener, name), None)
        else:
            _, here = await asyncio.get_running_loop().connect_accepted_socket(Splice, client)
        passage, handed = Passage(self._engine, listener, name, here), self._engine.handed(listener, name)
        code, target = handed.code, None
        for target in handed.targets():
            there = Splice()
            try:
                await self._engine.kept.connected(there, target, name)
            except OSError as error:
                log.debug("%s:%s: %s", target.address, target.port, error)
                code = "BACKEND_TLS_FAILED" if isinstance(error, ssl.SSLError) else "BACKEND_UNREACHABLE"
            else:
                passage.begin(handed, target, there)
                return
        passage.refuse(handed, code, target)


async def _peeked(client: socket.socket) -> str:
    """The server name. Raises NotTls, OSError."""
    loop = asyncio.get_running_loop()
    while True:
        await _readable(loop, client)
        data = client.recv(_MOST_HELLO, socket.MSG_PEEK)
        name = server_name(data)
        if name is not None:
            return name
        if not data or len(data) == _MOST_HELLO:
            raise NotTls("it ended before its ClientHello did")
        await asyncio.sleep(0.005)  # the rest is on its way; what is here stays readable


async def _readable(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    ready = loop.create_future()
    loop.add_reader(client, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(client)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _bound(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """A socket for each address; of several, those of a family that is not here are left out."""
    made: list[socket.socket] = []
    failure: OSError | None = None
    for address in addresses:
        try:
            made.append(_socket(address, port))
        except OSError as error:
            failure = error
    if failure is not None and not made:
        raise failure
    return made


def _socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # by its protocol's name, or asyncio would leave Nagle's algorithm on for the connections
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind((address, port))
    except OSError:
        listening.close()
        raise
    return listening
