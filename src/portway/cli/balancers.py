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
_NAMED = 3
"""Addresses in a note."""
_PENDING: Front = ("<pending>", "", 0)


def told(path: Path) -> Mapping[Front, HostDoor]:
    """What the relay says."""
    return {(door.address, door.protocol, door.port): door for door in hostdoors.read(path)}


def fronts(row: PortRow) -> list[Front]:
    """What the relay carries of a row: its port at each address of the Service."""
    return [(address, row.protocol, row.port) for address in row.load_balancer_ips]


def found(row: PortRow, doors: Mapping[Front, HostDoor]) -> list[HostDoor]:
    """Where a row's port is to answer, an address of the Service each, in its order."""
    return [doors[front] for front in fronts(row) if front in doors]


def first(row: PortRow, doors: Mapping[Front, HostDoor]) -> HostDoor | None:
    """For who wants one: the first that answers, else what is wrong with the first; None: nothing is known."""
    doors_here = found(row, doors)
    return next((door for door in doors_here if door.at), next(iter(doors_here), None))


async def until_open(rows: Iterable[PortRow], path: Path, seconds: float) -> list[str]:
    """Waits for every TCP port of a LoadBalancer with a ready backend; returns those that do not answer, and why."""
    waiting = [row for row in rows if row.load_balancer_ips and row.ready and row.protocol == "TCP"]
    deadline = time.monotonic() + seconds
    while waiting:
        doors = told(path)
        answers = await asyncio.gather(*(_answers(row, doors) for row in waiting))
        waiting = [row for row, answer in zip(waiting, answers, strict=True) if not answer]
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE if waiting else 0)
    return [_complaint(row, told(path)) for row in waiting]


async def _answers(row: PortRow, doors: Mapping[Front, HostDoor]) -> bool:
    """Whether each address has its place here, and one is answered: the pods may be of one family."""
    here = found(row, doors)
    if len(here) < len(row.load_balancer_ips):
        return False
    for door in here:
        if door.host_port and await is_open(door.host_address, door.host_port):
            return True
    return False


def _complaint(row: PortRow, doors: Mapping[Front, HostDoor]) -> str:
    door = first(row, doors)
    why = f" ({door.problem})" if door and door.problem else ""
    return f"{row.namespace}/{row.service}:{row.port} at {door.at if door and door.at else 'no address'}{why}"


def lines(rows: Iterable[PortRow], path: Path) -> list[str]:
    """A table and what is to be known about it; nothing when there is no LoadBalancer."""
    balanced = [row for row in rows if row.type == "LoadBalancer"]
    if not balanced:
        return []
    doors = told(path)
    cells = [_cells(row, front, doors.get(front)) for row in balanced for front in fronts(row) or [_PENDING]]
    return [*table.lines(_HEAD, cells), *_notes(door for row in balanced for door in found(row, doors))]


def _notes(doors: Iterable[HostDoor]) -> list[str]:
    """Each problem once: that of a low port is every LoadBalancer's."""
    places: dict[str, dict[str, None]] = {}
    for door in doors:
        if door.problem:
            places.setdefault(door.problem, {})[door.host_address] = None
    return [f"{_some(list(addresses))}: {problem}" for problem, addresses in places.items()]


def _some(addresses: Sequence[str]) -> str:
    named, more = ", ".join(addresses[:_NAMED]), len(addresses) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def _cells(row: PortRow, front: Front, door: HostDoor | None) -> Sequence[str]:
    place = door.at if door and door.at else "-"
    return f"{row.namespace}/{row.service}", place, front[0], f"{row.port}/{row.protocol}"
