"""A copy of a request for another backend, whose answer nobody reads."""

import asyncio
import logging

from portway.gateway.head import Headers
from portway.gateway.router.asked import Asked, Lost, Response, Target, Upstream
from portway.gateway.router.kept import Kept

log = logging.getLogger(__name__)

_MOST_WAITING = 1 << 20
"""Bytes that wait for a slow mirror, before its copy is given up: the client must not wait for it."""
_SECONDS = 10.0


class Mirror:
    """One copy: what is written goes there once it is connected."""

    def __init__(self, kept: Kept, target: Target, asked: Asked) -> None:
        self._kept, self._target, self._asked = kept, target, asked
        self._upstream: Upstream | None = None
        self._waiting: list[bytes] = []
        self._waits = 0
        self._ended = self._over = False
        self._slow = self._told = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            upstream = await self._kept.connect(self._target, self._asked.host)
        except OSError as error:
            log.debug("no copy for %s:%s: %s", self._target.address, self._target.port, error)
            self._over = True
            return
        asyncio.get_running_loop().call_later(_SECONDS, self._give_up)
        self._upstream = upstream
        upstream.ask(self, self._asked)
        self._pass()

    def write(self, data: bytes) -> None:
        """More of the body."""
        if not self._over:
            self._waiting.append(data)
            self._waits += len(data)
            self._pass()
            if self._waits > _MOST_WAITING:
                self._give_up()

    def end(self) -> None:
        """The body is whole."""
        self._ended = not self._told
        self._pass()

    def _pass(self) -> None:
        upstream = self._upstream
        while upstream is not None and self._waiting and not self._slow and not self._over:
            piece = self._waiting.pop(0)
            self._waits -= len(piece)
            upstream.send(piece)
        if upstream is not None and self._ended and not self._waiting and not self._over:
            self._ended, self._told = False, True
            upstream.send_end(())

    def _give_up(self) -> None:
        if not self._over:
            self._over = True
            self._waiting.clear()
            if self._upstream is not None:
                self._upstream.abort()

    # what the backend's connection tells

    def response_head(self, response: Response) -> None:
        """Nobody reads it."""

    def response_body(self, data: bytes) -> None:
        """Nobody reads it."""

    def response_ended(self, trailers: Headers) -> None:
        """The copy has arrived."""
        self._over = True
        if self._upstream is not None:
            self._upstream.release(False)

    def upstream_lost(self, lost: Lost) -> None:
        """It has not."""
        self._over = True

    def switched(self, rest: bytes) -> None:
        """Nobody speaks it."""
        self._give_up()

    def upstream_writable(self, yes: bool) -> None:
        """Whether the backend takes more."""
        self._slow = not yes
        self._pass()
