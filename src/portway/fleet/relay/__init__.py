"""The host's doors into the fleet: node k answers at 127.x.y.k on every nodePort that exists now, TCP and UDP.

A **door** is one node's address and port on the host. Watches Services; opens and closes doors as nodePorts come
and go; what comes in goes on through a socket of the `outside` namespace (see dialer.py) to the node's own address,
so the fleet sees an external client. A connection that is refused inside is reset outside.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from portway.client import Api, Key, Reflector
from portway.fleet.config import NodePlan
from portway.fleet.dialer import raise_file_limit
from portway.fleet.paths import FleetPaths
from portway.fleet.relay.dial import Dialer
from portway.fleet.relay.tcp import open_tcp
from portway.fleet.relay.udp import open_udp
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource

log = logging.getLogger("portway.fleet.relay")

_RETRY_SECONDS = 1.0
"""How often a port that somebody else has on the host is tried again."""
_SERVICES = Resource("", "v1", "services")


class NodePort(Struct, frozen=True, order=True):
    """A port that every node answers at."""

    protocol: str
    port: int


def run(paths: FleetPaths, nodes: Sequence[NodePlan]) -> int:
    """The relay process; returns only by being killed."""
    raise_file_limit()
    asyncio.run(_run(paths, nodes))
    return 0


async def _run(paths: FleetPaths, nodes: Sequence[NodePlan]) -> None:
    doors = Doors(nodes, Dialer(paths.dial_socket))
    async with Api.unix(paths.api_socket) as api:
        services = Reflector(api, _SERVICES, decode=node_ports, on_change=doors.change)
        await services.run()


def node_ports(service: Doc) -> frozenset[NodePort]:
    """The nodePorts of a Service document that the relay can carry (SCTP it cannot)."""
    ports = (service.get("spec") or {}).get("ports") or []
    return frozenset(
        NodePort(port.get("protocol", "TCP"), port["nodePort"])
        for port in ports
        if port.get("nodePort") and port.get("protocol", "TCP") in ("TCP", "UDP")
    )


class Doors:
    """Which doors are open. All methods are called on the event loop."""

    def __init__(self, nodes: Sequence[NodePlan], dialer: Dialer) -> None:
        self._nodes, self._dialer = nodes, dialer
        self._wanted: Counter[NodePort] = Counter()
        self._open: dict[NodePort, list[asyncio.Task[None]]] = {}

    def change(self, _: Key, old: frozenset[NodePort] | None, new: frozenset[NodePort] | None) -> None:
        """A Service's nodePorts went from `old` to `new`."""
        # Counted, because a port may already be another Service's before this one is heard to have left it.
        self._wanted.update(new or ())
        self._wanted.subtract(old or ())
        for port in (old or frozenset()) | (new or frozenset()):
            if self._wanted[port] <= 0:
                del self._wanted[port]
                for task in self._open.pop(port, []):
                    task.cancel()
            elif port not in self._open:
                self._open[port] = [asyncio.create_task(self._keep_open(node, port)) for node in self._nodes]

    async def _keep_open(self, node: NodePlan, port: NodePort) -> None:
        """Answer at one door until cancelled."""
        opener = open_tcp if port.protocol == "TCP" else open_udp
        said = ""
        while True:
            try:
                close = await opener(node.loopback, port.port, node.addresses[0], self._dialer)
                break
            except OSError as error:
                if said != (said := str(error)):
                    log.error("cannot answer at %s:%d/%s: %s", node.loopback, port.port, port.protocol, error)
                await asyncio.sleep(_RETRY_SECONDS)
        if said:
            log.info("answering at %s:%d/%s now", node.loopback, port.port, port.protocol)
        try:
            await asyncio.Event().wait()
        finally:
            close()
