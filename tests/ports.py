"""Ports of the loopback that no other test has, whichever worker of pytest-xdist runs it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
_PORTS = iter(range(10000 + 4000 * _WORKER + os.getpid() % 2000, 14000 + 4000 * _WORKER))
"""Below those that the kernel gives to servers and clients; each worker has its own."""


def free_port() -> int:
    """A port that was free a moment ago; never the same one twice."""
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@contextmanager
def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM, address: str = "127.0.0.1") -> Iterator[int]:
    """One where nobody answers, and that nobody else gets meanwhile: it is bound, and neither listens nor reads."""
    with socket.socket(socket.AF_INET, kind) as bound:
        bound.bind((address, 0))
        if kind == socket.SOCK_DGRAM:  # datagrams of others than its peer are refused (man 7 udp)
            bound.connect((address, 9))
        yield bound.getsockname()[1]
