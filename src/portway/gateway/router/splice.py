"""Two connections made one: bytes both ways, ends of either direction passed on, neither side faster than the other."""

import asyncio


class Splice(asyncio.Protocol):
    """One side; `other` is set before either may read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.other: Splice | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, and waits for the other one."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """The other direction may go on."""
        self._ended = True
        if self.other is None or self.other.transport.is_closing():
            return False
        self.other.transport.write_eof()
        if self.other._ended:
            self.other.transport.close()
        return not self.other._ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Both end."""
        if self.other is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        """This side is slow."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This side has caught up."""
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


def join(one: Splice, two: Splice) -> None:
    """From now on."""
    one.other, two.other = two, one
    one.transport.resume_reading()
    two.transport.resume_reading()
