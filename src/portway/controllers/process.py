"""The controllers' process: every controller in one event loop, over one API."""

import asyncio
import contextlib
import logging
import signal

from portway.client import Api
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.controllers.endpoints import EndpointsController, EndpointSliceController
from portway.controllers.scheduling import Scheduler
from portway.controllers.workloads import DeploymentController, ReplicaSetController, ReplicationControllerController

log = logging.getLogger(__name__)

CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    Scheduler,
    EndpointSliceController,
    EndpointsController,
)


def run(api_socket: str) -> int:
    """Run all controllers against the API server on this Unix socket until SIGTERM or SIGINT. Always 0."""
    asyncio.run(_until_told(api_socket))
    return 0


async def _until_told(api_socket: str) -> None:
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with Api.unix(api_socket) as api:
            await run_controllers(api)


async def run_controllers(api: Api) -> None:
    """Run all controllers for ever, in the caller's event loop."""
    cluster = Cluster(api)
    controllers = [make(cluster) for make in CONTROLLERS]
    async with asyncio.TaskGroup() as group:
        group.create_task(cluster.recorder.run())
        for cache in cluster.caches.values():
            group.create_task(cache.reflector.run())
        await cluster.synced()
        log.info("synced; %d controllers start", len(controllers))
        for controller in controllers:
            group.create_task(controller.queue.run(controller.workers))
