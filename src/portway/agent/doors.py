"""The TCP ports and Unix sockets on which an agent answers HTTP: opened and closed as wanted, on the event loop.

Most agents have one or none of them, so aiohttp's server is imported with the first door.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from portway import strangers
from portway.agent.health import Answer
from portway.model.address import canonical_address

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_ALWAYS = {"X-Content-Type-Options": "nosniff"}
"""As on every answer of kube-proxy."""
Answering = Callable[[str], Answer]
"""From a request's path to its answer, whatever the method."""
Complaining = Callable[["Door", str], None]
"""Is told which door cannot be opened and why, once until it is or the reason is another."""


class Door(Struct, frozen=True):
    """An address and a port to listen on; "" is every address of both families. Or a Unix socket's path and port 0."""

    address: str
    port: int
    purpose: str
    """For a person who reads the log."""

    def __str__(self) -> str:
        if not self.port:
            return f"{self.address} ({self.purpose})"
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port} ({self.purpose})"


def door_at(bind_address: str, purpose: str) -> Door:
    """The door of a --…-bind-address: `IP:PORT` or `:PORT`. Raises ValueError."""
    host, colon, port = bind_address.rpartition(":")
    address = host.removeprefix("[").removesuffix("]")
    if not (colon and port.isascii() and port.isdecimal() and 0 < int(port) < 65536 and _is_host(host, address)):
        raise ValueError(f"{bind_address!r}: must be IP:PORT, an IPv6 address in brackets")
    # Go listens on both families wherever the address is unspecified, and so does kube-proxy.
    return Door("" if address in ("0.0.0.0", "::") else address, int(port), purpose)


def _is_host(host: str, address: str) -> bool:
    if not host:
        return True
    return bool(canonical_address(address)) and host.startswith("[") == (":" in address)


class Doors:
    """Those that are open."""

    def __init__(self, complain: Complaining = lambda *_: None) -> None:
        self._complain = complain
        self._open: dict[Door, asyncio.Server] = {}
        self._complaints: dict[Door, str] = {}

    async def follow(self, wanted: Mapping[Door, Answering]) -> bool:
        """Close what is not wanted, open what is; False when some door cannot be opened, which is said once."""
        for door in self._open.keys() - wanted.keys():
            await self._close(door)
        self._complaints = {door: text for door, text in self._complaints.items() if door in wanted}
        for door in wanted.keys() - self._open.keys():
            await self._try(door, wanted[door])
        return not self._complaints

    async def close(self) -> None:
        """Close all."""
        await self.follow({})

    async def _close(self, door: Door) -> None:
        self._open.pop(door).close()

    async def _try(self, door: Door, answering: Answering) -> None:
        try:
            self._open[door] = await _listen(door, answering)
        except OSError as error:
            complaint = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            if self._complaints.get(door) != complaint:
                log.error("cannot listen on %s: %s; trying again every %g s", door, complaint, RETRY_SECONDS)
                self._complain(door, complaint)
            self._complaints[door] = complaint
        else:
            self._complaints.pop(door, None)


async def _listen(door: Door, answering: Answering) -> asyncio.Server:
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.Response:
        told = answering(request.path)
        # A probe's connection ends with its answer: nobody's is left when a door closes.
        headers = {"Content-Type": told.content_type, "Connection": "close", **_ALWAYS, **dict(told.headers)}
        response = web.Response(status=told.status, body=told.body.encode(), headers=headers)
        response.force_close()
        return response

    loop = asyncio.get_running_loop()
    server = web.Server(answer, access_log=None, logger=strangers.log)
    if not door.port:
        Path(door.address).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await loop.create_unix_server(server, door.address)
    return await loop.create_server(server, door.address or None, door.port, reuse_address=True)
