"""BGPPeers that nothing is told: said once where people look, and counted for as long as it is so."""

import logging
from collections.abc import Iterable

from portway.agent.announce.figures import Figures
from portway.agent.events import Events
from portway.loadbalancer.peers import NO_SESSION, RefusedPeer

log = logging.getLogger(__name__)


class Refusing:
    """Of one node."""

    def __init__(self, figures: Figures, events: Events) -> None:
        self._figures, self._events = figures, events
        self._said: frozenset[RefusedPeer] = frozenset()

    def follow(self, refused: Iterable[RefusedPeer]) -> None:
        """These are told nothing now: news are an Event at the BGPPeer and a line of the log."""
        now = frozenset(refused)
        for one in sorted(now - self._said, key=lambda one: (one.peer.namespace, one.peer.name)):
            log.warning("BGPPeer %s/%s is told nothing: %s", one.peer.namespace, one.peer.name, one.message)
            self._events.peer_refused(one.peer.namespace, one.peer.name, one.reason, one.message)
        self._said = now
        asking = [one for one in now if one.reason != NO_SESSION]  # which metallb_bgp_session_up counts
        self._figures.refused = frozenset((f"{one.peer.address}:{one.peer.port}", one.reason) for one in asking)
