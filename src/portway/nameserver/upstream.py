"""Asks other resolvers: each in turn, a second at a time, twice; none answers: no reply, which becomes SERVFAIL.

Every query has a socket of its own, and so a source port and an id that nobody can guess (RFC 5452).
"""

import asyncio
import logging
import secrets
import socket

from msgspec import Struct

from portway.dns.message import Malformed
from portway.dns.name import Name
from portway.dns.respond import Relayed, Wanted, question_of, relayed
from portway.dns.stubs import Address
from portway.nameserver.remembered import Remembered
from portway.nameserver.routes import Routes

log = logging.getLogger(__name__)

_MOST_UNDER_WAY = 512
"""Questions; there is no answer for more at once."""
_LARGEST = 65535


class Patience(Struct, frozen=True):
    """How long is waited, in seconds, and how often is asked."""

    one: float = 1.0
    """For one resolver."""
    all: float = 4.0
    """For all of them: less than the 5 s after which a client's own resolver asks again."""
    rounds: int = 2
    avoided: float = 10.0
    """For so long a resolver that did not answer is asked last."""


PATIENCE = Patience()


class Upstream:
    """The resolvers that are asked for what the zone does not know."""

    def __init__(self, routes: Routes, patience: Patience = PATIENCE) -> None:
        self._routes, self._patience = routes, patience
        self._remembered = Remembered()
        self._under_way: dict[tuple[Wanted, bool], asyncio.Task[Relayed | None]] = {}
        self._avoided: dict[Address, float] = {}

    def forget(self) -> None:
        """What was remembered may be somebody else's to answer now."""
        self._remembered = Remembered()

    def known(self, wanted: Wanted) -> tuple[Relayed, int] | None:
        """A remembered response, and its age."""
        return self._remembered.get(wanted, _now())

    async def ask(self, wanted: Wanted, tcp: bool = False) -> Relayed | None:
        """Somebody's response; with `tcp` the whole of it. None: there is none."""
        key = wanted, tcp
        asking = self._under_way.get(key)
        if asking is None:
            if len(self._under_way) >= _MOST_UNDER_WAY:
                return None
            asking = self._under_way[key] = asyncio.create_task(self._ask(wanted, tcp))
            asking.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(self, wanted: Wanted, tcp: bool) -> Relayed | None:
        try:
            async with asyncio.timeout(self._patience.all):
                for _ in range(self._patience.rounds):
                    for server in self._in_order(wanted.name):
                        if (reply := await self._try(server, wanted, tcp)) is not None:
                            self._remembered.put(wanted, reply, _now())
                            return reply
        except TimeoutError:
            pass
        return None

    def _in_order(self, name: Name) -> list[Address]:
        now = _now()
        return sorted(self._routes.servers(name), key=lambda server: self._avoided.get(server, 0.0) > now)

    async def _try(self, server: Address, wanted: Wanted, tcp: bool) -> Relayed | None:
        try:
            async with asyncio.timeout(self._patience.one):
                reply = await self._over_udp(server, wanted)
                if reply.truncated and tcp:
                    reply = await self._over_tcp(server, wanted)
        except (OSError, TimeoutError, Malformed) as error:
            if self._avoided.get(server, 0.0) <= _now():
                log.info("resolver %s: %s", server[0], error or "no answer")
            self._avoided[server] = _now() + self._patience.avoided
            return None
        self._avoided.pop(server, None)
        return reply if reply.rcode in (0, 3) else None

    async def _over_udp(self, server: Address, wanted: Wanted) -> Relayed:
        loop = asyncio.get_running_loop()
        ident = secrets.randbits(16)
        with await self._routes.socket(server, socket.SOCK_DGRAM) as asking:
            await loop.sock_connect(asking, server)
            await loop.sock_sendall(asking, question_of(wanted, ident))
            while True:
                packet = await loop.sock_recv(asking, _LARGEST)
                try:
                    return relayed(packet, wanted, ident)
                except Malformed as why:  # perhaps somebody else's: the true one may still come
                    log.debug("a datagram of %s: %s", server[0], why)

    async def _over_tcp(self, server: Address, wanted: Wanted) -> Relayed:
        ident = secrets.randbits(16)
        query = question_of(wanted, ident)
        asking = await self._routes.socket(server, socket.SOCK_STREAM)
        try:
            await asyncio.get_running_loop().sock_connect(asking, server)
            reader, writer = await asyncio.open_connection(sock=asking)
        except BaseException:
            asking.close()
            raise
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return relayed(await reader.readexactly(size), wanted, ident)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the connection was closed early") from error
        finally:
            writer.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
