"""Connections to backends: made, kept, lent."""

import asyncio
import ssl
from collections.abc import Callable, Container

from portway.gateway.router.asked import Target, Upstream
from portway.gateway.router.shared import Shared
from portway.gateway.router.upstream import Http1Upstream


class Kept:
    """Idle connections by target, the one that was used last first; those of HTTP/2 are shared."""

    def __init__(self, clock: Callable[[], float], connect_seconds: float, kept_seconds: float) -> None:
        self._clock, self._connect_seconds, self._kept_seconds = clock, connect_seconds, kept_seconds
        self._idle: dict[Target, list[Http1Upstream]] = {}
        self._shared = Shared(clock, connect_seconds, kept_seconds)
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False  # as `appProtocol: https` alone says nothing of whom to trust
        self._tls.verify_mode = ssl.CERT_NONE

    def ready(self, target: Target, repeatable: bool) -> Upstream | None:
        """One that is here. One of HTTP/1 may be closed just now, so it is for requests that may be sent again."""
        if target.protocol == "h2c":
            return self._shared.ready(target)
        here = self._idle.get(target) if repeatable else None
        while here:
            found = here.pop()
            if not found.transport.is_closing():
                return found
        return None

    async def connect(self, target: Target, name: str) -> Upstream:
        """A new one. Raises OSError (TimeoutError is one)."""
        if target.protocol == "h2c":
            return await self._shared.connect(target)
        made = Http1Upstream(target, self)
        context = self._tls if target.protocol == "https" else None
        async with asyncio.timeout(self._connect_seconds):
            await asyncio.get_running_loop().create_connection(
                lambda: made, target.address, target.port, ssl=context, server_hostname=name if context else None
            )
        return made

    def put(self, upstream: Http1Upstream) -> None:
        """Keep it for a while."""
        upstream.since = self._clock()
        self._idle.setdefault(upstream.target, []).append(upstream)

    def forget(self, upstream: Http1Upstream) -> None:
        """It is closed."""
        here = self._idle.get(upstream.target)
        if here and upstream in here:
            here.remove(upstream)

    def only(self, endpoints: Container[tuple[str, int]]) -> None:
        """Close what goes to others."""
        self._shared.only(endpoints)
        for target, here in self._idle.items():
            if target[:2] not in endpoints:
                for one in here:
                    one.transport.close()

    def sweep(self, now: float) -> None:
        """Close what has been idle for long."""
        self._shared.sweep(now)
        for target, here in list(self._idle.items()):
            for one in [one for one in here if now - one.since > self._kept_seconds]:
                one.transport.close()
                here.remove(one)
            if not here:
                del self._idle[target]

    def close(self) -> None:
        """Close all."""
        self._shared.close()
        for here in self._idle.values():
            for one in here:
                one.transport.close()
        self._idle.clear()
