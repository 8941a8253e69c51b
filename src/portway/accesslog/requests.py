"""What requests came through doors of layer 7: how many for each host and route, and how they were answered."""

from collections import Counter

from msgspec import Struct

from portway.accesslog.record import Record


class RouteUse(Struct, frozen=True):
    """The requests for one host that one route decided."""

    entry: str
    """Ingress or Gateway."""
    host: str
    route: str
    """Empty: no route matched."""
    requests: int
    answers: dict[str, int]
    """How many by the class of their status: `2xx`, `5xx`, …; `none` for clients that went away."""
    mean_ms: float
    longest_ms: float
    bytes_in: int
    bytes_out: int


class Requests:
    """Takes records in any order."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, str], _Count] = {}

    def add(self, record: Record) -> None:
        """Only requests count."""
        if (http := record.http) is not None:
            key = record.entry, http.host, http.route
            self._routes.setdefault(key, _Count()).add(record, http.status)

    def found(self) -> tuple[RouteUse, ...]:
        """The busiest first."""
        rows = [count.use(*key) for key, count in self._routes.items()]
        return tuple(sorted(rows, key=lambda row: (-row.requests, row.host, row.route)))


class _Count:
    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.total_ms = self.longest_ms = 0.0
        self.bytes_in = self.bytes_out = 0

    def add(self, record: Record, status: int) -> None:
        self.answers[f"{status // 100}xx" if status else "none"] += 1
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
