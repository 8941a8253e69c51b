"""What is asked of a backend and how it answers, in any version of HTTP."""

from typing import NamedTuple, Protocol

from msgspec import Struct

from portway.gateway.head import Headers
from portway.gateway.router.farewell import INTERNAL_ERROR
from portway.routing.table import BackendTls, Endpoint, Pool, UpstreamProtocol, is_http2, is_secure


class Target(NamedTuple):
    """Where a connection leads."""

    address: str
    port: int
    protocol: UpstreamProtocol
    tls: BackendTls | None = None
    """What must be proven there; None with TLS: nothing."""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return is_secure(self.protocol)

    @property
    def http2(self) -> bool:
        """Whether connections are shared."""
        return is_http2(self.protocol)


def target(endpoint: Endpoint, pool: Pool) -> Target:
    """An endpoint of a pool."""
    return Target(endpoint.address, endpoint.port, pool.protocol, pool.tls)


class Asked(Struct, frozen=True):
    """A request's head as the backend gets it."""

    method: str
    path: str
    host: str
    headers: Headers
    """Those for the backend; what frames the message is told below."""
    length: int | None = None
    chunked: bool = False
    """A body of unknown length."""
    upgrade: str = ""
    trailers: bool = False
    """Whether the client said that it reads fields behind a body (`TE: trailers`)."""

    @property
    def has_body(self) -> bool:
        """Whether something follows the head."""
        return self.chunked or bool(self.length)


class Response:
    """A response's head."""

    __slots__ = ("chunked", "ended", "headers", "keep_alive", "length", "old", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.length: int | None = None
        self.chunked = self.keep_alive = self.old = False
        self.ended = False
        """Nothing comes behind it, as HTTP/2 says with the head; gRPC's errors are such heads."""


class Lost(Struct, frozen=True):
    """Why there will be no answer, or no more of it."""

    reason: str
    code: int = INTERNAL_ERROR
    """HTTP/2's word for it."""
    unprocessed: bool = False
    """The backend has said that it has done nothing: the request may go elsewhere, whatever it is."""


class Answered(Protocol):
    """Who waits for a response."""

    def response_head(self, response: Response) -> None:
        """The head is whole; also of 1xx."""

    def response_body(self, data: bytes) -> None:
        """Body."""

    def response_ended(self, trailers: Headers) -> None:
        """The response is whole."""

    def upstream_lost(self, lost: Lost) -> None:
        """It ended before the response did."""

    def switched(self, rest: bytes) -> None:
        """101: from now on bytes of another protocol, these first."""

    def upstream_writable(self, yes: bool) -> None:
        """Whether the backend takes more."""


class Upstream(Protocol):
    """One request's way to a backend: a connection that is lent, or a stream of a shared one."""

    used: bool
    """Whether the connection has carried others before: it may be too old."""

    def ask(self, owner: Answered, asked: Asked) -> None:
        """Send the head; the response is for `owner`."""

    def send(self, data: bytes) -> None:
        """A piece of the body."""

    def send_end(self, trailers: Headers) -> None:
        """The body is whole."""

    def hold(self, yes: bool) -> None:
        """Take no more of the response, or go on: its reader is slow."""

    def is_slow(self) -> bool:
        """Whether the backend has yet to take what was sent."""

    def release(self, whole: bool) -> None:
        """The exchange is over; `whole`: the request was sent to its end."""

    def abort(self) -> None:
        """Nobody waits any more."""
