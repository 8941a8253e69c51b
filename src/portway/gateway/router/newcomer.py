"""A connection of which is not yet known what is spoken on it."""

import asyncio

from portway.gateway.router.downstream2 import Http2Downstream
from portway.gateway.router.farewell import PREFACE
from portway.gateway.router.incoming import Downstream
from portway.gateway.router.request import Home


class Newcomer(asyncio.Protocol):
    """By TLS, client and door have agreed (ALPN); else the first bytes tell (RFC 9113 3.3, prior knowledge)."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self._deadline = home.now() + home.timings.head
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            self._home.connections.add(self)
        else:
            self._become(tls.selected_alpn_protocol() == "h2")

    def data_received(self, data: bytes) -> None:
        """P may begin a POST as well as a preface."""
        self._early += data
        if self._early.startswith(PREFACE):
            self._become(True)
        elif not PREFACE.startswith(self._early):
            self._become(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has said nothing."""
        self._home.connections.discard(self)

    def check(self, now: float) -> None:
        """Who does not say enough is taken for one of HTTP/1, which has an answer for that."""
        if now >= self._deadline:
            if self._early:
                self._become(False)
            else:
                self.transport.close()

    def leave(self) -> None:
        """The engine stops."""
        self._deadline = min(self._deadline, self._home.now() + self._home.timings.last_chance)

    def _become(self, http2: bool) -> None:
        self._home.connections.discard(self)
        known = Http2Downstream(self._home) if http2 else Downstream(self._home)
        self.transport.set_protocol(known)
        known.connection_made(self.transport)
        if self._early:
            known.data_received(self._early)
