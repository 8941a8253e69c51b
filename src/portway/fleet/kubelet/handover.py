"""Hands sockets over to the nameserver, and again when that was started anew; they stay open here meanwhile.

The other side is nameserver/doors.py: one packet with the desk's name and the sockets, answered `ok`; the doors are
closed when the connection ends.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

from portway.fleet import dnssocket, linux

log = logging.getLogger("portway.fleet.kubelet")

_RETRY_SECONDS = 0.05


class Handover:
    """Sockets that the nameserver answers at, until closed."""

    def __init__(self, path: Path, desk: str, sockets: Sequence[socket.socket]) -> None:
        self._path, self._desk, self._sockets = path, desk, sockets
        self.taken = asyncio.Event()
        """Set once they are answered at."""
        self._task = asyncio.create_task(self._keep())

    def close(self) -> None:
        """Answered no more."""
        self._task.cancel()
        for each in self._sockets:
            each.close()

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self._once()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _once(self) -> None:
        """Returns when the nameserver is gone."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as taker:
            await loop.sock_connect(taker, str(self._path))
            socket.send_fds(taker, [self._desk.encode()], [each.fileno() for each in self._sockets])
            while await loop.sock_recv(taker, 16):
                self.taken.set()


def sockets_in(network: str | None, addresses: Sequence[str]) -> list[socket.socket]:
    """DNS sockets at addresses of a network namespace (None: the current one); OSError when they cannot be had."""
    with linux.inside_network(network) if network else contextlib.nullcontext():
        return dnssocket.bound(addresses, shared=True)
