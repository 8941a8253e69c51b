"""Packets that were not let through become connections that were not: a client repeats what nobody answers."""

from collections.abc import Iterator

from msgspec import Struct

from portway.accesslog.attribute import Refusal, verdict_of
from portway.accesslog.flow import TCP

SECOND = 1_000_000_000
QUIET = 3 * SECOND
"""Nanoseconds after its last packet in which a connection that was not let through is told of."""
LATEST = 10 * SECOND
"""And after its first one, should it never be quiet."""
_MOST = 65536
"""Connections that wait to be told of; with more of them, the oldest are."""


class Attempts(Struct, gc=False):
    """Packets of one connection. Times are nanoseconds since 1970."""

    refusal: Refusal
    first: int
    last: int
    count: int = 1


class Refusals:
    """Collects packets until a connection's story is over."""

    def __init__(self) -> None:
        self._waiting: dict[Refusal, Attempts] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, refusal: Refusal, moment: int) -> None:
        """One more packet."""
        known = self._waiting.get(refusal)
        if known is None:
            self._waiting[refusal] = Attempts(refusal, moment, moment)
        else:
            known.last, known.count = max(known.last, moment), known.count + 1

    def due(self, now: int) -> Iterator[Attempts]:
        """Those whose story is over."""
        too_many = len(self._waiting) - _MOST
        over = [
            attempts
            for number, attempts in enumerate(self._waiting.values())
            if number < too_many or _is_over(attempts, now)
        ]
        yield from map(self._waiting.pop, (attempts.refusal for attempts in over))

    def rest(self) -> Iterator[Attempts]:
        """All that wait, for who will not ask again."""
        waiting, self._waiting = self._waiting, {}
        yield from waiting.values()


def _is_over(attempts: Attempts, now: int) -> bool:
    # A RST ends a TCP client's attempt; it does not come again by the same port.
    answered = attempts.refusal.protocol == TCP and verdict_of(attempts.refusal.reason.partition(" ")[0]) == "REFUSED"
    return answered or now - attempts.last >= QUIET or now - attempts.first >= LATEST
