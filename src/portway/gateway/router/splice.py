"""Two connections made one: bytes both ways, ends of either direction passed on, neither side faster than the other."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Splice(asyncio.Protocol):
    """One side; `other` is set before either may read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.other: Splice | None = None
        self.passed = 0
        """Bytes that have come in here."""
        self.lost = self._ended = False
        self.over: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, and waits for the other one."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self.passed += len(data)
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """The other direction may go on."""
        self._ended = True
        if self.other is None or self.other.transport.is_closing():
            return False
        both = self.other._ended or not self._has_halves()
        if self.other.transport.can_write_eof():
            with suppress(OSError):  # a reset came first, which it is told next
                self.other.transport.write_eof()
        if both:
            self.other.transport.close()
        return not both

    def _has_halves(self) -> bool:
        """Whether one direction may end before the other: asyncio's TLS ends both."""
        assert self.other is not None
        return self.transport.can_write_eof() and self.other.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Both end."""
        self.lost = True
        if self.other is not None:
            self.other.transport.close()
        if self.over is not None:
            self.over()

    def pause_writing(self) -> None:
        """This side is slow."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This side has caught up."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


def join(one: Splice, two: Splice, over: Callable[[], None] | None = None) -> None:
    """From now on; if one of them has ended meanwhile, so does the other. `over`: called once one of them is gone."""

    def ended() -> None:
        one.over = two.over = None
        if over is not None:
            over()

    one.other, two.other = two, one
    one.over = two.over = ended
    closing = one.transport.is_closing() or two.transport.is_closing()
    for side in (one, two):
        (side.transport.close if closing else side.transport.resume_reading)()
    if one.lost or two.lost:
        ended()
