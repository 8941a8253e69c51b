"""Who used which door, and who is new."""

from collections.abc import Set

from msgspec import Struct

from portway.accesslog.lines import moment
from portway.accesslog.names import Client, PortKey, client_of, dialled, port_key
from portway.accesslog.record import Record

_OUTSIDE = frozenset({"nodePort", "externalIP", "loadBalancerIP", "Ingress", "Gateway"})


class DoorUse(Struct, frozen=True):
    """What one client did at one door that is open to the outside."""

    entry: str
    """nodePort, externalIP, loadBalancerIP, Ingress or Gateway."""
    number: int
    """The port that was dialled."""
    proto: str
    port: PortKey | None
    """None where no Service is (any more)."""
    client: Client
    connections: int
    refused: int
    """Connections that were not let in; a client's repeated packets are one."""
    bytes_in: int
    """From the client."""
    bytes_out: int
    first: float
    """When its first connection began, in seconds since the epoch."""
    last: float


class NewClient(Struct, frozen=True):
    """A client that the log did not know before."""

    client: Client
    connections: int
    refused: int
    first: float
    ports: tuple[str, ...]
    """The Service ports that let it in."""


class _Count:
    """Of one client, at one door or everywhere."""

    def __init__(self) -> None:
        self.connections = self.refused = self.bytes_in = self.bytes_out = 0
        self.first, self.last = float("inf"), 0.0
        self.ports: set[str] = set()

    def add(self, record: Record) -> None:
        let_in = record.verdict == "FORWARDED"
        self.connections += let_in
        self.refused += not let_in
        self.bytes_in += record.bytes_in
        self.bytes_out += record.bytes_out
        self.first = min(self.first, record.ts_start)
        self.last = max(self.last, moment(record))
        if let_in and (key := port_key(record)) is not None:
            self.ports.add(str(key))


class Usage:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._doors: dict[tuple[str, int, str, PortKey | None, Client], _Count] = {}
        self._clients: dict[Client, _Count] = {}

    def add(self, record: Record) -> None:
        """Every record is of some client; those through a door to the outside are that door's too."""
        client, key = client_of(record), port_key(record)
        self._clients.setdefault(client, _Count()).add(record)
        if record.entry in _OUTSIDE:
            door = record.entry, dialled(record)[1], record.proto, key, client
            self._doors.setdefault(door, _Count()).add(record)

    def doors(self) -> tuple[DoorUse, ...]:
        """By door; the client with most connections first."""
        return tuple(sorted(map(_use, self._doors.items()), key=_by_door))

    def new(self, known: Set[Client]) -> tuple[NewClient, ...]:
        """Clients that are not `known`, the first one first."""
        rows = [
            NewClient(client, count.connections, count.refused, count.first, tuple(sorted(count.ports)))
            for client, count in self._clients.items()
            if client not in known
        ]
        return tuple(sorted(rows, key=lambda row: (row.first, row.client)))

    @property
    def clients(self) -> int:
        """How many there were."""
        return len(self._clients)


def _use(item: tuple[tuple[str, int, str, PortKey | None, Client], _Count]) -> DoorUse:
    (entry, number, proto, key, client), count = item
    return DoorUse(
        entry, number, proto, key, client, count.connections, count.refused,
        count.bytes_in, count.bytes_out, count.first, count.last,
    )  # fmt: skip


def _by_door(use: DoorUse) -> tuple[object, ...]:
    owned = use.port is None, str(use.port or "")
    return *owned, use.entry, use.number, use.proto, -use.connections, -use.refused, use.client
