"""Which doors an agent keeps open for probes, and what each of them answers.

`/healthz` and `/livez` for load balancers and kubelets, `/metrics` for Prometheus, and the healthCheckNodePort of
every Service that has one, on the addresses that accept nodePorts.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from portway.accesslog.parties import Known
from portway.agent.config import AgentConfig
from portway.agent.doors import RETRY_SECONDS, Answering, Door, Doors, door_at
from portway.agent.events import Events
from portway.agent.health import NOT_FOUND, Answer, ProxyHealth, health_check
from portway.agent.metrics import Collector, Tally, exposition
from portway.forwarding import HealthCheck, ServiceKey
from portway.model import ProxyConfig


class Probes:
    """Keeps the doors open. `checks` is read whenever a probe asks; `follow` says that it or the node changed."""

    def __init__(
        self,
        config: AgentConfig,
        health: ProxyHealth,
        tally: Tally,
        checks: Mapping[ServiceKey, HealthCheck],
        events: Events,
        counting: Sequence[Collector] = (),
        known: Callable[[Iterable[str]], Mapping[str, Known]] | None = None,
    ) -> None:
        """`counting`: what else counts in this process, for /metrics. `known`: who addresses are, for doors' logs."""
        self._health, self._tally, self._checks, self._events = health, tally, checks, events
        self._counting, self._known = (tally, *counting), known
        self._standing = dict(self._of_the_proxy(config))
        self._wanted: dict[Door, Answering] = dict(self._standing)
        self._changed = asyncio.Event()
        self._services: dict[Door, ServiceKey] = {}
        self._doors = Doors(self._complain)

    def follow(self, proxy: ProxyConfig) -> None:
        """Listen for the Services that there are now. Cheap when nothing changed."""
        addresses = ("",) if proxy.node_port_match_all else proxy.node_port_addresses
        self._services = {
            Door(address, check.node_port, f"health check of Service {key[0]}/{key[1]}"): key
            for key, check in self._checks.items()
            for address in addresses
        }
        wanted = {door: self._of_service(key) for door, key in self._services.items()} | self._standing
        if wanted.keys() != self._wanted.keys():
            self._wanted = wanted
            self._changed.set()

    def _complain(self, door: Door, why: str) -> None:
        if service := self._services.get(door):
            self._events.no_health_check(service, door.port, why)

    async def keep_open(self) -> None:
        """Forever; closes all doors when cancelled."""
        try:
            while True:
                self._changed.clear()
                patience = None if await self._doors.follow(self._wanted) else RETRY_SECONDS
                try:
                    async with asyncio.timeout(patience):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            await self._doors.close()

    def _of_the_proxy(self, config: AgentConfig) -> Mapping[Door, Answering]:
        wanted: dict[Door, Answering] = {}
        if config.healthz_bind_address:
            wanted[door_at(config.healthz_bind_address, "healthz")] = self._healthz
        if config.metrics_bind_address:
            wanted[door_at(config.metrics_bind_address, "metrics")] = self._metrics
        if config.metrics_socket:
            wanted[Door(config.metrics_socket, 0, "metrics")] = self._private
        return wanted

    def _healthz(self, path: str) -> Answer:
        answers: Mapping[str, Callable[[], Answer]] = {"/healthz": self._health.healthz, "/livez": self._health.livez}
        if path not in answers:
            return NOT_FOUND
        answer = answers[path]()
        self._tally.probes[path[1:], answer.status] += 1
        return answer

    def _metrics(self, path: str) -> Answer:
        if path == "/metrics":
            return Answer(200, *exposition(*self._counting))
        fixed = {"/proxyMode": "nftables", "/healthz": "ok"}
        return Answer(200, fixed[path]) if path in fixed else NOT_FOUND

    def _private(self, path: str) -> Answer:
        """Over the Unix socket, which only the fleet's own processes reach: /parties/ADDRESS,ADDRESS too."""
        asked = path.removeprefix("/parties/")
        if asked == path or self._known is None:
            return self._metrics(path)
        return Answer(200, msgspec.json.encode(self._known(asked.split(","))).decode(), "application/json")

    def _of_service(self, key: ServiceKey) -> Answering:
        return lambda _path: health_check(key, self._checks.get(key), self._health.healthy)
