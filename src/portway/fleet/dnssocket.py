"""Sockets that DNS is answered at: made where they belong, answered by the nameserver, wherever that runs."""

import errno
import socket
from collections.abc import Iterable

PORT, OTHER_PORT = 53, 1053
"""On the host; the other one where the host forbids the first to us, or somebody has it."""
_BACKLOG = 256
_ROOM = 1 << 20
"""Bytes of queries that wait while the nameserver is started anew; the kernel may allow less."""


def on_host(address: str) -> list[socket.socket]:
    """A UDP and a listening TCP socket at `address`, port 53 or else 1053; OSError when neither can be had."""
    try:
        return bound([address], PORT)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EADDRINUSE):
            raise
    return bound([address], OTHER_PORT)


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
