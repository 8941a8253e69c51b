"""Where queries come in: sockets that are handed over, and the host's own.

Who has sockets for us (a kubelet, from a pod's or its node's network) connects to a Unix socket of ours and sends one
packet, the desk's name, with the sockets (SCM_RIGHTS). It is answered `ok` once they are answered at; the connection
stays, and when it ends, so do the doors. Whoever handed them over keeps them open too: while this process is started
anew, queries wait in them.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from portway.nameserver.desk import Desk
from portway.nameserver.tcp import Connections, TcpDoor
from portway.nameserver.udp import UdpDoor

log = logging.getLogger(__name__)

_MOST_SOCKETS = 16
_LONGEST_NAME = 64


class Doors:
    """Opens doors to desks."""

    def __init__(self, desks: Mapping[str, Desk]) -> None:
        self._desks = desks
        self._connections = Connections()

    async def open(self, door: socket.socket, desk: str) -> Callable[[], None]:
        """Answer at a bound UDP or listening TCP socket; returns what closes it."""
        if door.type == socket.SOCK_DGRAM:
            return UdpDoor(door, self._desks[desk]).close
        made = TcpDoor(self._desks[desk], self._connections)
        await made.open(door)
        return made.close

    async def take_over(self, path: Path) -> None:
        """Listen at `path` for whoever has sockets, in the place of a process killed before. Runs for ever."""
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as listening:
            listening.bind(str(draft))
            listening.listen(64)
            os.replace(draft, path)  # noqa: PTH105 - one rename: there is no moment without a socket
            async with asyncio.TaskGroup() as group:
                while True:
                    giver, _ = await loop.sock_accept(listening)
                    group.create_task(self._keep(giver))

    async def _keep(self, giver: socket.socket) -> None:
        closing: list[Callable[[], None]] = []
        with giver:
            try:
                desk, sockets = await _received(giver)
                for each in sockets:
                    closing.append(await self.open(each, desk))
                giver.send(b"ok")
                await _readable(giver)
            except (OSError, KeyError) as error:
                log.warning("sockets that were handed over cannot be used: %s", error)
            finally:
                for close in closing:
                    close()


async def _received(giver: socket.socket) -> tuple[str, list[socket.socket]]:
    await _readable(giver)
    text, fds, _, _ = socket.recv_fds(giver, _LONGEST_NAME, _MOST_SOCKETS)
    return text.decode(errors="replace"), [socket.socket(fileno=fd) for fd in fds]


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, lambda: ready.done() or ready.set_result(None))  # type: ignore[func-returns-value]
    try:
        await ready
    finally:
        loop.remove_reader(connection)
