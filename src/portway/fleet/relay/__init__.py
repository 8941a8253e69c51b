"""The host's doors into the fleet: node k answers at 127.x.y.k on every nodePort that exists now, TCP and UDP, and
each address of a LoadBalancer, IPv4 or IPv6, at a 127.x.y.n of its own on its ports.

A **door** is an address and port on the host. Watches Services; opens and closes doors as nodePorts and addresses come
and go; what comes in goes on through a socket of the `outside` namespace (see dialer.py) to the node's or
LoadBalancer's own address, so the fleet sees an external client. A connection that is refused inside is reset outside.
"""

import asyncio
import contextlib
import errno
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from msgspec import Struct

from portway.client import Api, Key, Reflector
from portway.fleet import hostdoors
from portway.fleet.config import WIRE_CIDRS, NodePlan
from portway.fleet.dialer import raise_file_limit
from portway.fleet.hostdoors import HostDoor
from portway.fleet.paths import FleetPaths
from portway.fleet.relay.balancers import Front, HostAddresses, fronts, instead_of
from portway.fleet.relay.dial import Dialer
from portway.fleet.relay.tcp import open_tcp
from portway.fleet.relay.udp import open_udp
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource

log = logging.getLogger("portway.fleet.relay")

_RETRY_SECONDS = 1.0
"""How often a port that somebody else has on the host is tried again."""
_MOMENT = 0.02
"""Seconds before others are told where LoadBalancers answer."""
_SERVICES = Resource("", "v1", "services")
_WIRE = [ip_network(cidr) for cidr in WIRE_CIDRS]
Closer = Callable[[], None]


class NodePort(Struct, frozen=True, order=True):
    """A port that every node answers at."""

    protocol: str
    port: int
    six: bool = False
    """Whether it answers at nodes' IPv6 addresses only."""


Entrance = frozenset[NodePort | Front]
"""Where a Service is entered from outside."""


def run(paths: FleetPaths, nodes: Sequence[NodePlan]) -> int:
    """The relay process; returns only by being killed."""
    raise_file_limit()
    asyncio.run(_run(paths, nodes))
    return 0


async def _run(paths: FleetPaths, nodes: Sequence[NodePlan]) -> None:
    doors = Doors(nodes, Dialer(paths.dial_socket), paths.host_doors)
    async with Api.unix(paths.api_socket) as api:
        services = Reflector(api, _SERVICES, decode=entrance, on_change=doors.change)
        await services.run()


def entrance(service: Doc) -> Entrance:
    """All of a Service document's."""
    return node_ports(service) | fronts(service)


def node_ports(service: Doc) -> frozenset[NodePort]:
    """The nodePorts of a Service document that the relay can carry (SCTP it cannot)."""
    spec = service.get("spec") or {}
    six = spec.get("ipFamilies") == ["IPv6"]
    return frozenset(
        NodePort(port.get("protocol", "TCP"), port["nodePort"], six)
        for port in spec.get("ports") or ()
        if port.get("nodePort") and port.get("protocol", "TCP") in ("TCP", "UDP")
    )


