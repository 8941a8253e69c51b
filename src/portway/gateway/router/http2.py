"""A connection of HTTP/2, either side of it: h2 keeps the protocol's state, here streams get bytes in and out.

Whoever takes no more of a stream's bytes pauses it: they are not acknowledged, so the peer's window closes. What the
peer does not take waits in the stream, which says so. All of what one turn of the loop writes leaves together.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from portway.gateway.fields import trailer_fields, trailers_of
from portway.gateway.head import Headers
from portway.gateway.router.asked import Lost
from portway.gateway.router.farewell import FRAME_SIZE_ERROR, INTERNAL_ERROR, REFUSED_STREAM, Farewell, Frames, farewell

log = logging.getLogger(__name__)

_STREAMS = 100
"""At once, on a connection: what a peer may have us do."""
_WINDOW = 65535
"""Bytes of a stream that may come before somebody wants them (RFC 9113 6.9.2); of a connection: of all its streams."""
_SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS,
    # as HTTP/2 counts fields; doors have a limit of their own below that, and an answer for it
    SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 16,
    SettingCodes.ENABLE_PUSH: 0,
}


class Stream:
    """One exchange of messages. Subclasses say what happens with what comes in."""

    def __init__(self, wire: "Http2", number: int) -> None:
        self.wire, self.number = wire, number
        self.over = False
        """Nothing more may be sent, and nothing more comes."""
        self._out = bytearray()
        self._ending: Headers | None = None
        """The fields behind the body, once it is whole."""
        self._sent = self._received = False
        """To the end."""
        self._slow = self._paused = False
        self._owed = 0
        """Bytes that are here and not acknowledged."""

    # out

    def write(self, data: bytes) -> None:
        """More of the body."""
        if not self.over and self._ending is None:
            self._out += data
            self.pump()

    def finish(self, trailers: Headers = ()) -> None:
        """The message is whole."""
        if not self.over and self._ending is None:
            self._ending = trailers
            self.pump()

    def head(self, fields: Sequence[tuple[bytes, bytes]], *, ended: bool) -> bool:
        """Send a head; whether that was possible."""
        if self.over or not self._say(lambda: self.wire.h2.send_headers(self.number, fields, end_stream=ended)):
            return False
        if ended:
            self._ending, self._sent = (), True
            self._settle()
        return True

    def reset(self, code: int) -> None:
        """The end, wherever the messages are."""
        if not self.over:
            self._say(lambda: self.wire.h2.reset_stream(self.number, code))
            self._leave()

    def is_whole(self) -> bool:
        """Both messages came to their end."""
        return self._sent and self._received

    def is_slow(self) -> bool:
        """Whether the peer has yet to take what was written."""
        return bool(self._out)

    def pump(self) -> None:
        """Send what the peer's windows and the connection's buffer have room for."""
        if not self.over and not self._sent:
            self._say(self._pump)
            if self._slow != bool(self._out):
                self._slow = not self._slow
                self.writable(not self._slow)

    def _pump(self) -> None:
        h2, wire = self.wire.h2, self.wire
        while self._out and not wire.full:
            room = min(h2.local_flow_control_window(self.number), h2.max_outbound_frame_size, len(self._out))
            if room <= 0:
                break
            last = self._ending == () and room == len(self._out)
            h2.send_data(self.number, bytes(self._out[:room]), end_stream=last)
            del self._out[:room]
            self._sent = last
        if self._ending is not None and not self._out and not self._sent:
            self._sent = True
            if fields := trailer_fields(self._ending):
                h2.send_headers(self.number, fields, end_stream=True)
            else:
                h2.end_stream(self.number)
        self._settle()

    def _say(self, words: Callable[[], None]) -> bool:
        """Whether h2 would: it does not speak of streams that a frame has just ended, which is told next."""
        try:
            words()
        except ProtocolError as error:
            log.debug("stream %d: %s", self.number, error)
            return False
        self.wire.flush_soon()
        return True

    # in

    def pause(self, yes: bool) -> None:
        """Take no more, or go on."""
        self._paused = yes
        if not yes and self._owed:
            owed, self._owed = self._owed, 0
            self.wire.acknowledge(self.number, owed)

    def came(self, event: DataReceived) -> None:
        """A piece of the message."""
        if self._paused:
            self._owed += event.flow_controlled_length
        else:
            self.wire.acknowledge(self.number, event.flow_controlled_length)
        if event.data:
            self.data(event.data)

    def ended(self) -> None:
        """The peer's message is whole."""
        self._received = True
        self._settle()

    # what subclasses do

    def data(self, data: bytes) -> None:
        """A piece of the peer's message."""

    def trailers(self, fields: Headers) -> None:
        """Fields behind it."""

    def lost(self, lost: Lost) -> None:
        """The stream is no more."""

    def writable(self, yes: bool) -> None:
        """Whether the peer takes more."""

    def _settle(self) -> None:
        if self.is_whole():
            self._leave()

    def _leave(self) -> None:
        if not self.over:
            self.close()

    def close(self) -> None:
        """It is over. What nobody read of it must not keep the connection's window closed."""
        self.over = True
        owed, self._owed = self._owed, 0
        self.wire.acknowledge(self.number, owed)
        self.wire.forget(self)


