"""What an engine is: something that listens at one door and does with each request what `routing.decide` says."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from portway.routing.table import RouteTable
from portway.routing.timings import Timings


class Door(Struct, frozen=True):
    """Where an engine listens, and what it may use for itself."""

    name: str
    """`ingress`, or `gateway/NAMESPACE/NAME`: the listeners of the table that are its own."""
    folder: Path
    """Private (0700): sockets, configuration, keys."""
    addresses: tuple[str, ...] = ("0.0.0.0", "::")
    """Bound for each port; those of a family that this machine does not have are left out."""
    timings: Timings = Timings()
    max_head: int = 15 << 10
    """Bytes of a request's head; more is answered 400 or 431."""


class Applied(Struct, frozen=True):
    """What became of a table."""

    how: Literal["nothing", "runtime", "reload", "refused"]
    """`runtime`: into the running process; `reload`: by a new one beside the old; `refused`: the old one goes on."""
    changes: int = 0
    """Commands that were needed, for `runtime`."""
    reason: str = ""
    """One line: why it was refused, or what could not be had (a port that is taken)."""


class Told(Struct, frozen=True, kw_only=True):
    """What is over, for the access log and the counters."""

    started: float
    """Seconds since the epoch."""
    seconds: float
    client: tuple[str, int]
    frontend: tuple[str, int]
    """The door's own address and port."""
    entry: str
    """`Ingress` or `Gateway`."""
    code: str = "ROUTED"
    """A Decision's; `BAD_REQUEST`: it was none; `BACKEND_TLS_FAILED`, `BACKEND_UNREACHABLE`: no pod could be had."""
    route: str = ""
    pool: str = ""
    """Key of the table's pools."""
    backend: tuple[str, int] | None = None
    bytes_in: int = 0
    bytes_out: int = 0


class Served(Told, frozen=True, kw_only=True):
    """A request that was answered; of what was none, nothing is known but the status."""

    method: str = ""
    host: str = ""
    path: str = ""
    """Without the query, which may hold secrets."""
    status: int
    """0: the client went away before there was an answer."""


class Carried(Told, frozen=True, kw_only=True):
    """A connection of which no requests were read: it was handed on to a pod of a TLSRoute, or closed."""

    name: str
    """The server name that its client asked for."""


Report = Callable[[Told], None]


class Engine(Protocol):
    """Runs one door. Nothing listens before the first `apply`."""

    async def start(self, door: Door, report: Report) -> None:
        """Get ready. Raises OSError when that is not possible."""

    async def apply(self, table: RouteTable) -> Applied:
        """Do as this table says from now on; requests under way end as they began. Never raises for a table."""

    async def stop(self) -> None:
        """Take no more connections, let what is under way end (`Timings.drain`), and clean up."""
