"""UDP through a door: one inner socket for each client address, forgotten when idle.

A client so keeps one source port inside, and with it its backend, as a real client would.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from portway.fleet.relay.dial import Dialer

log = logging.getLogger("portway.fleet.relay")

IDLE_SECONDS = 120.0
"""nf_conntrack_udp_timeout_stream's default: inside, the flow is forgotten then too."""
_WAITING_DATAGRAMS = 16
"""How many datagrams wait for their session's socket; more are lost, as UDP may."""
Address = tuple[str, int]


async def open_udp(
    address: str, port: int, inner: str, dialer: Dialer, inner_port: int = 0, idle: float = IDLE_SECONDS
) -> Callable[[], None]:
    """Answer at address:port, carrying datagrams to inner:inner_port (0: the same port).

    Returns what closes the door and all sessions.
    """
    door = Door(inner, inner_port or port, dialer, idle)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: door, local_addr=(address, port))
    return door.close


class Door(asyncio.DatagramProtocol):
    """The host's side: clients by address."""

    def __init__(self, address: str, port: int, dialer: Dialer, idle: float) -> None:
        self.inner, self.dialer, self.idle = (address, port), dialer, idle
        self._transport: asyncio.DatagramTransport | None = None
        self._sessions: dict[Address, Session] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is no DatagramTransport by inheritance
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: Address) -> None:
        session = self._sessions.get(client)
        if session is None:
            session = self._sessions[client] = Session(self, client)
        session.forward(data)

    def reply(self, data: bytes, client: Address) -> None:
        """Send what came back from inside."""
        if self._transport is not None:
            self._transport.sendto(data, client)

    def forget(self, client: Address) -> None:
        """A session has ended."""
        self._sessions.pop(client, None)

    def close(self) -> None:
        """Close the door and all sessions."""
        if self._transport is not None:
            self._transport.close()
        for session in list(self._sessions.values()):
            session.end()


class Session(asyncio.DatagramProtocol):
    """One client's socket inside."""

    def __init__(self, door: Door, client: Address) -> None:
        self._door, self._client = door, client
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(door.idle, self._check_idle)
        self._dialing = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            made = await self._door.dialer.connect("udp", *self._door.inner)
            await self._loop.create_datagram_endpoint(lambda: self, sock=made)
        except OSError as error:
            log.debug("%s:%d/UDP: %s", *self._door.inner, error)
            self.end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is no DatagramTransport by inheritance
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def forward(self, data: bytes) -> None:
        """Send the client's datagram in."""
        self._last = self._loop.time()
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < _WAITING_DATAGRAMS:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, _: Address) -> None:
        self._last = self._loop.time()
        self._door.reply(data, self._client)

    def error_received(self, error: Exception) -> None:
        """ICMP says nobody is there. The client cannot be told, and a backend may come: the session stays."""

    def _check_idle(self) -> None:
        left = self._last + self._door.idle - self._loop.time()
        if left <= 0:
            self.end()
        else:
            self._timer = self._loop.call_later(left, self._check_idle)

    def end(self) -> None:
        """Forget the client."""
        self._timer.cancel()
        self._dialing.cancel()
        if self._transport is not None:
            self._transport.close()
        self._door.forget(self._client)
