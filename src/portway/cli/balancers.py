"""LoadBalancers from this machine: where each port answers, for tables and for the last step of `portway up`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from portway.analysis.ports import PortRow
from portway.cli import table
from portway.cli.doors import is_open
from portway.fleet import hostdoors
from portway.fleet.hostdoors import HostDoor
from portway.fleet.relay.dial import Dialer

_HEAD = ("LOADBALANCER", "FROM THIS MACHINE", "INSIDE", "PORT")
_PAUSE = 0.02
_PATIENCE = 2.0
"""Seconds for a connection inside: a SYN that was lost while nobody announced the address is sent again after one."""
Front = tuple[str, str, int]
"""(address, protocol, port)."""
_ASK_SECONDS = 0.5
"""Between questions why those that wait do so."""
Why = Callable[[Sequence[PortRow]], Awaitable[Mapping[PortRow, str]]]
"""Of rows, why those cannot be answered for which that will stay so."""
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


async def until_open(rows: Iterable[PortRow], told_at: Path, dial: Path, seconds: float, why: Why) -> list[str]:
    """Waits for every TCP port of a LoadBalancer with a ready backend; returns those that do not answer, and why.

    `told_at`: where the relay tells of its doors; `dial`: the dialer's socket. Of which `why` says a reason, nobody
    waits for longer.
    """
    waiting = [row for row in rows if row.load_balancer_ips and row.ready and row.protocol == "TCP"]
    began = asked = time.monotonic()
    reasons: Mapping[PortRow, str] = {}
    with closing(Dialer(dial)) as dialer:
        while waiting:
            doors = told(told_at)
            answers = await asyncio.gather(*(_answers(row, doors, dialer) for row in waiting))
            waiting = [row for row, answer in zip(waiting, answers, strict=True) if not answer]
            ends = time.monotonic() >= began + seconds
            if waiting and (ends or time.monotonic() >= asked + _ASK_SECONDS):
                asked, reasons = time.monotonic(), await why(waiting)
            if ends or reasons.keys() >= set(waiting):
                break
            await asyncio.sleep(_PAUSE)
    return [_complaint(row, told(told_at), reasons.get(row, "")) for row in waiting]


async def _answers(row: PortRow, doors: Mapping[Front, HostDoor], dialer: Dialer) -> bool:
    """Whether each address has its place here, and one is answered: the pods may be of one family."""
    here = found(row, doors)
    if len(here) < len(row.load_balancer_ips):
        return False
    for door in here:
        if door.host_port and await _reached(door, dialer) and await is_open(door.host_address, door.host_port):
            return True
    return False


async def _reached(door: HostDoor, dialer: Dialer) -> bool:
    """Whether somebody answers inside: the relay takes connections of this machine's before it knows."""
    try:
        async with asyncio.timeout(_PATIENCE):
            made = await dialer.connect("tcp", door.address, door.port)
    except OSError:
        return False
    made.close()
    return True


def _complaint(row: PortRow, doors: Mapping[Front, HostDoor], reason: str) -> str:
    door = first(row, doors)
    known = reason or (door.problem if door else "")
    why = f" ({known})" if known else ""
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
