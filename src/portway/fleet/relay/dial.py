"""Sockets of the `outside` namespace, from the dialer, a few kept in stock."""

import asyncio
import socket
from collections import defaultdict
from pathlib import Path

from portway.fleet.dialer import BATCH, DONE, LEAD_TO

_TOGETHER = 500
"""Addresses that are led to in one request, at most."""
_PATIENCE = 5.0
"""Seconds to go on trying while the dialer is being restarted."""


class DialFailure(OSError):
    """The dialer cannot make sockets (too many open files, …)."""


class Dialer:
    """The dialer's client."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stock: defaultdict[str, list[socket.socket]] = defaultdict(list)
        self._connection: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._leading: list[str] = []

    async def connect(self, protocol: str, address: str, port: int) -> socket.socket:
        """A socket of `protocol` ("tcp", "udp") connected to `address` as seen from outside; OSError when refused."""
        made = await self._take(f"{protocol}{6 if ':' in address else 4}")
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made

    async def lead_to(self, address: str) -> None:
        """Let `outside` know that an address is on its wire; many at once are one request. OSError when it fails."""
        self._leading.append(address)
        async with self._lock:
            if address in self._leading:
                together, self._leading = self._leading[:_TOGETHER], self._leading[_TOGETHER:]
                await self._ask_patiently(LEAD_TO + " ".join(together).encode())

    async def _take(self, kind: str) -> socket.socket:
        while not self._stock[kind]:
            async with self._lock:
                if not self._stock[kind]:
                    self._stock[kind] = await self._ask_patiently(kind.encode())
        return self._stock[kind].pop()

    async def _ask_patiently(self, kind: bytes) -> list[socket.socket]:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    return await self._ask(kind)
                except DialFailure:
                    raise
                except OSError:
                    self._hang_up()
                    await asyncio.sleep(0.02)

    async def _ask(self, kind: bytes) -> list[socket.socket]:
        if self._connection is None:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            self._connection.connect(str(self._path))
        self._connection.send(kind)
        await _readable(self._connection)
        text, fds, _, _ = socket.recv_fds(self._connection, 512, BATCH)
        if not text:
            raise ConnectionResetError("the dialer is gone")
        if not fds and text != DONE:
            raise DialFailure(text.decode(errors="replace"))
        made = [socket.socket(fileno=fd) for fd in fds]
        for each in made:
            each.setblocking(False)
        return made

    def close(self) -> None:
        """Let go of all that is kept."""
        self._hang_up()
        for stock in self._stock.values():
            while stock:
                stock.pop().close()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection, wake)
    try:
        await ready
    finally:
        loop.remove_reader(connection)
