"""What this node announces: objects in, election, sockets."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec import Struct

from portway.agent.announce import interfaces
from portway.agent.announce.doubting import PROBE_SECONDS, Doubting
from portway.agent.announce.figures import Figures, Told
from portway.agent.announce.lan import Lan
from portway.agent.announce.leases import FAILURES, Leases, now
from portway.agent.announce.objects import Objects
from portway.agent.announce.pace import Pace
from portway.agent.announce.refusing import Refusing
from portway.agent.announce.speaker import Speaker
from portway.agent.announce.statuses import Statuses, by_service
from portway.loadbalancer.announcement import Candidates
from portway.loadbalancer.bgp import Route, Telling
from portway.loadbalancer.election import Situation, Timing, move
from portway.loadbalancer.peers import doubt_of, without_session
from portway.model.loadbalancer import ServiceKey

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.2
_AGAIN_SECONDS = (1.0, 2.0)
"""When an address is announced again after it came: the first word may be lost."""
_COALESCE = 0.01
"""Seconds after a change before it is acted on: changes come together."""


class AnnounceConfig(Struct, frozen=True):
    """What an announcer is told."""

    node_name: str
    api_socket: str = ""
    """A fleet's API server; else `kubeconfig`."""
    kubeconfig: str = ""
    """Empty: where kubectl looks, or the cluster this pod runs in."""
    lease_seconds: float = 0.8
    """Without a sign of life for so long, a node's addresses go to others."""
    metrics_socket: str = ""
    """The path of a Unix socket that answers /metrics; empty: none."""