class Http2(asyncio.Protocol):
    """One connection."""

    def __init__(self, *, client_side: bool) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until connection_made
        self.h2 = H2Connection(
            H2Configuration(client_side=client_side, header_encoding=None, validate_outbound_headers=False)
        )
        self.streams: dict[int, Stream] = {}
        self.full = False
        """The connection takes no more bytes."""
        self._frames = Frames(preface=not client_side)
        self._scheduled = False

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what we are ready for."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.h2.local_settings = Settings(client=self.h2.config.client_side, initial_values=_SETTINGS)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(_WINDOW * (_STREAMS - 1))
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Frames."""
        try:
            passed, farewells = self._frames.feed(data)
            events = self.h2.receive_data(passed)
        except ProtocolError as error:
            self.broken(f"{type(error).__name__}: {error}")
            return
        except ValueError as error:
            self.say(farewell(0, FRAME_SIZE_ERROR))
            self.broken(str(error))
            return
        for event in events:
            self._event(event)
        for one in farewells:
            self.farewell(one)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """All streams are lost with it."""
        self.lose(Lost("it closed the connection"))

    def pause_writing(self) -> None:
        """Neither write nor read: who does not listen need not talk."""
        self.full = True
        self._listen(False)

    def resume_writing(self) -> None:
        """Go on."""
        self.full = False
        self._listen(True)
        self._pump()

    def _listen(self, yes: bool) -> None:
        if not self.transport.is_closing():
            (self.transport.resume_reading if yes else self.transport.pause_reading)()

    # what streams ask for

    def acknowledge(self, number: int, size: int) -> None:
        """So much of a stream has found its reader."""
        if size:
            try:
                self.h2.acknowledge_received_data(size, number)
            except ProtocolError as error:
                log.debug("stream %d: %s", number, error)
            self.flush_soon()

    def forget(self, stream: Stream) -> None:
        """It is over."""
        self.streams.pop(stream.number, None)

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write."""
        self._scheduled = False
        if (data := self.h2.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)

    def say(self, frame: bytes) -> None:
        """Write a frame that h2 does not know of."""
        self.flush()
        if not self.transport.is_closing():
            self.transport.write(frame)

    # what subclasses do

    def farewell(self, said: Farewell) -> None:
        """The peer takes leave."""

    def opened(self, event: Any) -> None:
        """Any event that is not the same on both sides."""

    def broken(self, reason: str) -> None:
        """What the peer sent is no HTTP/2; it has been told why."""
        log.debug("%s", reason)
        self.lose(Lost(f"what it sends is not HTTP/2: {reason}"))
        self.flush()
        self.transport.close()

    # within

    def lose(self, lost: Lost) -> None:
        """Every stream that there is."""
        for stream in list(self.streams.values()):
            self.drop(stream, lost)

    def drop(self, stream: Stream, lost: Lost) -> None:
        """There is no more of this stream."""
        stream.close()
        stream.lost(lost)

    def _event(self, event: Event) -> None:
        if (act := _ACTS.get(type(event))) is not None:
            act(self, event)
        else:
            self.opened(event)

    def _came(self, event: DataReceived) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.came(event)
        else:
            self.acknowledge(event.stream_id, event.flow_controlled_length)

    def _trailers(self, event: TrailersReceived) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.trailers(trailers_of(event.headers))

    def _ended(self, event: StreamEnded) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.ended()

    def _reset(self, event: StreamReset) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            code = int(event.error_code) if event.remote_reset else INTERNAL_ERROR
            why = f"it gave the request up, code {code} (RFC 9113 7)"
            self.gave_up(stream, Lost(why, code, code == REFUSED_STREAM))

    def gave_up(self, stream: Stream, lost: Lost) -> None:
        """The peer has reset a stream."""
        self.drop(stream, lost)

    def _windows(self, event: WindowUpdated | RemoteSettingsChanged) -> None:
        number = event.stream_id if isinstance(event, WindowUpdated) else 0
        if number and (stream := self.streams.get(number)) is not None:
            stream.pump()
        elif not number:
            self._pump()

    def _pump(self) -> None:
        for stream in list(self.streams.values()):
            stream.pump()


_ACTS: Mapping[type, Callable[[Http2, Any], None]] = {
    DataReceived: Http2._came,
    TrailersReceived: Http2._trailers,
    StreamEnded: Http2._ended,
    StreamReset: Http2._reset,
    WindowUpdated: Http2._windows,
    RemoteSettingsChanged: Http2._windows,
}
