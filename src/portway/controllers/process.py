"""The controllers' process: every controller in one event loop, over one API."""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from portway.client import Api
from portway.controllers import metrics
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.controllers.doors import DoorController
from portway.controllers.endpoints import EndpointsController, EndpointSliceController, MirroringController
from portway.controllers.loadbalancers import LoadBalancerController
from portway.controllers.ordered import DaemonSetController, JobController, StatefulSetController
from portway.controllers.scheduling import Scheduler
from portway.controllers.servicecidrs import ServiceCIDRController
from portway.controllers.upkeep import GarbageCollector, NamespaceController, ServiceAccountController
from portway.controllers.workloads import DeploymentController, ReplicaSetController, ReplicationControllerController

log = logging.getLogger(__name__)

CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    Scheduler,
    EndpointSliceController,
    EndpointsController,
    MirroringController,
    LoadBalancerController,
    DoorController,
    ServiceCIDRController,
    GarbageCollector,
    NamespaceController,
    ServiceAccountController,
)


def run(
    api_socket: str, ca_file: Path | None = None, gateway_engine: str = "auto", metrics_socket: Path | None = None
) -> int:
    """Run all controllers against the API server on this Unix socket until SIGTERM or SIGINT. Always 0.

    `ca_file`: the PEM that is published as kube-root-ca.crt in every namespace; there once the API server answers.
    `gateway_engine`: `portway gateway --engine` of the doors.
    `metrics_socket`: the path of a Unix socket that answers /metrics.
    """
    asyncio.run(_until_told(api_socket, ca_file, gateway_engine, metrics_socket))
    return 0


async def _until_told(api_socket: str, ca_file: Path | None, gateway_engine: str, metrics_socket: Path | None) -> None:
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with Api.unix(api_socket) as api:
            await run_controllers(api, ca_file, api_socket, gateway_engine, metrics_socket)


async def run_controllers(
    api: Api,
    ca_file: Path | None = None,
    api_socket: str = "",
    gateway_engine: str = "auto",
    metrics_socket: Path | None = None,
) -> None:
    """Run all controllers for ever, in the caller's event loop. `api_socket`, `gateway_engine`: for doors' pods."""
    cluster = Cluster(api)
    cluster.api_socket, cluster.gateway_engine = api_socket, gateway_engine
    controllers = [make(cluster) for make in CONTROLLERS]
    async with asyncio.TaskGroup() as group:
        group.create_task(cluster.recorder.run())
        if metrics_socket is not None:
            (balancer,) = (each for each in controllers if isinstance(each, LoadBalancerController))
            group.create_task(metrics.serve(metrics_socket, balancer.figures))
        for cache in cluster.first:
            group.create_task(cache.reflector.run())
        for cache in cluster.first:
            await cache.reflector.synced.wait()
        if ca_file is not None:
            cluster.ca = ca_file.read_text()
        log.info("synced; %d controllers start", len(controllers))
        for controller in controllers:
            group.create_task(controller.queue.run(controller.workers))
        for cache in cluster.others:
            group.create_task(cache.reflector.run())
