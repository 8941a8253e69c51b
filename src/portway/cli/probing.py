"""Real packets in a fleet, in the ways that traces say they go: one process in each place, which sends them all."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from portway.analysis.target import Place
from portway.analysis.trace import Trace
from portway.cli.agreement import tries
from portway.cli.failure import Failure
from portway.fleet import FleetState
from portway.model import Packet

Fact = dict[str, Any]
"""What came of packets (portway.cli.probe)."""
Question = tuple[str, int, str, int]
"""Address, port, protocol, how many packets."""
_PLACES_AT_ONCE = 8


def probed(state: FleetState, ways: Sequence[tuple[Place, Trace]]) -> list[Fact]:
    """What real packets meet on each way; where no packet can be made, none is sent."""
    asked: dict[Place, list[Question]] = {}
    for place, found in ways:
        if found.packet:
            asked.setdefault(place, []).append(_question(found, found.packet))
    with ThreadPoolExecutor(max_workers=_PLACES_AT_ONCE) as pool:
        facts = pool.map(lambda place: iter(_sent(state, place, asked[place])), asked)
        answers = dict(zip(asked, facts, strict=True))
    return [next(answers[place]) if found.packet else {"outcome": "unreachable"} for place, found in ways]


def _question(found: Trace, packet: Packet) -> Question:
    return packet.destination, packet.port, packet.protocol, tries(found)


def send(state: FleetState, place: Place, address: str, port: int, protocol: str) -> Fact:
    """Sends a real packet from `place` and returns what came of it."""
    return _sent(state, place, [(address, port, protocol, 1)])[0]


def sends_from(place: Place) -> bool:
    """Whether packets can be sent from there: outside addresses that a person imagines are nowhere."""
    return place.kind != "outside" or not place.name


def _sent(state: FleetState, place: Place, questions: Sequence[Question]) -> list[Fact]:
    if not sends_from(place):
        raise Failure(f"no packet can be sent from {place.name}: --probe goes from outside, a node or a pod")
    where = place.name if place.kind == "node" else str(place)
    inside = ["exec", "--name", state.name, where, "--", sys.executable, "-m", "portway.cli.probe"]
    argv = [sys.executable, "-m", "portway", *inside]
    run = subprocess.run(argv, input=json.dumps(questions), capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"the probe could not run: {run.stderr.strip()}")
    facts: list[Fact] = json.loads(run.stdout)
    return facts
