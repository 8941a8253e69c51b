"""The last step of `portway up`: LoadBalancers that answer, and those of which this machine only seems to be answered.

The relay takes every connection before it knows whether somebody inside does; here it takes them and does no more.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from portway.analysis.ports import PortRow
from portway.cli import balancers
from portway.fleet import dialer, hostdoors
from portway.fleet.hostdoors import HostDoor

INSIDE, HERE = "127.66.9.1", "127.66.9.2"


@pytest.fixture
def dial(tmp_path: Path) -> Iterator[Path]:
    """Where sockets are handed out: of this process's own network."""
    path = tmp_path / "dial.sock"
    listening = dialer.listen(path)

    def serve() -> None:
        with suppress(OSError):  # it is shut down
            while True:
                client, _ = listening.accept()
                with client:
                    while dialer.answer(client, dialer.Doors()):
                        pass

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    yield path
    listening.shutdown(socket.SHUT_RDWR)
    serving.join(60)
    listening.close()


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[socket.socket]:
    """Takes connections and holds them."""
    with closing(socket.create_server((HERE, 0))) as listening:
        yield listening


def _row(port: int) -> PortRow:
    return PortRow("shop", "web", "LoadBalancer", ("10.96.0.9",), "http", "TCP", port, 80, (80,), 0, 1, 1, (INSIDE,))


async def _nothing(waiting: object) -> dict[PortRow, str]:
    return {}


async def test_who_is_taken_by_the_relay_is_not_answered_yet(tmp_path: Path, dial: Path, relay: socket.socket) -> None:
    with closing(socket.socket()) as inside:
        inside.bind((INSIDE, 0))
        port = inside.getsockname()[1]
        doors = tmp_path / "doors.json"
        hostdoors.write(doors, [HostDoor(INSIDE, "TCP", port, HERE, relay.getsockname()[1])])
        row = _row(port)
        told = await balancers.until_open([row], doors, dial, 0.1, _nothing)
        assert told == [f"shop/web:{port} at {HERE}:{relay.getsockname()[1]}"]
        waits = asyncio.create_task(balancers.until_open([row], doors, dial, 60, _nothing))
        inside.listen()
        assert await waits == []


async def test_who_cannot_be_answered_is_not_waited_for(tmp_path: Path, dial: Path, relay: socket.socket) -> None:
    row = _row(9)

    async def hopeless(waiting: object) -> dict[PortRow, str]:
        return {row: "LB_NOT_ADVERTISED: nobody announces it"}

    doors = tmp_path / "doors.json"
    hostdoors.write(doors, [HostDoor(INSIDE, "TCP", 9, HERE, relay.getsockname()[1])])
    async with asyncio.timeout(60):
        told = await balancers.until_open([row], doors, dial, 3600, hopeless)
    assert told == [f"shop/web:9 at {HERE}:{relay.getsockname()[1]} (LB_NOT_ADVERTISED: nobody announces it)"]