class Announcer:
    """Runs on one event loop; `step` is one round of decisions."""

    def __init__(
        self,
        me: str,
        timing: Timing,
        leases: Leases,
        objects: Objects,
        changed: asyncio.Event,
        figures: Figures,
        statuses: Statuses,
        doubting: Doubting,
        refusing: Refusing,
    ) -> None:
        self._me, self._timing, self._leases, self._objects = me, timing, leases, objects
        self._changed, self._figures, self._statuses = changed, figures, statuses
        self._doubting, self._refusing = doubting, refusing
        self._lans: dict[str, Lan] = {}
        self._macs: dict[str, bytes] = {}
        self._carrying: dict[str, set[str]] = {}
        self._vacant: dict[str, float] = {}
        self._holding = asyncio.Event()
        self._said = ""
        self._speaker = Speaker(figures, changed.set)
        figures.fresh = lambda: leases.fresh

    async def run(self) -> None:
        """For ever."""
        self.look_at_links()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_links())
            group.create_task(self._beat_for_ever())
            group.create_task(self._speaker.run())
            group.create_task(self._statuses.run())
            group.create_task(self._doubting.run())
            group.create_task(self._probe_for_ever())
            pace = Pace(_COALESCE)
            while True:
                self._changed.clear()
                with pace:
                    due = await self._attempt()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(due or None):
                        await self._changed.wait()
                        await asyncio.sleep(pace.pause())

    async def _attempt(self) -> float:
        """A round, or the time until the next attempt at one; a failure that lasts is told once."""
        self._figures.rounds += 1
        self._figures.stale = self._objects.silent
        try:
            due = await self.step()
        except (*FAILURES, OSError) as failure:
            self._figures.failures += 1
            if (said := str(failure)) != self._said:
                log.warning("announcing: %s", said or "the API server does not answer")
            self._said = said
            return _RETRY_SECONDS
        self._said = ""
        return due

    async def step(self) -> float:
        """One round; the seconds after which the next is due without a change (0: none is).

        Raises ApiError, Unreachable, TimeoutError; OSError for an interface that went.
        """
        routed = self._objects.routed()
        self._speaker.follow(self._objects.bgp_configurations(routed))
        self._tell_of_peers(routed)
        wanted = self._objects.candidates()
        moves = {address: self._move(address, found) for address, found in wanted.items()}
        mine = {address for address, (verb, _) in moves.items() if verb == "announce"}
        places = {address: self._interfaces(wanted[address]) for address in mine}
        self._answer_for(places)
        self._tell_of(places, routed)
        verbs = await self._claims([a for a, (verb, _) in moves.items() if verb == "claim"])
        verbs += [self._leases.release(a) for a, (verb, _) in moves.items() if verb == "release"]
        verbs += [self._forget(address) for address in set(self._leases.addresses()) - wanted.keys()]
        for outcome in await asyncio.gather(*verbs, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return min((due for _, due in moves.values() if due > 0), default=0.0)

    def _tell_of_peers(self, routed: list[Telling]) -> None:
        """Routers that are told nothing, and those that are told something."""
        silent = [without_session(*one) for one in self._speaker.silent()]
        refused = [*self._objects.refused_peers(), *silent]
        self._refusing.follow(refused)
        self._doubting.follow_peers(map(doubt_of, refused), (each.peer.address for each in routed))

    def _tell_of(self, mine: Mapping[str, set[str]], routed: list[Telling]) -> None:
        """What is told from here, for who asks."""
        layer2 = (Told("layer2", "/".join(key), a) for a in mine for key in self._objects.services_at(a))
        by_bgp = (Told("bgp", "/".join(each.service), each.address) for each in routed)
        self._figures.told = frozenset((*layer2, *by_bgp))
        routes: dict[str, set[Route]] = {f"{peer.address}:{peer.port}": set() for peer in self._objects.peers()}
        for each in routed:
            routes[f"{each.peer.address}:{each.peer.port}"].add(each.route)
        self._figures.prefixes = {peer: len(told) for peer, told in routes.items()}
        peers: dict[ServiceKey, set[str]] = {}
        for each in routed:
            peers.setdefault(each.service, set()).add(each.peer.name)
        at = self._objects.services_at
        self._statuses.follow(by_service(mine, at), peers, by_service(self._leases.holders(), at))

    def _move(self, address: str, found: Candidates) -> tuple[str, float]:
        lease = self._leases.of(address)
        holder = lease.holder if lease else ""
        left = self._leases.dies_in(holder) if holder else 0.0
        vacant = not holder or left <= 0
        if not vacant:
            self._vacant.pop(address, None)
        since = self._vacant.setdefault(address, now()) if vacant else now()
        situation = Situation(
            self._me,
            found.ranked,
            holder,
            not vacant,
            bool(self._interfaces(found)),
            now() - since,
            frozenset({holder} if holder and vacant else ()),
        )
        verb, due = move(situation)
        watching = 0 < left < float("inf") and self._me in found.ranked
        return verb, (left + 0.001 if watching else due)

    def _interfaces(self, found: Candidates) -> set[str]:
        """Those that have a link, of those on which this node may announce."""
        named = found.interfaces.get(self._me)
        if named is None:
            return set()
        own = {name for address in self._objects.own_addresses for name in self._carrying.get(address, ())}
        return (set(named) or own) & self._macs.keys()

    async def _claims(self, addresses: list[str]) -> list[Coroutine[Any, Any, None]]:
        """Claims of all of them at once; others must see that this node lives before."""
        if addresses and not self._leases.fresh:
            await self._leases.beat()
        return [self._claim(address) for address in addresses]

    async def _claim(self, address: str) -> None:
        if await self._leases.claim(address):
            log.info("%s is announced from here", address)
            self._changed.set()

    async def _forget(self, address: str) -> None:
        """Its Service is gone: who holds its Lease deletes it. One that nobody living holds is claimed for that, for
        a Lease that another is just claiming must not go."""
        lease = self._leases.of(address)
        if lease is None:
            return
        if lease.holder == self._me:
            await self._leases.forget(address)
        elif (not lease.holder or self._leases.dies_in(lease.holder) <= 0) and await self._leases.claim(address):
            self._changed.set()

    def _answer_for(self, places: Mapping[str, set[str]]) -> None:
        """Answer for these addresses, on their interfaces, and for no others."""
        if places:
            self._holding.set()
        else:
            self._holding.clear()
        for name in self._lans.keys() | {name for names in places.values() for name in names}:
            self._answer_on(name, [address for address, names in places.items() if name in names])
        self._doubting.follow(self._lans)

    def _answer_on(self, name: str, addresses: list[str]) -> None:
        lan = self._lans.get(name)
        if lan is not None and (not addresses or self._macs.get(name) != lan.mac):
            self._lans.pop(name).close()
            lan = None
        if lan is None and addresses:
            lan = self._lans[name] = Lan(name, self._macs[name], self._leases.may_answer, self._heard, self._figures)
        if lan is not None and (new := lan.follow(addresses)):
            for seconds in _AGAIN_SECONDS:
                asyncio.get_running_loop().call_later(seconds, lan.announce, new)

    def _heard(self, address: str, mac: bytes) -> None:
        """Of two interfaces at one network each hears the other."""
        if mac not in self._macs.values():
            self._doubting.heard(address, mac)

    async def _probe_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            for lan in self._lans.values():
                lan.probe()

    async def _beat_for_ever(self) -> None:
        while True:
            await self._holding.wait()
            was_fresh = self._leases.fresh
            try:
                async with asyncio.timeout(self._timing.expiry):
                    await self._leases.beat()
            except FAILURES as failure:
                log.info("no sign of life is taken: %s", failure or "the API server does not answer")
            else:
                if not was_fresh:
                    self._resume()
            await asyncio.sleep(self._timing.beat)

    def _resume(self) -> None:
        """After a silence: decide anew, then tell everybody again where the addresses are."""
        self._changed.set()
        for lan in self._lans.values():
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, lan.announce, lan.addresses)

    async def _follow_links(self) -> None:
        socket = interfaces.changes()
        told = asyncio.Event()
        asyncio.get_running_loop().add_reader(socket.fileno(), told.set)
        while True:
            await told.wait()
            with contextlib.suppress(OSError):  # some were lost: everything is looked at anyway
                for _ in socket.pending():
                    pass
            told.clear()
            self.look_at_links()
            await asyncio.sleep(_COALESCE)

    def look_at_links(self) -> None:
        """Which interfaces there are, and what they carry."""
        before = self._macs, self._carrying
        self._macs, self._carrying = interfaces.with_link(), interfaces.carrying()
        if before != (self._macs, self._carrying):
            self._changed.set()

    async def let_go(self) -> None:
        """An orderly end: silence first, then others may have it all."""
        self._answer_for({})
        for address in self._leases.mine():
            with contextlib.suppress(*FAILURES):
                await self._leases.release(address)
        with contextlib.suppress(*FAILURES):
            await self._statuses.withdraw()
