"""What the load balancers' controller tells Prometheus: MetalLB's names with MetalLB's meanings.

Source: MetalLB 0.15 internal/allocator/stats.go and internal/k8s/controllers/stats.go. Its gauges end in _total, and
so do ours. prometheus_client and aiohttp's server are imported with the first question and the first door.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from portway import strangers
from portway.loadbalancer.usage import FAMILIES, Usage

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)


class BalancerFigures(Struct, frozen=True):
    """What there is to tell at one moment."""

    pools: Mapping[str, Usage] = {}
    updates: int = 0
    """How often a Service or a pool was looked at."""
    errors: int = 0
    """How often that failed."""
    loaded: bool = False
    """There is a pool."""
    stale: bool = False
    """A stored pool cannot be read, or nothing comes from the API server: what is known may be old."""


def exposition(figures: BalancerFigures) -> tuple[str, str]:
    """(text, content type) for a Prometheus that asks."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


class _Families:
    def __init__(self, figures: BalancerFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterable["Metric"]:
        yield from self._pools()
        yield from self._client()

    def _pools(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        for name, help_text, number in _OF_A_POOL:
            family = GaugeMetricFamily(f"metallb_allocator_{name}_total", help_text, labels=["pool"])
            for pool, used in self._figures.pools.items():
                family.add_metric([pool], number(used))
            yield family

    def _client(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        known, start = self._figures, "metallb_k8s_client_"
        yield CounterMetricFamily(f"{start}updates", "Services and pools that were looked at", known.updates)
        yield CounterMetricFamily(f"{start}update_errors", "Looks that failed", known.errors)
        yield GaugeMetricFamily(f"{start}config_loaded_bool", "1 if there is an IPAddressPool", known.loaded)
        yield GaugeMetricFamily(f"{start}config_stale_bool", "1 if what is known may be old", known.stale)


_OF_A_POOL: tuple[tuple[str, str, Callable[[Usage], int]], ...] = (
    ("addresses", "Addresses that the pool may give away", lambda used: sum(used.total.values())),
    ("addresses_in_use", "Addresses of the pool that Services have", lambda used: sum(used.in_use.values())),
    *((f"{family.lower()}_addresses", f"The same of {family}", lambda used, f=family: used.total[f])
      for family in FAMILIES),
    *((f"{family.lower()}_addresses_in_use", f"The same of {family}", lambda used, f=family: used.in_use[f])
      for family in FAMILIES),
    ("services_allocated", "Services that have addresses of the pool", lambda used: used.services),
)  # fmt: skip


async def serve(path: Path, figures: Callable[[], BalancerFigures]) -> None:
    """Answer /metrics on a Unix socket until cancelled. Where that cannot be, it is said, and nothing else suffers."""
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path != "/metrics":
            return web.Response(status=404, text="404 page not found\n")
        text, content_type = exposition(figures())
        return web.Response(body=text.encode(), headers={"Content-Type": content_type})

    runner = web.ServerRunner(web.Server(answer, access_log=None, logger=strangers.log))
    await runner.setup()
    try:
        path.unlink(missing_ok=True)  # of a process that was killed
        await web.UnixSite(runner, str(path)).start()
    except OSError as error:
        log.error("no metrics at %s: %s", path, error.strerror or error)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