class Doors:
    """Which doors are open. All methods are called on the event loop."""

    def __init__(self, nodes: Sequence[NodePlan], dialer: Dialer, told: Path | None = None) -> None:
        """`told`: the file that says where LoadBalancers answer."""
        self._nodes, self._dialer, self._told = nodes, dialer, told
        self._wanted: Counter[NodePort | Front] = Counter()
        self._open: dict[NodePort | Front, list[asyncio.Task[None]]] = {}
        self._hosts = HostAddresses(nodes[0].loopback.rpartition(".")[0], len(nodes))
        self._balanced: dict[Front, HostDoor] = {}
        self._telling: asyncio.TimerHandle | None = None

    def change(self, _: Key, old: Entrance | None, new: Entrance | None) -> None:
        """A Service's entrances went from `old` to `new`."""
        # Counted, because a port may already be another Service's before this one is heard to have left it.
        self._wanted.update(new or ())
        self._wanted.subtract(old or ())
        for port in (old or frozenset()) | (new or frozenset()):
            if self._wanted[port] <= 0:
                del self._wanted[port]
                for task in self._open.pop(port, []):
                    task.cancel()
            elif port not in self._open:
                self._open[port] = [asyncio.create_task(work) for work in self._opening(port)]

    def _opening(self, port: NodePort | Front) -> Iterable[Coroutine[Any, Any, None]]:
        if isinstance(port, Front):
            return [self._keep_balanced(port)]
        return [self._keep_open(node, port) for node in self._nodes]

    async def _keep_open(self, node: NodePlan, port: NodePort) -> None:
        """Answer at one node's door until cancelled."""

        inner = next((one for one in node.addresses if (":" in one) == port.six), node.addresses[0])

        async def attempt() -> Closer:
            return await _opener(port.protocol)(node.loopback, port.port, inner, self._dialer)

        await _until_cancelled(attempt, f"{node.loopback}:{port.port}/{port.protocol}")

    async def _keep_balanced(self, front: Front) -> None:
        """Answer at one LoadBalancer's door until cancelled."""
        host = self._hosts.take(front.address)
        try:
            await self._lead_to(front.address)
            await _until_cancelled(lambda: self._open_balanced(front, host), f"{host}:{front.port}/{front.protocol}")
        finally:
            self._hosts.release(front.address)
            self._tell(front, None)

    async def _lead_to(self, address: str) -> None:
        """An address that a user's own pool has need not be on the wire: outside must know that it is there."""
        parsed = ip_address(address)
        if not parsed.is_loopback and not any(parsed in network for network in _WIRE):
            with contextlib.suppress(OSError):
                await self._dialer.lead_to(address)

    async def _open_balanced(self, front: Front, host: str) -> Closer:
        problem: OSError | None = None
        for port in instead_of(front.port):
            try:
                close = await _opener(front.protocol)(host, port, front.address, self._dialer, front.port)
            except OSError as error:
                problem = error
                self._tell(front, HostDoor(*_named(front), host, problem=error.strerror or str(error)))
                if error.errno not in (errno.EACCES, errno.EADDRINUSE):
                    break
            else:
                self._tell(front, HostDoor(*_named(front), host, port, self._note(front, port, problem)))
                return close
        raise problem or OSError(errno.EADDRNOTAVAIL, "no port is left")

    def _note(self, front: Front, port: int, problem: OSError | None) -> str:
        taken = ""
        if problem and problem.errno == errno.EADDRINUSE:
            taken = hostdoors.ANOTHER if self._hosts.is_shared(front.address) else hostdoors.EVERYBODY
        return hostdoors.note(front.port, port, taken=taken)

    def _tell(self, front: Front, door: HostDoor | None) -> None:
        if door is None:
            self._balanced.pop(front, None)
        else:
            self._balanced[front] = door
        if self._told is not None and self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_MOMENT, self._write, self._told)

    def _write(self, told: Path) -> None:
        """What comes within a moment is written once: a thousand doors are a long file."""
        self._telling = None
        with contextlib.suppress(OSError):  # the fleet ends
            hostdoors.write(told, self._balanced.values())


def _named(front: Front) -> tuple[str, str, int]:
    return front.address, front.protocol, front.port


def _opener(protocol: str) -> Callable[..., Awaitable[Closer]]:
    return open_tcp if protocol == "TCP" else open_udp


async def _until_cancelled(attempt: Callable[[], Awaitable[Closer]], name: str) -> None:
    """Open a door, trying again until it opens; close it when cancelled."""
    said = ""
    while True:
        try:
            close = await attempt()
            break
        except OSError as error:
            if said != (said := str(error)):
                log.error("cannot answer at %s: %s", name, error)
            await asyncio.sleep(_RETRY_SECONDS)
    if said:
        log.info("answering at %s now", name)
    try:
        await asyncio.Event().wait()
    finally:
        close()
