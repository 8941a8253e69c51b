"""LoadBalancers from this machine: where each port answers, for tables and for the last step of `portway up`."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from portway.analysis.ports import PortRow
from portway.cli import table
from portway.cli.doors import is_open
from portway.fleet import hostdoors
from portway.fleet.hostdoors import HostDoor

_HEAD = ("LOADBALANCER", "FROM THIS MACHINE", "INSIDE", "PORT")
_PAUSE = 0.02
Front = tuple[str, str, int]
"""(address, protocol, port)."""


def told(path: Path) -> Mapping[Front, HostDoor]:
    """What the relay says."""
    return {(door.address, door.protocol, door.port): door for door in hostdoors.read(path)}


def front(row: PortRow) -> Front | None:
    """The port that the relay carries, if the row has one."""
    return (row.load_balancer_ips[0], row.protocol, row.port) if row.load_balancer_ips else None


async def until_open(rows: Iterable[PortRow], path: Path, seconds: float) -> list[str]:
    """Waits for every TCP port of a LoadBalancer with a ready backend; returns those that do not answer, and why."""
    waiting = [row for row in rows if front(row) and row.ready and row.protocol == "TCP"]
    deadline = time.monotonic() + seconds
    while waiting:
        doors = told(path)
        answers = await asyncio.gather(*(_answers(doors.get(front(row) or ("", "", 0))) for row in waiting))
        waiting = [row for row, answer in zip(waiting, answers, strict=True) if not answer]
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE if waiting else 0)
    return [_complaint(row, told(path)) for row in waiting]


async def _answers(door: HostDoor | None) -> bool:
    return door is not None and bool(door.host_port) and await is_open(door.host_address, door.host_port)


def _complaint(row: PortRow, doors: Mapping[Front, HostDoor]) -> str:
    door = doors.get(front(row) or ("", "", 0))
    why = f" ({door.problem})" if door and door.problem else ""
    return f"{row.namespace}/{row.service}:{row.port} at {door.at if door and door.at else 'no address'}{why}"


def lines(rows: Iterable[PortRow], path: Path) -> list[str]:
    """A table and what is to be known about it; nothing when there is no LoadBalancer."""
    balanced = [row for row in rows if row.type == "LoadBalancer"]
    if not balanced:
        return []
    doors = told(path)
    found = [doors.get(front(row) or ("", "", 0)) for row in balanced]
    cells = [_cells(row, door) for row, door in zip(balanced, found, strict=True)]
    notes = dict.fromkeys(f"{door.host_address}: {door.problem}" for door in found if door and door.problem)
    return [*table.lines(_HEAD, cells), *notes]


def _cells(row: PortRow, door: HostDoor | None) -> Sequence[str]:
    inside = ",".join(row.load_balancer_ips) or "<pending>"
    return f"{row.namespace}/{row.service}", door.at if door and door.at else "-", inside, f"{row.port}/{row.protocol}"
