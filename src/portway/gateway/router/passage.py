"""Connections of which no requests are read: to whom they go, and what is told of them when they are over."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from portway.gateway.engine import Carried
from portway.gateway.router.asked import Target
from portway.gateway.router.request import Connection, ends
from portway.gateway.router.splice import Splice, join
from portway.routing.table import Listener
from portway.routing.timings import Timings


class Handed(Struct, frozen=True):
    """What becomes of a connection for a server name."""

    code: str
    """As `decide` has it of this one's share."""
    route: str = ""
    pool: str = ""
    targets: Callable[[], Iterator[Target]] = lambda: iter(())
    """Pods, in the order in which they are to be tried."""


class House(Protocol):
    """What a passage needs of its engine."""

    connections: set[Connection]

    @property
    def timings(self) -> Timings:
        """The engine's."""

    def now(self) -> float:
        """A clock."""

    def told(self, carried: Carried) -> None:
        """It is over."""


class Passage:
    """One of them. It is a connection of its engine's, who waits for it when it stops."""

    def __init__(self, house: House, listener: Listener, name: str, here: Splice) -> None:
        """`here`: the client's side, whose TLS has ended if it does here."""
        self.transport = here.transport
        self._house, self._listener, self._name, self._here = house, listener, name, here
        self._there: Splice | None = None
        self._peer, self._own = ends(here.transport)
        self._started = time.time()
        self._moved, self._since = 0, house.now()

    def begin(self, handed: Handed, at: Target, there: Splice) -> None:
        """A pod is there: bytes go both ways until one side ends."""
        self._there = there
        self._house.connections.add(self)
        join(self._here, there, lambda: self._over(handed, handed.code, at))

    def refuse(self, handed: Handed, code: str, at: Target | None) -> None:
        """Nobody is there. `at`: who was asked last."""
        self._over(handed, code, at)
        self.transport.close()

    def check(self, now: float) -> None:
        """Who is silent both ways for long is sent away."""
        moved = self._bytes()[0] + self._bytes()[1]
        if moved != self._moved:
            self._moved, self._since = moved, now
        elif now - self._since > self._house.timings.tunnel:
            self.transport.close()

    def leave(self) -> None:
        """Nobody here knows when it would be a good moment."""

    def _bytes(self) -> tuple[int, int]:
        return self._here.passed, self._there.passed if self._there is not None else 0

    def _over(self, handed: Handed, code: str, at: Target | None) -> None:
        self._house.connections.discard(self)
        came, went = self._bytes()
        self._house.told(
            Carried(
                started=self._started,
                seconds=time.time() - self._started,
                client=self._peer,
                frontend=self._own,
                entry=self._listener.entry,
                name=self._name,
                code=code,
                route=handed.route,
                pool=handed.pool,
                backend=(at.address, at.port) if at is not None else None,
                bytes_in=came,
                bytes_out=went,
            )
        )
