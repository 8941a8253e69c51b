"""Turns queries into responses: at once from memory or the zone, later from upstream.

Responses of the zone are remembered by the query's bytes after its id, until the zone changes; lists of addresses that
take turns are not.
"""

import asyncio
from collections.abc import Callable

from portway.dns import Zone
from portway.dns.quick import Quick
from portway.dns.respond import Elsewhere, Said, passed_on, respond
from portway.nameserver.recent import Recent
from portway.nameserver.upstream import Upstream

_MOST = 8192
"""Responses remembered, of each transport, at least; twice as many at most."""
_LONGEST_QUERY, _LONGEST = 300, 1500
"""Bytes; longer queries and responses are not remembered."""
_MOST_WAITING = 4096
"""Clients that wait for upstream; there is no answer for more at once."""


def _nothing_known() -> dict[bool, Recent[bytes, bytes]]:
    """By whether it is TCP: responses without their id, by queries without theirs."""
    return {False: Recent(_MOST), True: Recent(_MOST)}


class Desk:
    """Answers for a zone (None: for nobody), and asks upstream for the rest."""

    def __init__(self, zone: Zone | None, upstream: Upstream) -> None:
        self._zone, self._upstream = zone, upstream
        self._quick = Quick(zone) if zone is not None else None
        self._known = _nothing_known()
        self._known_of = 0
        self._waiting: set[asyncio.Task[None]] = set()
        self._turn = 0

    def at_once(self, packet: bytes, tcp: bool) -> bytes | None:
        """The response to a query that needs no long thought: most of those that the zone answers."""
        zone, quick = self._zone, self._quick
        if zone is None or quick is None:
            return None
        if self._known_of != zone.changes:
            self._known, self._known_of = _nothing_known(), zone.changes
        known = self._known[tcp].get(packet[2:])
        if known is not None:
            return packet[:2] + known
        self._turn += 1
        said = quick.respond(packet, tcp, self._turn)
        if said is None:
            return None
        self._remember(packet, tcp, said)
        return said.packet

    def answer(self, packet: bytes, tcp: bool, say: Callable[[bytes], object]) -> bool:
        """Calls `say` with the response, now or later; False: there is none to this."""
        if (response := self.at_once(packet, tcp)) is not None:
            say(response)
            return True
        return self.consider(packet, tcp, say)

    def consider(self, packet: bytes, tcp: bool, say: Callable[[bytes], object]) -> bool:
        """The same for a query to which there is no response at once."""
        found = respond(self._zone, packet, tcp, self._turn)
        if isinstance(found, Said):
            self._remember(packet, tcp, found)
            say(found.packet)
        elif found is not None:
            self._ask(found, tcp, say)
        return found is not None

    def _remember(self, packet: bytes, tcp: bool, said: Said) -> None:
        if self._zone is None or said.turns > 1 or len(packet) > _LONGEST_QUERY or len(said.packet) > _LONGEST:
            return
        self._known[tcp].put(packet[2:], said.packet[2:])

    def _ask(self, asked: Elsewhere, tcp: bool, say: Callable[[bytes], object]) -> None:
        if (known := self._upstream.known(asked.wanted)) is not None:
            say(passed_on(asked, *known))
            return
        if len(self._waiting) >= _MOST_WAITING:
            say(passed_on(asked, None))
            return
        task = asyncio.create_task(self._ask_upstream(asked, tcp, say))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _ask_upstream(self, asked: Elsewhere, tcp: bool, say: Callable[[bytes], object]) -> None:
        say(passed_on(asked, await self._upstream.ask(asked.wanted, tcp)))
