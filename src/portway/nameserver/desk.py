"""Turns queries into responses: at once from memory or the zone, later from upstream.

Responses of the zone are remembered by the query's bytes after its id, until the zone changes.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from portway.dns import Zone
from portway.dns.quick import Said
from portway.dns.respond import Elsewhere, passed_on, respond
from portway.nameserver.recent import Recent
from portway.nameserver.upstream import Upstream

_MOST = 8192
"""Responses remembered, of each transport, at least; twice as many at most."""
_LONGEST_QUERY, _LONGEST = 300, 1500
"""Bytes; longer queries and responses are not remembered."""
_MOST_WAITING = 4096
"""Clients that wait for upstream; there is no answer for more at once."""
_TURNS = 8
"""Lists of so many addresses are remembered in each of their turns; longer ones are made anew."""


class _Known(Struct):
    changes: int
    """The zone's, when they were made."""
    packets: list[bytes]
    """Without the id; they take turns."""
    turn: int = 0


class Desk:
    """Answers for a zone (None: for nobody), and asks upstream for the rest."""

    def __init__(self, zone: Zone | None, upstream: Upstream) -> None:
        self._zone, self._upstream = zone, upstream
        self._known: dict[bool, Recent[bytes, _Known]] = {False: Recent(_MOST), True: Recent(_MOST)}
        self._waiting: set[asyncio.Task[None]] = set()
        self._turn = 0

    def remembered(self, packet: bytes, tcp: bool) -> bytes | None:
        """The response to a query, if there was one like it since the zone changed."""
        known = self._known[tcp].get(packet[2:])
        if known is None or self._zone is None or known.changes != self._zone.changes:
            return None
        known.turn = turn = (known.turn + 1) % len(known.packets)
        return packet[:2] + known.packets[turn]

    def answer(self, packet: bytes, tcp: bool, say: Callable[[bytes], object]) -> bool:
        """Calls `say` with the response, now or later; False: there is none to this."""
        if (known := self.remembered(packet, tcp)) is not None:
            say(known)
            return True
        self._turn += 1
        found = respond(self._zone, packet, tcp, self._turn)
        if isinstance(found, Said):
            self._remember(packet, tcp, found)
            say(found.packet)
        elif found is not None:
            self._ask(found, tcp, say)
        return found is not None

    def _remember(self, packet: bytes, tcp: bool, said: Said) -> None:
        long = len(packet) > _LONGEST_QUERY or len(said.packet) > _LONGEST
        if self._zone is None or long or said.turns > _TURNS:
            return
        packets = [said.packet[2:]]
        for turn in range(self._turn + 1, self._turn + said.turns):
            other = respond(self._zone, packet, tcp, turn)
            packets += [other.packet[2:]] if isinstance(other, Said) else []
        self._known[tcp].put(packet[2:], _Known(self._zone.changes, packets))

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
