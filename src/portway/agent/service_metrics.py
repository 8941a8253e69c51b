"""Per Service port: what the access log counts, for Prometheus. Names and labels: docs/access-log.md.

How many series there can be is bounded: by the Service ports and the backends that are counted apart
(accesslog/counters.py), and by the codes of reasons. What is beyond is counted under empty names, or as "other".
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from portway.accesslog.counters import Counters, Counts
from portway.model import ServicePortName

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

LABELS = ("namespace", "service", "port", "protocol")
_Row = tuple[list[str], Counts]


def families(counters: Counters) -> Iterator["Metric"]:
    """All of them."""
    rows = [(_labels(name), counts) for name, counts in counters.of.items()]
    rows.append((["", "", "", ""], counters.others))
    yield from _connections(rows)
    yield from _traffic(rows)
    yield from _by_reason_and_backend(rows)
    yield from _about_the_log(counters)


def _labels(name: ServicePortName) -> list[str]:
    return [name.namespace, name.name, name.port, name.protocol]


def _connections(rows: Sequence[_Row]) -> Iterator["Metric"]:
    opened = _counter("connections", "Connections (UDP: flows) let through to a backend")
    active = _gauge("connections_active", "Those that neither end has ended yet")
    ready = _gauge("backends_ready", "Backends that a new connection at this node may get")
    clients = _counter("clients", "Different clients let in since the agent began, up to 1000")
    for labels, counts in rows:
        opened.add_metric(labels, counts.connections)
        active.add_metric(labels, counts.active)
        ready.add_metric(labels, counts.ready)
        clients.add_metric(labels, len(counts.clients))
    yield from (opened, active, ready, clients)


def _traffic(rows: Sequence[_Row]) -> Iterator["Metric"]:
    volume = _counter("bytes", "Bytes of IP packets, in from clients and out to them", "direction")
    packets = _counter("packets", "IP packets, in from clients and out to them", "direction")
    for labels, counts in rows:
        volume.add_metric([*labels, "in"], counts.bytes_in)
        volume.add_metric([*labels, "out"], counts.bytes_out)
        packets.add_metric([*labels, "in"], counts.packets_in)
        packets.add_metric([*labels, "out"], counts.packets_out)
    yield from (volume, packets)


def _by_reason_and_backend(rows: Sequence[_Row]) -> Iterator["Metric"]:
    refusals = _counter("refusals", "Connections that were not let through, by the code of the reason", "reason")
    backends = _counter("backend_connections", "Connections by the backend that got them", "backend")
    for labels, counts in rows:
        for reason, number in counts.refusals.items():
            refusals.add_metric([*labels, reason], number)
        for backend, number in counts.backends.items():
            backends.add_metric([*labels, backend], number)
    yield from (refusals, backends)


def _about_the_log(counters: Counters) -> Iterator["Metric"]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield CounterMetricFamily("portway_access_log_records", "Lines of the access log", counters.records)
    yield GaugeMetricFamily(
        "portway_access_log_counted_timestamp_seconds",
        "Up to when open connections are counted",
        counters.counted / 1e9,
    )
    for name, help_text, numbers in (
        ("overruns", "Times that there was more to tell than fits", counters.overruns),
        ("lost", "Events, packets or lines that are missing from the access log", counters.lost),
    ):
        family = CounterMetricFamily(f"portway_access_log_{name}", help_text, labels=["source"])
        for source in ("connections", "refusals", "lines"):
            family.add_metric([source], numbers[source])
        yield family


def _counter(name: str, help_text: str, *more: str) -> "CounterMetricFamily":
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"portway_service_{name}", help_text, labels=[*LABELS, *more])


def _gauge(name: str, help_text: str) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"portway_service_{name}", help_text, labels=LABELS)
