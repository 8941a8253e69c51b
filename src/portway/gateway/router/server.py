"""The engine: ports, connections, the table of the moment."""

import asyncio
import contextlib
import logging
import random
import ssl
import uuid
from collections.abc import Iterator
from itertools import count
from time import monotonic, time

from portway.gateway.engine import Applied, Door, Report, Served, Told
from portway.gateway.router.asked import Target, target
from portway.gateway.router.certificates import Contexts, has_shown, name_of, refusing
from portway.gateway.router.exchange import Answering
from portway.gateway.router.face import Face
from portway.gateway.router.kept import Kept
from portway.gateway.router.narrow import Narrowed
from portway.gateway.router.newcomer import Newcomer
from portway.gateway.router.passage import Handed
from portway.gateway.router.request import Connection, Incoming, Reply, ends
from portway.routing import backend_code, certificate_for, host_of, is_misdirected, listener_for, pick
from portway.routing.door import of_door
from portway.routing.hosts import clients_of, virtual_host
from portway.routing.table import Certificate, Endpoint, Listener, Pool, RouteTable, WeightedBackend
from portway.routing.timings import Timings

log = logging.getLogger(__name__)

_SWEEP = 0.25
"""Seconds between two looks at deadlines: how exact they are."""
_TRIES = 4
"""Endpoints that a request is offered, at most."""


