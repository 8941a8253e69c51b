"""The agent's process: watches, coalesces, syncs, until it is told to stop. Traffic goes on without it."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from portway.agent import nft
from portway.agent.config import AgentConfig
from portway.agent.events import Events
from portway.agent.health import ProxyHealth
from portway.agent.metrics import Collector
from portway.agent.nft import NftError, NftMissing
from portway.agent.probes import Probes
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.agent.watches import SeenNode, Watches
from portway.client import Api, Key, Reflector
from portway.kubeapi import decode
from portway.kubeapi.errors import ApiError, Doc
from portway.model import EndpointSlice

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_GRACE_SECONDS = 3.0
"""What is still busy then is cancelled once more: who is told to end ends."""


def run(config: AgentConfig, counting: Sequence[Collector] = ()) -> int:
    """Be the node's kube-proxy in this network namespace until SIGTERM or SIGINT; returns the exit code.

    `counting`: what else counts in this process, for /metrics.
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(message)s")
    try:
        asyncio.run(_serve(config, counting))
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
    def __init__(self, config: AgentConfig, syncer: Syncer, counting: Sequence[Collector]) -> None:
        self._config = config
        self.node_name = config.node_name
        self._syncer = syncer
        self._changed = asyncio.Event()
        self._known = False
        self._health = ProxyHealth(time.time)
        self._health.updated()
        self._tally = syncer.tally
        self.events = Events(config.node_name)
        known = syncer.access_log.known if syncer.access_log else None
        self.probes = Probes(config, self._health, self._tally, syncer.health_checks, self.events, counting, known)

    def note(self, put: Callable[..., None], what: str = "") -> Callable[[Key, Any, Any], None]:
        """A Reflector's on_change that remembers the new object and wakes the loop."""

        def changed(key: Key, old: Any, new: Any) -> None:
            if old == new and not what:
                return  # something changed that nobody here reads, as pods do all the time
            put(key, new)
            self._tally.changed(what, time.time())
            self.wake()

        return changed

    def wake(self) -> None:
        """There is something to do."""
        self._changed.set()
        if self._known:
            self._health.queued()

    def decode_slice(self, document: Doc) -> EndpointSlice:
        """Changes before everything was known say nothing about how fast we are."""
        if self._known:
            self._tally.triggered(document)
        return decode.endpoint_slice(document)

    def put_own_node(self, seen: SeenNode | None) -> None:
        """This node's own object."""
        self._health.node_eligible = seen is not None and seen.eligible
        self._syncer.put_node(seen.node if seen else None)

    async def sync_forever(self) -> None:
        """Sync after each change, many changes at once when they come together."""
        self._known = True
        self._changed.set()  # no change that anybody waits for: the first sync makes nobody unhealthy
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
                    self.wake()

    async def _once(self) -> None:
        began = time.perf_counter()
        while not self._guarded(self._syncer.sync):
            self._tally.sync_failures += 1
            await asyncio.sleep(_RETRY_SECONDS)
            began = time.perf_counter()
        self._tally.synced(time.perf_counter() - began, time.time(), self._syncer.whole)
        self._health.updated()
        self.probes.follow(self._syncer.proxy)

    def _guarded(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except (NftError, OSError) as error:
            log.error("cannot program the kernel: %s; trying again in %g s", error, _RETRY_SECONDS)
            return False
        return True


async def _serve(config: AgentConfig, counting: Sequence[Collector]) -> None:
    kernel = KernelTable()
    agent = _Agent(config, syncer := Syncer(config, kernel), counting)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = Api.unix(config.api_socket) if config.api_socket else Api.from_kubeconfig(config.kubeconfig or None)
    async with api:
        watches = Watches(api, config, agent, syncer)
        tasks = [asyncio.create_task(reflector.run()) for reflector in watches.all]
        tasks.append(asyncio.create_task(_sync_when_known(agent, watches, syncer)))
        tasks.append(asyncio.create_task(agent.probes.keep_open()))
        tasks.append(asyncio.create_task(agent.events.run(api)))
        if syncer.access_log:
            tasks.append(asyncio.create_task(syncer.access_log.run()))
        stopped = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_GRACE_SECONDS)
        for task in done:
            task.result()
    kernel.close()


async def _sync_when_known(agent: _Agent, watches: Watches, syncer: Syncer) -> None:
    """Nothing is written before everything is known: an empty list must not empty the table."""
    for reflector in (*watches.services, watches.nodes):
        await reflector.synced.wait()
    if ("", agent.node_name) not in watches.nodes.objects:
        log.info("there is no Node %s yet: nodePorts wait for it", agent.node_name)
    await _known_or_refused(watches.service_cidrs)
    learning = asyncio.create_task(_learn_policies(agent, watches, syncer))
    try:
        # Together with Services where that is possible; they do not wait for what the API server refuses.
        for reflector in watches.policies:
            if not await _known_or_refused(reflector):
                log.error("policies stay as they are here, and pods that are new stay closed: %s", reflector.failure)
                break
        else:
            await learning
        await agent.sync_forever()
    finally:
        learning.cancel()


async def _learn_policies(agent: _Agent, watches: Watches, syncer: Syncer) -> None:
    for reflector in watches.policies:
        await reflector.synced.wait()
    for reflector in watches.cluster_policies:
        await _known_or_refused(reflector)
    if syncer.policies:
        syncer.policies.all_known()
        agent.wake()


async def _known_or_refused(reflector: Reflector[Any]) -> bool:
    """False when the API server does not give them to us: it knows no such kind, or we may not see them."""
    while not (reflector.synced.is_set() or isinstance(reflector.failure, ApiError)):
        await asyncio.sleep(0.01)
    return reflector.synced.is_set()
