"""A TCP door (RFC 7766): many queries on one connection, answered as soon as each can be.

A client that says nothing whole or takes nothing for a while is hung up on; one that asks faster than it is
answered is not listened to until it is; when there are too many, the one that has been quiet longest goes.
"""

import asyncio
import socket

from portway.nameserver.desk import Desk

IDLE_SECONDS = 10.0
"""RFC 7766 6.2.3: a few seconds."""
_MOST = 256
"""Connections of all doors of a process."""
_MOST_UNDER_WAY = 32
"""Queries of one connection."""
_LONGEST = 4096
"""Bytes of a query; there is no reason for more."""
_MOST_UNREAD = 4096
"""Bytes of responses that a client has not taken, beyond which it is not listened to."""


class Connections:
    """All TCP connections there are, the one that has been quiet longest first."""

    def __init__(self, most: int = _MOST, idle: float = IDLE_SECONDS) -> None:
        self.idle = idle
        self._most = most
        self._open: dict[Connection, None] = {}

    def begin(self, connection: "Connection") -> None:
        """One more."""
        if len(self._open) >= self._most:
            next(iter(self._open)).hang_up()
        self._open[connection] = None

    def heard(self, connection: "Connection") -> None:
        """It has asked something."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def end(self, connection: "Connection") -> None:
        """It is gone."""
        self._open.pop(connection, None)

    def through(self, door: "TcpDoor") -> "list[Connection]":
        """Those that came in by a door."""
        return [connection for connection in self._open if connection.door is door]


class TcpDoor:
    """Answers at one listening socket, until closed."""

    def __init__(self, desk: Desk, connections: Connections) -> None:
        self.desk, self.connections = desk, connections

    async def open(self, door: socket.socket) -> None:
        """Begin."""
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=door)

    def close(self) -> None:
        """Answer no more, and hang up on everybody who came in here."""
        self._server.close()
        for connection in self.connections.through(self):
            connection.hang_up()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, door: TcpDoor) -> None:
        self.door = door
        self._buffer = bytearray()
        self._under_way = 0
        self._takes, self._busy, self._all_said = True, False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_MOST_UNREAD)
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(self.door.connections.idle, self._check_idle)
        self.door.connections.begin(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        """Answer what is whole in the buffer, as far as we may; then listen on, or not."""
        if self._busy:
            return
        self._busy = True
        while self._willing() and (query := self._next_query()) is not None:
            self._hear(query)
        self._busy = False
        if self._all_said and not self._under_way:
            self._transport.close()
        elif not self._transport.is_closing():
            (self._transport.resume_reading if self._willing() else self._transport.pause_reading)()

    def _willing(self) -> bool:
        return self._takes and self._under_way < _MOST_UNDER_WAY and not self._transport.is_closing()

    def _next_query(self) -> bytes | None:
        size = int.from_bytes(self._buffer[:2], "big")
        if size > _LONGEST:
            self.hang_up()
            return None
        if len(self._buffer) < 2 + size or len(self._buffer) < 2:
            return None
        query = bytes(self._buffer[2 : 2 + size])
        del self._buffer[: 2 + size]
        return query

    def _hear(self, query: bytes) -> None:
        self._last = self._loop.time()
        self.door.connections.heard(self)
        self._under_way += 1
        if not self.door.desk.answer(query, True, self._say):
            self.hang_up()

    def _say(self, response: bytes) -> None:
        self._under_way -= 1
        if not self._transport.is_closing():
            self._transport.write(len(response).to_bytes(2, "big") + response)
            self._go_on()

    def pause_writing(self) -> None:
        self._takes = False

    def resume_writing(self) -> None:
        self._takes = True
        self._go_on()

    def eof_received(self) -> bool:
        self._all_said = True
        return self._under_way > 0 or not self._takes

    def _check_idle(self) -> None:
        left = self._last + self.door.connections.idle - self._loop.time()
        if left <= 0:
            self.hang_up()
        else:
            self._timer = self._loop.call_later(left, self._check_idle)

    def hang_up(self) -> None:
        """End it, whatever the client still wants."""
        self.door.connections.end(self)
        self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._timer.cancel()
        self.door.connections.end(self)
