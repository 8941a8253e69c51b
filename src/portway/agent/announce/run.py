"""The announcer's process."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from portway.agent.announce.announcer import AnnounceConfig, Announcer
from portway.agent.announce.doubting import Doubting
from portway.agent.announce.figures import Figures
from portway.agent.announce.leases import FAILURES, Leases
from portway.agent.announce.objects import Objects
from portway.agent.announce.refusing import Refusing
from portway.agent.announce.statuses import Statuses
from portway.agent.doors import RETRY_SECONDS, Door, Doors
from portway.agent.events import Events
from portway.agent.health import NOT_FOUND, Answer
from portway.agent.metrics import exposition
from portway.client import Api, Reflector
from portway.loadbalancer.election import Timing

log = logging.getLogger(__name__)

_GOODBYE_SECONDS = 1.0


def run(config: AnnounceConfig) -> int:
    """Announce from this network namespace until SIGTERM or SIGINT; the exit code."""

    async def until_told() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(config, stop, Figures(config.node_name))

    asyncio.run(until_told())
    return 0


@contextlib.contextmanager
def beside(config: AnnounceConfig) -> Iterator[Figures]:
    """Announce in a thread, so that a long sync of rules does not cost this node its addresses; what it counts."""
    loop, stop, figures = asyncio.new_event_loop(), asyncio.Event(), Figures(config.node_name)

    def work() -> None:
        try:
            loop.run_until_complete(serve(config, stop, figures))
        except Exception:
            log.exception("addresses of LoadBalancers are not announced from here any more")

    thread = threading.Thread(target=work, name="announcer", daemon=True)
    thread.start()
    try:
        yield figures
    finally:
        with contextlib.suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(stop.set)
        thread.join(2 * _GOODBYE_SECONDS)


async def serve(config: AnnounceConfig, stop: asyncio.Event, figures: Figures) -> None:
    """Announce until `stop` is set; then let go of everything."""
    changed, timing = asyncio.Event(), Timing(config.lease_seconds)
    api = Api.unix(config.api_socket) if config.api_socket else Api.from_kubeconfig(config.kubeconfig or None)
    async with api:
        leases = Leases(api, config.node_name, timing, changed.set)
        objects = Objects(api, config.node_name, changed.set)
        statuses = Statuses(api, objects.teller)
        events = Events(config.node_name)
        doubting = Doubting(leases, figures, events, objects.services_at)
        refusing = Refusing(figures, events)
        announcer = Announcer(config.node_name, timing, leases, objects, changed, figures, statuses, doubting, refusing)
        reflectors = [*objects.all, leases.reflector]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reflector.run()) for reflector in (*reflectors, *objects.bgp, objects.secrets)]
            tasks += [group.create_task(reflector.run()) for reflector in statuses.reflectors]
            tasks.append(group.create_task(events.run(api)))
            tasks.append(group.create_task(_announce_when_known(announcer, reflectors, figures)))
            if config.metrics_socket:
                tasks.append(group.create_task(_answer(config.metrics_socket, figures)))
            await stop.wait()
            for task in tasks:
                task.cancel()
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await announcer.let_go()


async def _answer(path: str, figures: Figures) -> None:
    """/metrics on a Unix socket, for ever."""
    door = Door(path, 0, "metrics")
    doors = Doors()
    try:
        while not await doors.follow({door: lambda asked: _metrics(asked, figures)}):
            await asyncio.sleep(RETRY_SECONDS)
        await asyncio.Event().wait()
    finally:
        await doors.close()


def _metrics(path: str, figures: Figures) -> Answer:
    return Answer(200, *exposition(figures)) if path == "/metrics" else NOT_FOUND


async def _announce_when_known(announcer: Announcer, reflectors: Iterable[Reflector[Any]], figures: Figures) -> None:
    """Not before everything was seen once: what looks vacant may only be unknown."""
    for reflector in reflectors:
        await reflector.synced.wait()
    figures.loaded = True
    await announcer.run()
