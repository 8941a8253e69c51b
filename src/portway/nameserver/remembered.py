"""What others said, for as long as it may be remembered. The clock comes in as an argument."""

from portway.dns.respond import Relayed, Wanted

_MOST = 4096
"""Responses kept; the oldest goes first."""
_LONGEST = 4096
"""Bytes; longer ones are not kept."""


class Remembered:
    """Responses by question."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: dict[Wanted, tuple[Relayed, float]] = {}

    def put(self, wanted: Wanted, reply: Relayed, now: float) -> None:
        """Remember it from `now` (seconds) on, if it may be."""
        if not reply.lifetime or len(reply.packet) > _LONGEST:
            return
        self._kept.pop(wanted, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[wanted] = reply, now

    def get(self, wanted: Wanted, now: float) -> tuple[Relayed, int] | None:
        """The response and its age in whole seconds."""
        found = self._kept.get(wanted)
        if found is None:
            return None
        reply, since = found
        age = int(now - since)
        if age >= reply.lifetime:
            del self._kept[wanted]
            return None
        return reply, age
