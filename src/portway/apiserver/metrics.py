"""GET of /metrics: how many requests were answered, and what the process uses, for a Prometheus that asks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Answered = Counter[tuple[str, int]]
"""By HTTP method and status."""


def exposition(answered: Mapping[tuple[str, int], int]) -> tuple[str, str]:
    """(text, content type). prometheus_client is imported with the first question."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(answered))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


class _Families:
    def __init__(self, answered: Mapping[tuple[str, int], int]) -> None:
        self._answered = answered

    def collect(self) -> Iterable["Metric"]:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(
            "apiserver_request", "Requests answered, by HTTP method and status", labels=["verb", "code"]
        )
        for (method, status), count in sorted(self._answered.items()):
            family.add_metric([method, str(status)], count)
        yield family