class BuiltinEngine:
    """One door. A table is swapped whole between two requests."""

    def __init__(self) -> None:
        self.table = RouteTable()
        self.connections: set[Connection] = set()
        self.draining = False
        self._listeners: dict[int, tuple[Listener, ...]] = {}
        self._narrowed: dict[str, Narrowed] = {}
        self._faces: dict[int, Face] = {}
        self._turns: dict[str, count[int]] = {}
        self._contexts = Contexts()

    async def start(self, door: Door, report: Report) -> None:
        """Nothing can go wrong yet: ports are opened by `apply`."""
        self.door, self._report, self.max_head = door, report, door.max_head
        self.kept = Kept(self.now, door.timings.connect, door.timings.kept)
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    @property
    def timings(self) -> Timings:
        """The door's."""
        return self.door.timings

    def now(self) -> float:
        """A clock that only goes forward."""
        return monotonic()

    def chance(self) -> float:
        """Which share a request falls into."""
        return random.random()

    async def apply(self, table: RouteTable) -> Applied:
        """Requests that come from now on find this table; connections stay."""
        mine = of_door(table, self.door.name)
        if complaint := _unsafe(mine):
            return Applied("refused", reason=complaint)
        if mine == self.table and not self._missing():
            return Applied("nothing")
        self.table = mine
        self._listeners = {
            at.port: tuple(one for one in mine.listeners if one.port == at.port) for at in mine.listeners
        }
        old = self._narrowed
        self._narrowed = {at.name: Narrowed.of(at, old.get(at.name)) for at in mine.listeners}
        self._turns = {key: turn for key, turn in self._turns.items() if key in mine.pools}
        self._contexts.keep({(one, at.clients) for at in mine.listeners for one in _certificates(mine, at)})
        self.kept.only(mine.pools.values(), mine.certificates)
        return Applied("runtime", 1, await self._open())

    async def stop(self) -> None:
        """Let what is under way end."""
        self.draining = True
        for face in self._faces.values():
            face.close()
        for client in list(self.connections):
            client.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.timings.drain):
                while self.connections or any(face.is_greeting() for face in self._faces.values()):
                    await asyncio.sleep(0.02)
        for client in list(self.connections):
            client.transport.abort()
        await asyncio.sleep(0)  # they tell that they are over
        self._sweeper.cancel()
        self.kept.close()

    # for connections and exchanges

    def listener(self, transport: asyncio.Transport, port: int, host: str) -> tuple[Listener | None, str]:
        """Who takes a request: by the server name that the connection was made with, else by Host; or why nobody."""
        name = host_of(host)
        tls = transport.get_extra_info("ssl_object")
        here = self._listeners.get(port, ())
        found = listener_for(here, self.door.name, port, name if tls is None else name_of(tls))
        if found is None:
            return None, "NO_HOST"
        if tls is not None and (not has_shown(tls, found.clients) or is_misdirected(here, found, name)):
            return None, "MISDIRECTED"
        return self._narrowed[found.name].to(name), ""

    def request_id(self) -> str:
        """As HAProxy makes them: 128 bits of chance (RFC 9562 5.4)."""
        return str(uuid.uuid4())

    def endpoints(self, key: str, pool: Pool) -> Iterator[Endpoint]:
        """In turn."""
        if not pool.endpoints:
            return
        first = next(self._turns.setdefault(key, count(random.randrange(len(pool.endpoints)))))
        for offset in range(min(_TRIES, len(pool.endpoints))):
            yield pool.endpoints[(first + offset) % len(pool.endpoints)]

    def told(self, told: Told) -> None:
        """For the log."""
        self._report(told)

    def refused(self, client: Connection, status: int) -> None:
        """What was no request: there is nothing to say of it but where it came from."""
        peer, own = ends(client.transport)
        at = next(iter(self._listeners.get(own[1], ())), None)
        self._report(
            Served(
                started=time(),
                seconds=0.0,
                client=peer,
                frontend=own,
                entry=at.entry if at else "",
                status=status,
                code="BAD_REQUEST",
            )
        )

    # for faces

    def connected(self) -> Newcomer:
        """A client comes."""
        return Newcomer(self)

    def answering(self, reply: Reply, request: Incoming) -> Answering:
        """What answers a request."""
        return Answering(self, reply, request)

    def taker(self, port: int, name: str) -> Listener | None:
        """Whose connections for this server name are."""
        return listener_for(self._listeners.get(port, ()), self.door.name, port, name)

    def context(self, listener: Listener | None, name: str) -> ssl.SSLContext:
        """What ends TLS for this server name; what has no certificate, or a bad one, is refused."""
        certificate = certificate_for(self.table, listener, name) if listener is not None else None
        if listener is None or certificate is None:
            return refusing()
        with contextlib.suppress(ssl.SSLError, ValueError):
            return self._contexts.of(certificate, listener.clients, http=listener.protocol == "HTTPS")
        return refusing()

    def handed(self, listener: Listener, name: str) -> Handed:
        """Where to go with a connection of which no requests are read."""
        narrow = self._narrowed.get(listener.name)
        host = virtual_host(narrow.to(name).hosts, name) if narrow is not None else None
        if host is None or not host.routes:
            return Handed("NO_HOST")
        route = host.routes[0]
        shares = [backend for backend in route.backends if backend.weight > 0]
        backend = pick(shares, self.chance()) if shares else WeightedBackend("")
        return Handed(backend_code(self.table, backend), route.name, backend.pool, lambda: self._targets(backend.pool))

    def _targets(self, key: str) -> Iterator[Target]:
        if (pool := self.table.pools.get(key)) is not None:
            yield from (target(endpoint, pool) for endpoint in self.endpoints(key, pool))

    # within

    def _missing(self) -> bool:
        return any(port not in self._faces for port in self._listeners)

    async def _open(self) -> str:
        """Have the ports that the table names; what could not be had, in a line."""
        wanted = {port: any(at.protocol != "HTTP" for at in here) for port, here in self._listeners.items()}
        for port, face in list(self._faces.items()):
            if wanted.get(port) != face.tls:
                self._faces.pop(port).close()
        complaints = []
        for port, tls in wanted.items():
            if port not in self._faces:
                try:
                    self._faces[port] = await Face.opened(self, port, tls)
                except OSError as error:
                    complaints.append(f"port {port}: {error.strerror or error}")
        return "; ".join(complaints)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = self.now()
            for client in list(self.connections):
                client.check(now)
            self.kept.sweep(now)


def _unsafe(table: RouteTable) -> str:
    """Why a table is not served."""
    try:
        for port in {at.port for at in table.listeners}:
            clients_of(at for at in table.listeners if at.port == port)
    except ValueError as error:
        return str(error)
    return ""


def _certificates(table: RouteTable, listener: Listener) -> list[Certificate]:
    return [table.certificates[name] for name in listener.certificates if name in table.certificates]
