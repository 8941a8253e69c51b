"""Where queries come in: sockets that are handed over, and the host's own.

Who has sockets for us (a kubelet, from a pod's or its node's network) connects to a Unix socket of ours and sends one
packet, the desk's name, with the sockets (SCM_RIGHTS). It is answered `ok` once they are answered at; the connection
stays, and when it ends, so do the doors; on it we ask for unconnected sockets of the same network (`udp4`, `tcp6`, …).
Whoever handed them over keeps them open too: while this process is started anew, queries wait in them.
"""

import asyncio
import logging
import os
import socket
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from portway.nameserver.desk import Desk
from portway.nameserver.tcp import Connections, TcpDoor
from portway.nameserver.udp import UdpDoor

log = logging.getLogger(__name__)

CLUSTER, HOST = "cluster", "host"
"""The desks: one knows the zone, the other only forwards, as a node's own resolver does."""
_MOST_SOCKETS = 16
_LONGEST_NAME = 64


class Doors:
    """Opens doors to desks."""

    def __init__(self, desks: Mapping[str, Desk] | None = None) -> None:
        self.desks = desks or {}
        self._connections = Connections()
        self._givers: dict[socket.socket, None] = {}
        """Connections of pods behind kube-dns."""
        self._lent: defaultdict[str, asyncio.Queue[socket.socket]] = defaultdict(asyncio.Queue)

    async def open(self, door: socket.socket, desk: str) -> Callable[[], None]:
        """Answer at a bound UDP or listening TCP socket; returns what closes it."""
        if door.type == socket.SOCK_DGRAM:
            return UdpDoor(door, self.desks[desk]).close
        made = TcpDoor(self.desks[desk], self._connections)
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
                await self._stay(giver, desk)
            except (OSError, KeyError) as error:
                log.warning("sockets that were handed over cannot be used: %s", error)
            finally:
                if giver in self._givers:
                    del self._givers[giver]
                    self._lent.clear()
                for close in closing:
                    close()

    async def _stay(self, giver: socket.socket, desk: str) -> None:
        """Take what it lends; returns when it is gone."""
        if desk == CLUSTER:
            self._givers[giver] = None
        while True:
            text, sockets = await _received(giver)
            if not text:
                return
            for each in sockets:
                self._lent[text].put_nowait(each)

    async def borrow(self, family: int, kind: int) -> socket.socket:
        """An unconnected socket of the network of a pod behind kube-dns; OSError when there is no such pod."""
        name = f"{'udp' if kind == socket.SOCK_DGRAM else 'tcp'}{6 if family == socket.AF_INET6 else 4}"
        if self._lent[name].empty():
            giver = next(iter(self._givers), None)
            if giver is None:
                raise OSError("no pod is behind kube-dns")
            giver.send(name.encode())
        return await self._lent[name].get()


async def _received(giver: socket.socket) -> tuple[str, list[socket.socket]]:
    await _readable(giver)
    text, fds, _, _ = socket.recv_fds(giver, _LONGEST_NAME, _MOST_SOCKETS)
    made = [socket.socket(fileno=fd) for fd in fds]
    for each in made:
        each.setblocking(False)
    return text.decode(errors="replace"), made


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, lambda: ready.done() or ready.set_result(None))  # type: ignore[func-returns-value]
    try:
        await ready
    finally:
        loop.remove_reader(connection)
