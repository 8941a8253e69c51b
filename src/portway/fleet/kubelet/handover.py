"""Hands sockets over to the nameserver, and again when that was started anew; they stay open here meanwhile.

The other side is nameserver/doors.py: one packet with the desk's name and the sockets, answered `ok`; the doors are
closed when the connection ends. Meanwhile it may ask for unconnected sockets of the same network (dialer.KINDS).
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

from portway.fleet import dialer, dnssocket, linux

log = logging.getLogger("portway.fleet.kubelet")

_RETRY_SECONDS = 0.05


class Handover:
    """Sockets that the nameserver answers at, until closed."""

    def __init__(self, path: Path, desk: str, network: str | None, addresses: Sequence[str]) -> None:
        """At port 53 of `addresses` of a network namespace (None: the current one). OSError when it cannot be had."""
        self._path, self._desk, self._network = path, desk, network
        with _in(network):
            self._sockets = dnssocket.bound(addresses, shared=True)
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
            while said := await loop.sock_recv(taker, 16):
                if said in dialer.KINDS:
                    self._lend(taker, said)
                else:
                    self.taken.set()

    def _lend(self, taker: socket.socket, kind: bytes) -> None:
        with _in(self._network):
            lent = socket.socket(*dialer.KINDS[kind])
        with lent:
            socket.send_fds(taker, [kind], [lent.fileno()])


def _in(network: str | None) -> contextlib.AbstractContextManager[None]:
    return linux.inside_network(network) if network else contextlib.nullcontext()
