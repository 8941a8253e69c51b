"""A copy of a request for another backend, whose answer nobody reads."""

import asyncio
import logging

from portway.routing.table import Endpoint

log = logging.getLogger(__name__)

_MOST_WAITING = 1 << 20
"""Bytes that wait for a slow mirror, before its copy is given up: the client must not wait for it."""
_SECONDS = 10.0


class Mirror(asyncio.Protocol):
    """One copy: what is written goes there once it is connected."""

    def __init__(self, endpoint: Endpoint, head: bytes) -> None:
        self._waiting: list[bytes] = [head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)]
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._task = asyncio.get_running_loop().create_task(self._connect(endpoint))

    async def _connect(self, endpoint: Endpoint) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self, endpoint.address, endpoint.port)
        except OSError as error:
            log.debug("no copy for %s:%s: %s", endpoint.address, endpoint.port, error)
            self._lost = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        for piece in self._waiting:
            transport.write(piece)
        self._waiting.clear()
        asyncio.get_running_loop().call_later(_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._lost = True

    def write(self, data: bytes) -> None:
        """More of the body."""
        if self._lost:
            return
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > _MOST_WAITING:
                self._transport.abort()
