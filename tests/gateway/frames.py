"""HTTP/2 by hand: a client and a backend that do what well-bred ones would not. Frames are h2's, but for GOAWAY."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import h2.events as events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from msgspec import Struct, field

from portway.gateway.router.farewell import Frames
from portway.routing.table import Endpoint

Fields = list[tuple[str, str]]


class Answer(Struct):
    """What came on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    ended: bool = False


class Peer:
    """One side of a connection; `happened` wakes who waits for something on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=client, header_encoding="utf-8"))
        self.answers: dict[int, Answer] = {}
        self.farewells: list[int] = []
        """Last streams of the GOAWAYs that came."""
        self._frames = Frames(preface=not client)
        self.acknowledges = True
        self.closed = False
        self.happened = asyncio.Event()
        self.h2.initiate_connection()
        self.flush()
        self.reading = asyncio.create_task(self._read())

    def flush(self) -> None:
        """Write."""
        self.writer.write(self.h2.data_to_send())

    async def until(self, true: Callable[[], bool]) -> None:
        """Waits for it."""
        async with asyncio.timeout(60):
            while not true():
                self.happened.clear()
                await self.happened.wait()

    def asked(self, path: str = "/", body: bytes | None = b"", method: str = "GET", **headers: str) -> int:
        """Begin a request; `body` None: it is not whole yet."""
        number = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "a.example"), (":path", path)]
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.answers[number] = Answer()
        self.h2.send_headers(number, [*pseudo, *named], end_stream=body == b"")
        if body:
            self.h2.send_data(number, body, end_stream=True)
        self.flush()
        return number

    async def whole(self, number: int) -> Answer:
        """The answer, when it is."""
        answer = self.answers[number]
        await self.until(lambda: answer.ended or answer.reset is not None or self.closed)
        return answer

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65536):
                passed, farewells = self._frames.feed(data)
                self.farewells += [one.last for one in farewells]
                for event in self.h2.receive_data(passed):
                    self._event(event)
                self.flush()
                self.happened.set()
        except (OSError, ProtocolError):
            pass
        self.closed = True
        self.happened.set()

    def _event(self, event: events.Event) -> None:
        answer = self.answers.setdefault(getattr(event, "stream_id", 0) or 0, Answer())
        if isinstance(event, events.ResponseReceived | events.RequestReceived):
            answer.headers = dict(event.headers)  # type: ignore[arg-type]  # decoded, as the configuration says
            answer.status = int(answer.headers.get(":status", 0))
        elif isinstance(event, events.DataReceived):
            answer.body += event.data
            if self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.TrailersReceived):
            answer.trailers = dict(event.headers)  # type: ignore[arg-type]
        elif isinstance(event, events.StreamReset):
            answer.reset = int(event.error_code)
        elif isinstance(event, events.StreamEnded):
            answer.ended = True

    async def close(self) -> None:
        """No more."""
        self.writer.close()
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Peer]:
    """Of a door, by prior knowledge."""
    made = Peer(*await asyncio.open_connection("127.0.0.1", port), client=True)
    try:
        yield made
    finally:
        await made.close()


Serve = Callable[[Peer, int], Coroutine[Any, Any, None]]


@asynccontextmanager
async def backend(serve: Serve, most: int = 100) -> AsyncIterator[Endpoint]:
    """Calls `serve(connection, stream)` for each request, as soon as its head is there."""
    running: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, client=False)
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: most})
        peer.flush()
        seen: set[int] = set()
        while not peer.closed:
            for number in [n for n, asked in peer.answers.items() if asked.headers and n not in seen]:
                seen.add(number)
                task = asyncio.create_task(serve(peer, number))
                running.add(task)
                task.add_done_callback(running.discard)
            peer.happened.clear()
            await peer.happened.wait()
        await peer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        for task in running:
            task.cancel()


def answer(peer: Peer, number: int, body: bytes = b"ok", status: int = 200, **headers: str) -> None:
    """All of a response."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    peer.h2.send_headers(number, [(":status", str(status)), *named], end_stream=not body)
    if body:
        peer.h2.send_data(number, body, end_stream=True)
    peer.flush()
