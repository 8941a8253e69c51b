"""Checks from the host that nodePorts answer: the last step of `portway up`."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from portway.analysis.ports import PortRow

_LISTENS = 0.02
"""A refused connection is reset within a millisecond or two; one that stays open this long was accepted (seconds)."""


async def until_open(rows: Iterable[PortRow], addresses: list[str], seconds: float) -> list[str]:
    """Waits for every TCP nodePort with a ready backend on every address; returns the sockets that stay closed."""
    ports = {row.node_port for row in rows if row.node_port and row.ready and row.protocol == "TCP"}
    deadline = time.monotonic() + seconds
    closed = [(address, port) for address in addresses for port in sorted(ports)]
    while closed and time.monotonic() < deadline:
        answers = await asyncio.gather(*(is_open(*door) for door in closed))
        closed = [door for door, answer in zip(closed, answers, strict=True) if not answer]
    return [f"{address}:{port}" for address, port in closed]


async def is_open(address: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError:
        await asyncio.sleep(_LISTENS)
        return False
    try:
        return await _stays(reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _stays(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), _LISTENS)
    except TimeoutError:
        return True
    except OSError:
        return False
    return not reader.at_eof()
