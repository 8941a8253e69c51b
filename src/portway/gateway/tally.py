"""What a door counts, and how Prometheus is told. prometheus_client is imported with the first question."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from portway.gateway.engine import Applied, Served, Told

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_ROUTES = 1000
"""That are counted apart: others under an empty name."""


class Tally:
    """Plain numbers."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.requests: Counter[tuple[str, int]] = Counter()
        """By (route, status)."""
        self.connections: Counter[tuple[str, str]] = Counter()
        """Of TLSRoutes, by (route, reason)."""
        self.applied: Counter[str] = Counter()
        self.changes = 0
        self.problem = ""
        self._seconds = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0
        self._routes: set[str] = set()

    def told(self, told: Told) -> None:
        """One more request, or connection."""
        if isinstance(told, Served):
            self.requests[self._counted(told.route), told.status] += 1
            self._seconds[bisect_left(_BOUNDS, told.seconds)] += 1
            self._sum += told.seconds
        else:
            self.connections[self._counted(told.route), told.code] += 1

    def _counted(self, route: str) -> str:
        if route not in self._routes:
            if len(self._routes) >= _MOST_ROUTES:
                return ""
            self._routes.add(route)
        return route

    def took(self, applied: Applied) -> None:
        """One more table."""
        self.applied[applied.how] += 1
        self.changes += applied.changes
        self.problem = applied.reason

    def exposition(self) -> bytes:
        """For Prometheus, in its text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> "Iterator[Metric]":
        """prometheus_client's Collector."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "portway_gateway_requests", "Requests by what decided and status.", labels=["route", "code"]
        )
        for (route, status), count in self.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        connections = CounterMetricFamily(
            "portway_gateway_connections", "Connections of TLSRoutes by what decided.", labels=["route", "reason"]
        )
        for (route, reason), count in self.connections.items():
            connections.add_metric([route, reason], count)
        yield connections
        bounds = [*map(str, _BOUNDS), "+Inf"]
        yield HistogramMetricFamily(
            "portway_gateway_request_duration_seconds",
            "From a request's head to its answer's end.",
            buckets=list(zip(bounds, accumulate(self._seconds), strict=True)),
            sum_value=self._sum,
        )
        tables = CounterMetricFamily(
            "portway_gateway_tables", "Tables by what became of them.", labels=["engine", "how"]
        )
        for how in ("nothing", "runtime", "reload", "refused"):
            tables.add_metric([self.engine, how], self.applied[how])
        yield tables
        yield CounterMetricFamily("portway_gateway_changes", "Changes by the runtime API.", value=self.changes)
        yield GaugeMetricFamily("portway_gateway_refused", "The last table was refused.", value=bool(self.problem))
