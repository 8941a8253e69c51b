"""What probes are told: of the proxy (`/healthz`, `/livez`) and of one Service (healthCheckNodePort).

Values in, answers out; who listens is in doors.py. Source of the rules: kube-proxy 1.36 pkg/proxy/healthcheck.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from portway.forwarding import HealthCheck, ServiceKey

LATE_SECONDS = 60.0
"""Twice kube-proxy's sync period: a change that waits that long for the kernel makes the proxy unhealthy."""
JSON = "application/json"


class Answer(Struct, frozen=True):
    """What an HTTP request gets."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


NOT_FOUND = Answer(404, "404 page not found\n")
_NO_SNIFFING = ("X-Content-Type-Options", "nosniff")


class ProxyHealth:
    """Whether changes reach the kernel in time, and whether this node should get traffic at all.

    A proxy that begins is up to date (`updated`), and its first sync waits for nothing: as kube-proxy, it is unhealthy
    only when a change that came later waits too long. `clock` gives seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting_since: float | None = None
        self._last_updated: float | None = None
        self.node_eligible = False
        """The Node exists, is not being deleted and is not tainted by the autoscaler."""

    def queued(self) -> None:
        """There is something to do; only the oldest such moment counts."""
        if self._waiting_since is None:
            self._waiting_since = self._clock()

    def updated(self) -> None:
        """Everything is done."""
        self._waiting_since, self._last_updated = None, self._clock()

    @property
    def healthy(self) -> bool:
        """Nothing waits, or not for long yet, or the proxy has not begun."""
        if self._waiting_since is None or self._last_updated is None:
            return True
        return self._clock() - self._waiting_since < LATE_SECONDS

    def healthz(self) -> Answer:
        """For load balancers that ask whether the node should get traffic."""
        return self._answer(self.healthy and self.node_eligible, {"nodeEligible": self.node_eligible})

    def livez(self) -> Answer:
        """For a kubelet that asks whether to restart us: the node's own fate is no reason to."""
        return self._answer(self.healthy, {})

    def _answer(self, well: bool, more: dict[str, Any]) -> Answer:
        now, healthy = self._clock(), self.healthy
        body = {
            # A healthy proxy is up to date now, even if nothing has changed for hours.
            "lastUpdated": _moment(now if well else self._last_updated),
            "currentTime": _moment(now),
            **more,
            "healthy": healthy,
        }
        if self._last_updated is not None:
            of_each = {"lastUpdated": _moment(self._last_updated), "healthy": healthy}
            body["status"] = dict.fromkeys(("IPv4", "IPv6"), of_each)  # one sync serves both
        return Answer(200 if well else 503, json.dumps(body, separators=(",", ":")), JSON, (_NO_SNIFFING,))


def _moment(seconds: float | None) -> str:
    """As Go writes a time in JSON; its zero time for never."""
    if seconds is None:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"


def health_check(service: ServiceKey, check: HealthCheck | None, proxy_healthy: bool) -> Answer:
    """A Service's healthCheckNodePort: 200 where it has local endpoints and the proxy is healthy."""
    namespace, name = service
    count = check.local_endpoints if check else 0
    body = {
        "service": {"namespace": namespace, "name": name},
        "localEndpoints": count,
        "serviceProxyHealthy": proxy_healthy,
    }
    status = 200 if count and proxy_healthy else 503
    headers = (_NO_SNIFFING, ("X-Load-Balancing-Endpoint-Weight", str(count)))
    return Answer(status, json.dumps(body, indent="\t"), JSON, headers)
