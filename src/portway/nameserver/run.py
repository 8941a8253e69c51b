"""The process: follows the API server, opens the doors, answers until told to end."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from portway.client import Api
from portway.dns import Zone
from portway.kubeapi import clusterdns
from portway.nameserver.desk import Desk
from portway.nameserver.doors import CLUSTER, HOST, Doors
from portway.nameserver.hostresolvers import HostResolvers
from portway.nameserver.records import configuring, following
from portway.nameserver.routes import Routes
from portway.nameserver.upstream import Upstream

log = logging.getLogger(__name__)


class NameserverConfig(Struct, frozen=True, kw_only=True):
    """What the process is told."""

    api_socket: str
    handover_socket: str
    """Where sockets are handed over (see doors.py)."""
    domain: str = clusterdns.DOMAIN
    addresses: tuple[str, ...] = ()
    """Of ns.dns.DOMAIN: the Service's."""
    ranges: tuple[str, ...] = ()
    """CIDRs of pods and Services: nobody else is asked for names of their addresses."""
    inside: tuple[str, ...] = ()
    """CIDRs that only sockets of the fleet reach: stub domains' servers may be there."""
    resolv_conf: str = "/etc/resolv.conf"
    """Names the resolvers that are asked for everything else."""


def run(config: NameserverConfig, host_doors: Sequence[socket.socket] = ()) -> int:
    """Answer until SIGTERM or SIGINT: also at `host_doors`, for this machine's own programs. Always 0."""
    asyncio.run(_until_told(config, host_doors))
    return 0


async def _until_told(config: NameserverConfig, host_doors: Sequence[socket.socket]) -> None:
    running = asyncio.current_task()
    assert running is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serve(config, host_doors)


async def serve(config: NameserverConfig, host_doors: Sequence[socket.socket] = ()) -> None:
    """Answer for ever, in the caller's event loop."""
    zone = Zone(config.domain, config.addresses, config.ranges)
    async with Api.unix(config.api_socket) as api, following(api, zone):
        doors = Doors()
        own = [door.getsockname()[:2] for door in host_doors]
        resolvers = HostResolvers(Path(config.resolv_conf))
        routes = Routes(resolvers.now, own, config.inside, doors.borrow)
        upstream = Upstream(routes)
        doors.desks = {CLUSTER: Desk(zone, upstream), HOST: Desk(None, Upstream(Routes(resolvers.now, own)))}
        for door in host_doors:
            await doors.open(door, CLUSTER)
        async with configuring(api, routes, upstream.forget):
            await doors.take_over(Path(config.handover_socket))
