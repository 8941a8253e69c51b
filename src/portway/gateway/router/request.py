"""Between a connection and what answers: a request as it comes in, and the way its answer goes back.

Both are the same for every version of HTTP, so that an exchange need not know which one the client speaks.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from portway.gateway.head import Headers
from portway.routing.timings import Timings


def ends(transport: asyncio.BaseTransport) -> tuple[tuple[str, int], tuple[str, int]]:
    """Address and port of the client and of the door, ("", 0) for what a connection that is lost does not know."""
    there, here = (transport.get_extra_info(name) or ("", 0) for name in ("peername", "sockname"))
    return (there[0], there[1]), (here[0], here[1])


class Incoming:
    """One request, its body as it comes."""

    __slots__ = (
        "_sink",
        "bad",
        "body",
        "chunked",
        "complete",
        "expects",
        "headers",
        "host",
        "keep_alive",
        "length",
        "method",
        "old",
        "size",
        "target",
        "trailers",
        "upgrade",
    )  # fmt: skip

    def __init__(self) -> None:
        self.method, self.target, self.host = "", "", ""
        self.headers: list[tuple[str, str]] = []
        self.old = False
        """HTTP/1.0."""
        self.keep_alive = True
        self.length: int | None = None
        self.chunked = self.expects = False
        """`chunked`: a body of unknown length, in whatever way it is framed."""
        self.upgrade = ""
        self.bad: tuple[int, str] | None = None
        """No request: what to answer."""
        self.body: list[bytes] = []
        """What came before anybody wanted it."""
        self.size = 0
        self.complete = False
        self.trailers: list[tuple[str, str]] = []
        """The fields behind the body; there when it is complete."""
        self._sink: Callable[[bytes], None] | None = None

    @property
    def has_body(self) -> bool:
        """Whether a body is announced."""
        return self.chunked or bool(self.length)

    def take(self, sink: Callable[[bytes], None]) -> None:
        """Give the body to `sink` from now on, and first what is here."""
        self._sink = sink
        pieces, self.body = self.body, []
        for piece in pieces:
            sink(piece)

    def add(self, data: bytes) -> None:
        """More body."""
        self.size += len(data)
        if self._sink is None:
            self.body.append(data)
        else:
            self._sink(data)


class Exchange(Protocol):
    """What answers a request."""

    def start(self) -> None:
        """Begin."""

    def body_ended(self) -> None:
        """The request's body is whole."""

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""

    def expired(self) -> None:
        """Its deadline has passed."""

    def writable(self, yes: bool) -> None:
        """Whether the client takes more."""


class Tunnel(Protocol):
    """A backend's connection that has switched to another protocol."""

    transport: asyncio.Transport
    tunnel: asyncio.WriteTransport | None
    """Where its bytes go."""


class Reply(Protocol):
    """The way back of one request."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's, which knows who is there. Nothing is written to it past the reply."""

    def interim(self, status: int, headers: Headers) -> None:
        """A head of 1xx, before the real one."""

    def begin(self, status: int, headers: Headers, length: int | None, ended: bool) -> None:
        """The head; `length` None: not known; `ended`: nothing comes behind it."""

    def body(self, data: bytes) -> None:
        """A piece of the body."""

    def end(self, trailers: Headers = ()) -> None:
        """The answer is whole."""

    def answer(self, status: int, text: str, headers: Headers, keep: bool) -> None:
        """All of an answer of the door's own, in plain text; `text` empty: 204; `keep` False: the connection ends."""

    def switch(self, headers: Headers, upgrade: str, rest: bytes, backend: Tunnel) -> None:
        """101: from now on bytes of another protocol both ways, `rest` first."""

    def cut(self, code: int) -> None:
        """An answer that has begun will never be whole; `code`: HTTP/2's word for why."""

    def pause(self, yes: bool) -> None:
        """Take no more of the request's body, or go on."""

    def within(self, seconds: float) -> None:
        """Its exchange has so long from now on; 0: as long as it likes."""

    def done(self) -> None:
        """The exchange is over."""


class Connection(Protocol):
    """A client's, whatever is spoken on it."""

    transport: asyncio.Transport

    def check(self, now: float) -> None:
        """Called now and then: deadlines."""

    def leave(self) -> None:
        """The engine stops: end when nothing is under way."""


class Home(Protocol):
    """What connections belong to."""

    connections: set[Connection]
    draining: bool
    max_head: int

    @property
    def timings(self) -> Timings:
        """The engine's."""

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""

    def answering(self, reply: Reply, request: Incoming) -> Exchange:
        """What answers this request."""

    def refused(self, connection: Connection, status: int) -> None:
        """What came was no request, and was answered so."""
