"""What came through doors of layer 7: how many requests for each host and route, and how they were answered; how many
connections of TLSRoutes for each name."""

from collections import Counter

from msgspec import Struct

from portway.accesslog.record import Record


class RouteUse(Struct, frozen=True):
    """The requests for one host, or the connections for one server name, that one route decided."""

    entry: str
    """Ingress or Gateway."""
    host: str
    route: str
    """Empty: no route matched."""
    requests: int
    """Or connections."""
    answers: dict[str, int]
    """How many by the class of their status: `2xx`, `5xx`, …; `none` for clients that went away. Of connections:
    `carried`, `closed`."""
    mean_ms: float
    longest_ms: float
    bytes_in: int
    bytes_out: int


class Requests:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, str], _Count] = {}
        self._names: dict[tuple[str, str, str], _Count] = {}

    def add(self, record: Record) -> None:
        """Only what doors of layer 7 tell counts."""
        if (http := record.http) is not None:
            answer = f"{http.status // 100}xx" if http.status else "none"
            self._routes.setdefault((record.entry, http.host, http.route), _Count()).add(record, answer)
        elif (tls := record.tls) is not None:
            fate = "carried" if record.verdict == "FORWARDED" else "closed"
            self._names.setdefault((record.entry, tls.server_name, tls.route), _Count()).add(record, fate)

    def found(self) -> tuple[RouteUse, ...]:
        """Requests, the busiest route first."""
        return _sorted(self._routes)

    def carried(self) -> tuple[RouteUse, ...]:
        """Connections, likewise."""
        return _sorted(self._names)


class _Count:
    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.total_ms = self.longest_ms = 0.0
        self.bytes_in = self.bytes_out = 0

    def add(self, record: Record, answer: str) -> None:
        self.answers[answer] += 1
        self.total_ms += record.duration_ms
        self.longest_ms = max(self.longest_ms, record.duration_ms)
        self.bytes_in += record.bytes_in
        self.bytes_out += record.bytes_out

    def use(self, entry: str, host: str, route: str) -> RouteUse:
        number = self.answers.total()
        return RouteUse(
            entry, host, route, number, dict(sorted(self.answers.items())),
            round(self.total_ms / number, 3), self.longest_ms, self.bytes_in, self.bytes_out,
        )  # fmt: skip


def _sorted(counts: dict[tuple[str, str, str], _Count]) -> tuple[RouteUse, ...]:
    rows = [count.use(*key) for key, count in counts.items()]
    return tuple(sorted(rows, key=lambda row: (-row.requests, row.host, row.route)))
