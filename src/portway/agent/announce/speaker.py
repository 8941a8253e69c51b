"""Speaks BGP to this node's routers, by ExaBGP where it is installed: a child for each, so that what one router does,
or asks for, is nothing to the sessions with others.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping

from portway.agent.announce.figures import Figures
from portway.agent.announce.leases import now
from portway.agent.announce.voice import Happened, Voice
from portway.loadbalancer.peers import Session
from portway.model.loadbalancer import BgpPeer

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds for a session to come about before anybody is told that it does not."""


class Speaker:
    """Follows a configuration for each router. One that is to be spoken to otherwise is another router here."""

    def __init__(self, figures: Figures, changed: Callable[[], None]) -> None:
        """`changed` is called when other things may be said of sessions than before."""
        self._figures, self._told = figures, changed
        self._voices: dict[BgpPeer, Voice] = {}
        self._wanted: Mapping[BgpPeer, str] = {}
        self._changed = asyncio.Event()
        self._waker: asyncio.TimerHandle | None = None
        self._missing = False

    def follow(self, configurations: Mapping[BgpPeer, str]) -> None:
        """From now on these."""
        if configurations != self._wanted:
            self._wanted = configurations
            self._changed.set()

    def silent(self) -> list[tuple[BgpPeer, Session]]:
        """Routers without a session for a while now."""
        down = {peer: voice for peer, voice in self._voices.items() if not voice.up}
        late = {peer: voice for peer, voice in down.items() if now() - voice.down_since >= _PATIENCE}
        if len(late) < len(down) and self._waker is None:
            self._waker = asyncio.get_running_loop().call_later(_PATIENCE, self._wake)
        missing = Session(reason="exabgp is not installed on the node")
        return [(peer, missing if self._missing else voice.session) for peer, voice in late.items()]

    def _wake(self) -> None:
        self._waker = None
        self._told()

    async def run(self) -> None:
        """For ever; sessions end with it."""
        tasks: dict[BgpPeer, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = self._wanted
                gone = [tasks.pop(peer) for peer in tasks.keys() - wanted.keys()]
                self._voices = {peer: voice for peer, voice in self._voices.items() if peer in wanted}
                self._count()
                for task in gone:
                    task.cancel()
                await asyncio.gather(*gone, return_exceptions=True)  # a router takes one session of ours at a time
                for peer, configuration in wanted.items():
                    voice = self._voices.setdefault(peer, Voice(self._noting(peer)))
                    voice.follow(configuration)
                    if peer not in tasks:
                        tasks[peer] = group.create_task(voice.run(self._program))
                self._told()

    def _noting(self, peer: BgpPeer) -> Callable[[Happened], None]:
        def note(said: Happened) -> None:
            if said.type == "update" and said.neighbor.direction == "send":
                self._figures.bgp_updates.update((peer.address,))
            elif said.type == "state":
                self._count()
                self._told()

        return note

    def _count(self) -> None:
        self._figures.up = frozenset(peer.address for peer, voice in self._voices.items() if voice.up)

    def _program(self) -> str | None:
        found = shutil.which("exabgp", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None and not self._missing:
            log.error("there are BGPPeers, and exabgp is not installed here: no address is announced by BGP")
        self._missing = found is None
        return found
