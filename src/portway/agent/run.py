"""The agent's process: watches, coalesces, syncs, until it is told to stop. Traffic goes on without it."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from portway.agent import nft
from portway.agent.config import AgentConfig
from portway.agent.health import ProxyHealth, node_eligible
from portway.agent.metrics import Tally
from portway.agent.nft import NftError, NftMissing
from portway.agent.probes import Probes
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.client import Api, Reflector
from portway.kubeapi import decode
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.model import EndpointSlice, Node

log = logging.getLogger(__name__)

SERVICES = Resource("", "v1", "services")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
NODES = Resource("", "v1", "nodes", namespaced=False)
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", namespaced=False)
NOT_OURS = "!service.kubernetes.io/headless"
NOT_OTHERS = "!service.kubernetes.io/service-proxy-name"
_RETRY_SECONDS = 1.0
_GRACE_SECONDS = 3.0
"""What is still busy then is cancelled once more: who is told to end ends."""


def run(config: AgentConfig) -> int:
    """Be the node's kube-proxy in this network namespace until SIGTERM or SIGINT; returns the exit code."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(message)s")
    try:
        asyncio.run(_serve(config))
    except NftMissing as missing:
        log.error("%s", missing)
        return 1
    return 0


def cleanup() -> bool:
    """Delete our table from this network namespace, and nothing else; False when there is none.

    Raises nft.NftError, nft.NftMissing.
    """
    return nft.delete_table()


class _Agent:
    def __init__(self, config: AgentConfig, syncer: Syncer) -> None:
        self._config = config
        self.node_name = config.node_name
        self._syncer = syncer
        self._changed = asyncio.Event()
        self._known = False
        self._health = ProxyHealth(time.time)
        self._tally = Tally()
        self.probes = Probes(config, self._health, self._tally, syncer.health_checks)

    def note(self, put: Callable[..., None], what: str = "") -> Callable[..., None]:
        """A Reflector's on_change that remembers the new object and wakes the loop."""

        def changed(key: Any, _old: Any, new: Any) -> None:
            put(key, new)
            self._tally.changed(what, time.time())
            self._wake()

        return changed

    def _wake(self) -> None:
        self._changed.set()
        if self._known:
            self._health.queued()

    def decode_slice(self, document: Doc) -> EndpointSlice:
        """Changes before everything was known say nothing about how fast we are."""
        if self._known:
            self._tally.triggered(document)
        return decode.endpoint_slice(document)

    def put_node(self, _key: Any, node: tuple[Node, bool] | None) -> None:
        """Only this node's object is watched."""
        known, self._health.node_eligible = node or (None, False)
        self._syncer.put_node(known)

    async def sync_forever(self) -> None:
        """Sync after each change, many changes at once when they come together."""
        self._known = True
        self._wake()
        while True:
            await self._wait()
            await asyncio.sleep(self._config.coalesce)
            self._changed.clear()
            await self._once()
            await asyncio.sleep(self._config.min_sync_interval)

    async def _wait(self) -> None:
        while not self._changed.is_set():
            try:
                # Not wait_for: Python 3.11's forgets a cancellation that comes together with the event.
                async with asyncio.timeout(self._config.check_interval):
                    await self._changed.wait()
            except TimeoutError:
                if not self._guarded(self._syncer.check):
                    self._wake()

    async def _once(self) -> None:
        began = time.perf_counter()
        while not self._guarded(self._syncer.sync):
            self._tally.sync_failures += 1
            await asyncio.sleep(_RETRY_SECONDS)
            began = time.perf_counter()
        self._tally.synced(time.perf_counter() - began, time.time())
        self._health.updated()
        self.probes.follow(self._syncer.proxy)

    def _guarded(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except (NftError, OSError) as error:
            log.error("cannot program the kernel: %s; trying again in %g s", error, _RETRY_SECONDS)
            return False
        return True


async def _serve(config: AgentConfig) -> None:
    kernel = KernelTable()
    agent = _Agent(config, syncer := Syncer(config, kernel))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = Api.unix(config.api_socket) if config.api_socket else Api.from_kubeconfig(config.kubeconfig or None)
    async with api:
        reflectors: list[Reflector[Any]] = [
            Reflector(
                api,
                SERVICES,
                label_selector=NOT_OTHERS,
                decode=decode.service,
                on_change=agent.note(syncer.put_service, "service"),
            ),
            Reflector(
                api,
                ENDPOINT_SLICES,
                label_selector=NOT_OURS,
                decode=agent.decode_slice,
                on_change=agent.note(syncer.put_slice, "endpoint"),
            ),
            Reflector(
                api,
                NODES,
                field_selector=f"metadata.name={config.node_name}",
                decode=_node,
                on_change=agent.note(agent.put_node),
            ),
            Reflector(api, SERVICE_CIDRS, decode=decode.service_cidrs, on_change=agent.note(syncer.put_service_cidr)),
        ]
        tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
        tasks.append(asyncio.create_task(_sync_when_known(agent, reflectors)))
        tasks.append(asyncio.create_task(agent.probes.keep_open()))
        stopped = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_GRACE_SECONDS)
        for task in done:
            task.result()
    kernel.close()


def _node(document: Doc) -> tuple[Node, bool]:
    """This node, and whether load balancers may send it traffic."""
    return decode.node(document), node_eligible(document)


async def _sync_when_known(agent: _Agent, reflectors: list[Reflector[Any]]) -> None:
    """Nothing is written before everything is known: an empty list must not empty the table."""
    *needed, nodes, service_cidrs = reflectors
    for reflector in (*needed, nodes):
        await reflector.synced.wait()
    if not nodes.objects:
        log.info("there is no Node %s yet: nodePorts wait for it", agent.node_name)
    # An API server older than 1.33 has no ServiceCIDRs, and a role may leave them out: nobody waits for those.
    while not (service_cidrs.synced.is_set() or isinstance(service_cidrs.failure, ApiError)):
        await asyncio.sleep(0.01)
    await agent.sync_forever()
