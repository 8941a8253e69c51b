"""Connections to backends that HAProxy cannot check: it comes to a socket of ours, and we go on by TLS.

Not a byte goes to a backend before its certificate has been checked. Of one that cannot be trusted HAProxy's
connection ends without an answer, which it tells its client (502).
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from portway.gateway.backendtls import BackendContexts, connect, why
from portway.gateway.haproxy.identity import hand
from portway.gateway.router.splice import Splice, join
from portway.routing.haproxy.upstreams import Escorted
from portway.routing.table import BackendTls, Certificate, Endpoint

log = logging.getLogger(__name__)


class Escorts:
    """Sockets by path, and what is done there."""

    def __init__(self, connect_seconds: float, visitor: int) -> None:
        """`visitor`: the user who may come, besides root; 0: whoever we are."""
        self._seconds, self._visitor = connect_seconds, visitor
        self._contexts = BackendContexts()
        self._servers: dict[str, asyncio.Server] = {}
        self._certificates: Mapping[str, Certificate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: dict[tuple[str, int], str] = {}
        """Why the last connection to an endpoint was none."""

    async def open(self, wanted: Mapping[str, Escorted], certificates: Mapping[str, Certificate]) -> None:
        """Have these sockets, beside those that are there: before anybody is told of them. Raises OSError."""
        self._certificates = certificates
        for path, what in wanted.items():
            if path not in self._servers:
                Path(path).unlink(missing_ok=True)
                loop = asyncio.get_running_loop()
                self._servers[path] = await loop.create_unix_server(partial(_Inside, self, what), path)
                hand(Path(path), self._visitor)

    def only(self, wanted: Mapping[str, Escorted]) -> None:
        """Close the others: nobody comes there any more. Connections stay."""
        for path in self._servers.keys() - wanted.keys():
            self._servers.pop(path).close()
            Path(path).unlink(missing_ok=True)
        self._contexts.keep({what.tls for what in wanted.values()})
        there = {(what.endpoint.address, what.endpoint.port) for what in wanted.values()}
        self._failed = {at: reason for at, reason in self._failed.items() if at in there}

    def close(self) -> None:
        """All of them."""
        self.only({})
        for task in self._tasks:
            task.cancel()

    def has_failed(self, at: tuple[str, int]) -> bool:
        """Whether the last connection to this endpoint was given up for its TLS."""
        return at in self._failed

    def came(self, inside: "_Inside", what: Escorted) -> None:
        """HAProxy wants to go there."""
        task = asyncio.get_running_loop().create_task(self._go(inside, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go(self, inside: "_Inside", what: Escorted) -> None:
        endpoint, at = what.endpoint, (what.endpoint.address, what.endpoint.port)
        try:
            async with asyncio.timeout(self._seconds):
                outside = await self._connected(endpoint, what.tls, what.http2)
        except ssl.SSLError as error:
            if self._failed.get(at) != why(error):
                log.warning("%s port %d: %s", *at, why(error))
            self._failed[at] = why(error)
            inside.transport.close()
        except OSError as error:
            log.debug("%s port %d: %s", *at, error)
            inside.transport.close()
        else:
            self._failed.pop(at, None)
            join(inside, outside)

    async def _connected(self, endpoint: Endpoint, tls: BackendTls, http2: bool) -> Splice:
        certificate = self._certificates.get(tls.certificate) if tls.certificate else None
        context, outside = self._contexts.of(tls, certificate, http2=http2), Splice()
        await connect(outside, (endpoint.address, endpoint.port), tls, context, "", http2=http2)
        return outside


class _Inside(Splice):
    """HAProxy's side."""

    def __init__(self, escorts: Escorts, what: Escorted) -> None:
        super().__init__()
        self._escorts, self._what = escorts, what

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read before there is somebody to read it."""
        super().connection_made(transport)
        self._escorts.came(self, self._what)
