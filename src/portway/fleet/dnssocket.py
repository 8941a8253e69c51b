"""Sockets that DNS is answered at: made where they belong, answered by the nameserver, wherever that runs."""

import errno
import socket
from collections.abc import Iterable
from pathlib import Path

from portway.fleet import hostdoors
from portway.fleet.relay.balancers import instead_of

PORT = 53
_BACKLOG = 256
_ROOM = 1 << 20
"""Bytes of queries that wait while the nameserver is started anew; the kernel may allow less."""


def on_host(address: str) -> list[socket.socket]:
    """A UDP and a listening TCP socket at `address`, port 53 or the first instead of it; OSError when there is none."""
    problem: OSError | None = None
    for port in instead_of(PORT):
        try:
            return bound([address], port)
        except OSError as error:
            problem = error
            if error.errno not in (errno.EACCES, errno.EADDRINUSE):
                break
    raise problem or OSError(errno.EADDRNOTAVAIL, "no port is left")


def note(port: int) -> str:
    """Why the host's door has another port than 53, and what changes that; empty when it has not."""
    try:
        first = int(Path("/proc/sys", *hostdoors.UNPRIVILEGED.split(".")).read_text())
    except OSError:
        first = 1024
    return hostdoors.note(PORT, port, taken=hostdoors.EVERYBODY if first <= PORT else "")


def bound(addresses: Iterable[str], port: int = PORT, shared: bool = False) -> list[socket.socket]:
    """A UDP and a listening TCP socket at each address; OSError when one of them cannot be had.

    `shared`: also while an earlier process of ours still has them (SO_REUSEPORT).
    """
    made = list[socket.socket]()
    try:
        for address in addresses:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                made.append(socket.socket(family, kind | socket.SOCK_NONBLOCK))
                _bind(made[-1], address, port, shared)
    except OSError:
        for each in made:
            each.close()
        raise
    return made


def _bind(made: socket.socket, address: str, port: int, shared: bool) -> None:
    listens = made.type == socket.SOCK_STREAM
    if listens:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    made.bind((address, port))
    if listens:
        made.listen(_BACKLOG)
