"""Who the addresses are that come to a door and answer it: its node's agent knows, and is asked.

An agent follows all pods and nodes anyhow, and names them in its own log by the same rule (`accesslog.Parties`); a
door that followed them too would pay for every pod of the cluster, to name the few that come.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from portway.accesslog.parties import Known
from portway.client import Access, Unreachable
from portway.client.transport import Request, Transport
from portway.kubeapi.errors import ApiError

log = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds for which an answer counts: an address may become another pod's."""
AT_ONCE = 200
"""Addresses of a question, which is a line of HTTP: 8 kB of the longest ones."""
_MOST_QUESTIONS = 10
"""Of one piece of the log; who comes beyond stays an address."""
_MOST_KNOWN = 100_000
_decode = msgspec.json.Decoder(dict[str, Known]).decode


class Parties:
    """Asks one agent. Without an answer, addresses stay addresses."""

    def __init__(self, agent: Path) -> None:
        """`agent`: its socket."""
        self._transport = Transport(Access.unix(agent))
        self._known: dict[str, Known] = {}
        self._until: dict[str, float] = {}
        self._silent_until = 0.0

    async def close(self) -> None:
        """Close the connection."""
        await self._transport.close()

    async def known(self, addresses: Iterable[str]) -> Mapping[str, Known]:
        """Who they are, and others."""
        now = time.monotonic()
        if len(self._known) > _MOST_KNOWN:
            self._known, self._until = {}, {}
        new = [address for address in dict.fromkeys(addresses) if self._until.get(address, 0.0) <= now]
        if now < self._silent_until:
            return self._known
        for start in range(0, min(len(new), _MOST_QUESTIONS * AT_ONCE), AT_ONCE):
            asked = new[start : start + AT_ONCE]
            try:
                self._known |= await self._ask(asked)
                self._until |= dict.fromkeys(asked, now + FRESH)
            except (Unreachable, ApiError, msgspec.MsgspecError) as error:
                log.info("the access log names no pods for now: %s", error)
                self._silent_until = now + FRESH
                break
        return self._known

    async def _ask(self, addresses: Iterable[str]) -> dict[str, Known]:
        """Not repeated: the log would wait."""
        async with self._transport.stream(Request("GET", f"/parties/{','.join(addresses)}")) as answer:
            return _decode(await answer.read())
