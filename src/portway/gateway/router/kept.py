"""Connections to backends: made, kept, lent."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from portway.gateway.router.asked import Target, Upstream
from portway.gateway.router.secure import NOTHING, Secure
from portway.gateway.router.shared import Shared
from portway.gateway.router.upstream import Http1Upstream
from portway.routing.table import Certificate, Pool


class Kept:
    """Idle connections by target, the one that was used last first; those of HTTP/2 are shared."""

    def __init__(self, clock: Callable[[], float], connect_seconds: float, kept_seconds: float) -> None:
        self._clock, self._connect_seconds, self._kept_seconds = clock, connect_seconds, kept_seconds
        self._idle: dict[Target, list[Http1Upstream]] = {}
        self._secure = Secure()
        self._shared = Shared(clock, self.connected, kept_seconds)

    def ready(self, target: Target, repeatable: bool) -> Upstream | None:
        """One that is here. One of HTTP/1 may be closed just now, so it is for requests that may be sent again."""
        if target.http2:
            return self._shared.ready(target)
        here = self._idle.get(target) if repeatable else None
        while here:
            found = here.pop()
            if not found.transport.is_closing():
                return found
        return None

    async def connect(self, target: Target, name: str) -> Upstream:
        """A new one. Raises OSError (TimeoutError is one; ssl.SSLError: it cannot be trusted)."""
        if target.http2:
            return await self._shared.connect(target, name)
        made = Http1Upstream(target, self)
        await self.connected(made, target, name)
        return made

    async def connected(self, made: asyncio.Protocol, target: Target, name: str) -> None:
        """A new connection for a protocol of any kind; `name`: the server name where no policy says one."""
        async with asyncio.timeout(self._connect_seconds):
            await self._secure.connected(made, target, name)

    def put(self, upstream: Http1Upstream) -> None:
        """Keep it for a while."""
        upstream.since = self._clock()
        self._idle.setdefault(upstream.target, []).append(upstream)

    def forget(self, upstream: Http1Upstream) -> None:
        """It is closed."""
        here = self._idle.get(upstream.target)
        if here and upstream in here:
            here.remove(upstream)

    def only(self, pools: Iterable[Pool], certificates: Mapping[str, Certificate]) -> None:
        """Close what goes to others. `certificates`: those that backends may be shown."""
        pools = list(pools)
        endpoints = {(e.address, e.port) for pool in pools for e in pool.endpoints}
        self._secure.keep({pool.tls or NOTHING for pool in pools}, certificates)
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
