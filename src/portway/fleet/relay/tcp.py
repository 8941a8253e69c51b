"""TCP through a door: two connections tied together, each end's fate the other's.

An end of data goes through one way while the other stays open; a reset is passed on as a reset; who reads slowly
slows the writer down; what cannot be reached inside is reset outside.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from portway.fleet.relay.dial import Dialer

log = logging.getLogger("portway.fleet.relay")

_CONNECT_SECONDS = 30.0
_RESET = struct.pack("ii", 1, 0)
"""struct linger: on, zero seconds: closing sends RST (man 7 socket)."""


async def open_tcp(address: str, port: int, inner: str, dialer: Dialer, inner_port: int = 0) -> Callable[[], None]:
    """Answer at address:port, carrying connections to inner:inner_port (0: the same port).

    Returns what closes the door and all of them.
    """
    connections: set[End] = set()
    listening = socket.create_server((address, port), backlog=1024)
    # accepted ones inherit it: asyncio does it for sockets that name their protocol only, as this one does not
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Outer(dialer, inner, inner_port or port, connections), sock=listening, backlog=1024
    )

    def close() -> None:
        server.close()
        for connection in list(connections):
            connection.reset()

    return close


class End(asyncio.Protocol):
    """One of the two connections; `peer` is the other, once there is one."""

    def __init__(self) -> None:
        self.peer: End | None = None
        self.transport: asyncio.Transport | None = None
        self.finished = False
        """It has sent its last byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.finished = True
        if self.peer is not None and self.peer.transport is not None:
            if self.peer.finished:
                self.close()
                self.peer.close()
            else:
                self.peer.finish()
        return True

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.peer is not None:
            self.peer.reset() if error else self.peer.close()

    def finish(self) -> None:
        """Say that nothing more comes; that may still be said the other way."""
        if self.transport is not None:
            with suppress(OSError):  # reset a moment ago, which we are told next
                self.transport.write_eof()

    def close(self) -> None:
        """End it once everything written has been sent."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End it at once, with a RST."""
        if self.transport is None:
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class Outer(End):
    """The host's client. What it says before the inner connection stands waits, in the kernel or in `_early`."""

    def __init__(self, dialer: Dialer, address: str, port: int, connections: set[End]) -> None:
        super().__init__()
        self._dialer, self._address, self._port = dialer, address, port
        self._connections = connections
        self._dialing: asyncio.Task[None] | None = None
        self._early: list[bytes] | None = []
        """None once the inner connection stands."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        # Not now: asyncio before 3.12 starts to read after this method, paused or not.
        asyncio.get_running_loop().call_soon(self._hold)
        self._connections.add(self)
        self._dialing = asyncio.create_task(self._dial())

    def _hold(self) -> None:
        if self._early is not None and self.transport is not None:
            self.transport.pause_reading()

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                made = await self._dialer.connect("tcp", self._address, self._port)
            await asyncio.get_running_loop().create_connection(self._inner, sock=made)
        except OSError as error:
            log.debug("%s:%d: %s", self._address, self._port, error)
            self.reset()
            return
        self._tied()

    def _tied(self) -> None:
        """Both connections stand: pass on what came early."""
        early, self._early = self._early or [], None
        if self.peer is None or self.peer.transport is None:
            return
        if self.transport is None:
            self.peer.reset()
            return
        for data in early:
            self.peer.transport.write(data)
        if self.finished:
            self.peer.finish()
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            super().data_received(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool:
        if self._early is None:
            return super().eof_received()
        self.finished = True
        return True

    def _inner(self) -> End:
        self.peer = End()
        self.peer.peer = self
        return self.peer

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        if self._dialing is not None:
            self._dialing.cancel()
        super().connection_lost(error)
