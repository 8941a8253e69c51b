"""What keeps clients from the addresses that this node answers for: looked for, and told where people look.

Others who claim an address are heard when they answer our probes or announce it themselves. What is known stands in the
node's Lease, where `portway trace` reads it; a conflict is an Event at the address's Services too.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable

from msgspec.structs import replace

from portway.agent.announce import interfaces
from portway.agent.announce.figures import Figures
from portway.agent.announce.leases import FAILURES, Leases, now
from portway.agent.events import Events
from portway.loadbalancer.doubts import doubts
from portway.model.loadbalancer import Doubt, ServiceKey

log = logging.getLogger(__name__)

PROBE_SECONDS = 60.0
"""Between questions whether somebody else has an address."""
_FORGET_SECONDS = 2.5 * PROBE_SECONDS
_RETRY_SECONDS = 1.0
_COALESCE = 0.05


class Doubting:
    """`heard` and `follow` return at once; `run` writes."""

    def __init__(
        self, leases: Leases, figures: Figures, events: Events, services: Callable[[str], Collection[ServiceKey]]
    ) -> None:
        self._leases, self._figures, self._events, self._services = leases, figures, events, services
        self._rivals: dict[str, dict[str, float]] = {}
        """By address: when each MAC last claimed it."""
        self._interfaces: frozenset[str] = frozenset()
        self._of_peers: frozenset[Doubt] = frozenset()
        self._routers: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    def heard(self, address: str, mac: bytes) -> None:
        """This MAC says that it has an address of ours. Who takes over an address says so too, and is none."""
        if self._leases.may_answer(address):
            macs = self._rivals.setdefault(address, {})
            if (written := mac.hex(":")) not in macs:
                self._changed.set()
            macs[written] = now()

    def follow(self, names: Collection[str]) -> None:
        """The interfaces on which this node answers now."""
        if self._interfaces != (wanted := frozenset(names)):
            self._interfaces = wanted
            self._changed.set()

    def follow_peers(self, doubts: Iterable[Doubt], routers: Iterable[str]) -> None:
        """What is wrong with routers, of which others tell people, but for who reads the Lease; and the addresses of
        those that are told of this node: by their way clients come in.
        """
        if (self._of_peers, self._routers) != (wanted := (frozenset(doubts), frozenset(routers))):
            self._of_peers, self._routers = wanted
            self._changed.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._changed.clear()
            seconds = PROBE_SECONDS if await self._told(self._found()) else _RETRY_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
                    await asyncio.sleep(_COALESCE)
            except TimeoutError:
                continue

    def _found(self) -> tuple[Doubt, ...]:
        """What is so now. Claims that nobody repeats are forgotten, and those of addresses that are not ours now."""
        old = now() - _FORGET_SECONDS
        self._rivals = {
            address: lately
            for address, macs in self._rivals.items()
            if self._leases.may_answer(address) and (lately := {mac: at for mac, at in macs.items() if at > old})
        }
        answering = interfaces.faces(self._interfaces)
        routed = interfaces.faces(interfaces.leading_to(self._routers) - self._interfaces)
        # a router asks for the node's own address, which radios pass on
        return doubts([*answering, *(replace(face, wireless=False) for face in routed)], self._rivals)

    async def _told(self, found: tuple[Doubt, ...]) -> bool:
        """Whether it could be written."""
        news = set(found) - set(self._figures.doubts)
        self._figures.doubts = found
        for doubt in sorted(news):
            log.warning("%s: %s", doubt.code, doubt.message)
            for service in self._services(doubt.address) if doubt.address else ():
                self._events.two_answer(service, doubt.message)
        try:
            await self._leases.doubt(tuple(sorted((*found, *self._of_peers))))
        except FAILURES:
            return False
        return True
