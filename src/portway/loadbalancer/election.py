"""One announcer for each address, by Leases: what a node does about an address now.

Theory of operation. Each address has a Lease whose holderIdentity is its announcer's node; it is written when it
changes hands, and only against the version that was read, so that one of two that want it wins. Each node that holds
any renews one Lease of its own (its **beat**). It answers for addresses only within `fence` of the moment at which its
last successful beat was sent; others take its addresses only after they saw its beat unchanged for `expiry`, which is
longer. So an announcer that cannot reach the API server is silent before another one speaks: there is no split
brain, whoever's clock is wrong, for only durations on one node are compared. Who loses its link lets go at once.

Trade-off: a short expiry moves addresses fast when a node is cut off, costs `1 / beat` writes a second for each node
that holds an address, and moves them in vain when the API server is slower than `fence`.
"""

from typing import Literal

from msgspec import Struct

Move = Literal["announce", "claim", "release", "wait"]
TURN = 0.1
"""Seconds that the next in the order waits for who comes before."""


class Timing(Struct, frozen=True):
    """Seconds."""

    expiry: float

    @property
    def fence(self) -> float:
        """Silence after the last beat that was carried out was sent."""
        return 0.7 * self.expiry

    @property
    def beat(self) -> float:
        """Between beats."""
        return 0.2 * self.expiry


class Situation(Struct, frozen=True):
    """What a node knows of one address."""

    me: str
    ranked: tuple[str, ...]
    """Who may announce it, in order."""
    holder: str
    """Whose it is by its Lease; empty: nobody's."""
    holder_alive: bool
    """Its beat changed within the expiry, as seen from here."""
    able: bool
    """I have an interface with a link for it."""
    vacant_for: float
    """Seconds since I saw that nobody has it."""
    dead: frozenset[str] = frozenset()
    """Nodes whose beat has stopped although they held something."""


def move(now: Situation) -> tuple[Move, float]:
    """What to do, and the seconds after which to look again though nothing changed (0: never)."""
    mine, wanted = now.holder == now.me, now.me in now.ranked and now.able
    if mine:
        return ("announce", 0.0) if wanted else ("release", 0.0)
    if not wanted or (now.holder and now.holder_alive):
        return "wait", 0.0
    before = [name for name in now.ranked[: now.ranked.index(now.me)] if name not in now.dead]
    left = len(before) * TURN - now.vacant_for
    return ("claim", 0.0) if left <= 0 else ("wait", left)
