"""What others said, for as long as it may be remembered. The clock comes in as an argument."""

from portway.dns.respond import Relayed, Wanted
from portway.nameserver.recent import Recent

_MOST = 4096
"""Responses kept at least; twice as many at most."""
_LONGEST = 4096
"""Bytes; longer ones are not kept."""


class Remembered:
    """Responses by question."""

    def __init__(self, most: int = _MOST) -> None:
        self._kept: Recent[Wanted, tuple[Relayed, float]] = Recent(most)

    def put(self, wanted: Wanted, reply: Relayed, now: float) -> None:
        """Remember it from `now` (seconds) on, if it may be."""
        if reply.lifetime and len(reply.packet) <= _LONGEST:
            self._kept.put(wanted, (reply, now))

    def get(self, wanted: Wanted, now: float) -> tuple[Relayed, int] | None:
        """The response and its age in whole seconds."""
        found = self._kept.get(wanted)
        if found is None:
            return None
        reply, since = found
        age = int(now - since)
        if age >= reply.lifetime:
            self._kept.drop(wanted)
            return None
        return reply, age
