"""What the agent counts, and how Prometheus is told: kube-proxy's names with kube-proxy's meanings.

Counting is plain numbers, so that an agent that nobody asks pays nothing; prometheus_client is imported with the
first question. One sync serves both families, so the label ip_family is absent.
Source of names and buckets: kube-proxy 1.36 pkg/proxy/metrics.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from portway.accesslog.counters import Counters
from portway.agent import service_metrics
from portway.forwarding import ForwardingTable, without_local_endpoints

if TYPE_CHECKING:
    from prometheus_client.core import Metric

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
"""An EndpointSlice's annotation: when what it tells of happened."""
_SYNC_BOUNDS = tuple(0.001 * 2**step for step in range(15))
_PROGRAMMING_BOUNDS = (0.25, 0.5, *map(float, (*range(1, 60), *range(60, 120, 5), *range(120, 301, 30))))


class Histogram:
    """How often which duration, in seconds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.sum += seconds

    @property
    def buckets(self) -> list[tuple[str, int]]:
        """(upper bound, how many are not above it), the last one "+Inf"."""
        bounds = [*map(str, self._bounds), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))


class Tally:
    """Everything that is counted. Times are seconds since 1970."""

    def __init__(self, services: Counters | None = None, table: Callable[[], ForwardingTable] | None = None) -> None:
        self.services, self.table = services, table
        """What Services had to do, where an access log is kept; and where packets are sent now."""
        self.sync_duration = Histogram(_SYNC_BOUNDS)
        self.full_sync_duration = Histogram(_SYNC_BOUNDS)
        self.partial_sync_duration = Histogram(_SYNC_BOUNDS)
        self.conntrack_duration = Histogram(_SYNC_BOUNDS)
        self.conntrack_deleted = 0
        self.network_programming = Histogram(_PROGRAMMING_BOUNDS)
        self.last_synced = 0.0
        self.last_queued = 0.0
        self.changes: Counter[str] = Counter()
        """Changes seen, by "service" and "endpoint"."""
        self.pending: Counter[str] = Counter()
        """Those not synced yet."""
        self.sync_failures = 0
        self.probes: Counter[tuple[str, int]] = Counter()
        """Answers by ("healthz" or "livez", status)."""
        self._triggered: list[float] = []

    def collect(self) -> Iterable["Metric"]:
        """As prometheus_client asks a collector."""
        return _Families(self).collect()

    def changed(self, what: str, now: float) -> None:
        """An object changed: a "service" or an "endpoint" (slice), or another one ("")."""
        self.last_queued = now
        if what:
            self.changes[what] += 1
            self.pending[what] += 1

    def triggered(self, document: dict[str, Any]) -> None:
        """Remember when the cause of this EndpointSlice's change was, if it says so."""
        annotations = (document.get("metadata") or {}).get("annotations") or {}
        try:
            self._triggered.append(datetime.fromisoformat(annotations[TRIGGER_TIME]).timestamp())
        except (KeyError, TypeError, ValueError):
            return

    def reconciled(self, seconds: float, deleted: int) -> None:
        """Connection tracking was looked through for stale flows."""
        self.conntrack_duration.observe(seconds)
        self.conntrack_deleted += deleted

    def synced(self, seconds: float, now: float, whole: bool = False) -> None:
        """A sync was done and took so long; of the `whole` table, or of what changed."""
        self.sync_duration.observe(seconds)
        (self.full_sync_duration if whole else self.partial_sync_duration).observe(seconds)
        self.last_synced = now
        self.pending.clear()
        for moment in self._triggered:
            self.network_programming.observe(max(0.0, now - moment))
        self._triggered.clear()


class Collector(Protocol):
    """Something that counts, as prometheus_client asks it."""

    def collect(self) -> Iterable["Metric"]:
        """All of it, as it is now."""


def exposition(*counting: Collector) -> tuple[str, str]:
    """(text, content type) for a Prometheus that asks, of all that counts in this process."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    for each in counting:
        registry.register(each)
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


class _Families:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterable["Metric"]:
        yield from self._durations()
        yield from self._moments()
        yield from self._counters()
        yield from self._probes()
        if self._tally.services is not None:
            yield from service_metrics.families(self._tally.services)

    def _durations(self) -> Iterator["Metric"]:
        from prometheus_client.core import HistogramMetricFamily

        for name, help_text, histogram in (
            ("sync_proxy_rules_duration", "SyncProxyRules latency in seconds", self._tally.sync_duration),
            ("sync_full_proxy_rules_duration", "SyncProxyRules latency in seconds for full resyncs",
             self._tally.full_sync_duration),
            ("sync_partial_proxy_rules_duration", "SyncProxyRules latency in seconds for partial resyncs",
             self._tally.partial_sync_duration),
            ("conntrack_reconciler_sync_duration", "ReconcileConntrackFlowsLatency latency in seconds",
             self._tally.conntrack_duration),
            ("network_programming_duration", "In Cluster Network Programming Latency in seconds",
             self._tally.network_programming),
        ):  # fmt: skip
            yield HistogramMetricFamily(
                f"kubeproxy_{name}_seconds", help_text, buckets=histogram.buckets, sum_value=histogram.sum
            )

    def _moments(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        tally = self._tally
        for name, help_text, value in (
            ("last_timestamp_seconds", "The last time proxy rules were successfully synced", tally.last_synced),
            ("last_queued_timestamp_seconds", "The last time a sync of proxy rules was queued", tally.last_queued),
            ("endpoint_changes_pending", "Pending proxy rules Endpoint changes", tally.pending["endpoint"]),
            ("service_changes_pending", "Pending proxy rules Service changes", tally.pending["service"]),
        ):
            yield GaugeMetricFamily(f"kubeproxy_sync_proxy_rules_{name}", help_text, value)
        yield self._no_local_endpoints()

    def _no_local_endpoints(self) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Number of services with a Local traffic policy and no endpoints",
            labels=["traffic_policy"],
        )
        internal, external = without_local_endpoints(self._tally.table()) if self._tally.table else (0, 0)
        family.add_metric(["internal"], internal)
        family.add_metric(["external"], external)
        return family

    def _counters(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily

        tally = self._tally
        for name, help_text, value in (
            ("endpoint_changes", "Cumulative proxy rules Endpoint changes", tally.changes["endpoint"]),
            ("service_changes", "Cumulative proxy rules Service changes", tally.changes["service"]),
            ("nftables_sync_failures", "Cumulative proxy nftables sync failures", tally.sync_failures),
            # What is superfluous goes in the commits of a sync: where it cannot, that sync has failed.
            ("nftables_cleanup_failures", "Cumulative proxy nftables cleanup failures", 0),
        ):
            yield CounterMetricFamily(f"kubeproxy_sync_proxy_rules_{name}", help_text, value)
        yield CounterMetricFamily(
            "kubeproxy_conntrack_reconciler_deleted_entries",
            "Cumulative conntrack flows deleted by conntrack reconciler",
            tally.conntrack_deleted,
        )

    def _probes(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily

        for probe in ("healthz", "livez"):
            family = CounterMetricFamily(
                f"kubeproxy_proxy_{probe}", f"Cumulative proxy {probe} HTTP status", labels=["code"]
            )
            for status in (200, 503):
                family.add_metric([str(status)], self._tally.probes[probe, status])
            yield family
