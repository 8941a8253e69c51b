"""A prober in a fleet (portway.testing.prober), and what tests ask it."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from portway.testing.fates import Many
from portway.testing.prober import Pass
from tests.people import Person

NODES = ("node-1", "node-2", "node-3")


class Prober:
    """One process that can send from every network of a fleet, and hears its nodes' commits to nftables."""

    def __init__(self, process: "subprocess.Popen[str]", nodes: Sequence[str] = NODES) -> None:
        self._process = process
        self._say({"networks": nodes})

    def _say(self, request: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _hear(self, request: Any) -> Any:
        assert self._process.stdout
        self._say(request)
        return json.loads(self._process.stdout.readline())

    def commit(self, seconds: float) -> bool:
        """Until a node has committed something since the last call; False when none did for so long."""
        return bool(self._hear({"commit": seconds}))

    def tell_all(self, networks: Sequence[str]) -> None:
        """Let every datagram that is refused in these networks be told so."""
        self._hear({"tell all": list(networks)})

    def forget_neighbours(self, networks: Sequence[str]) -> None:
        """Let who answered for an address be asked for anew."""
        self._hear({"forget": list(networks)})

    def answered(self, questions: Pass) -> list[bool]:
        """Which of them got an answer."""
        answers: list[bool] = self._hear({"pass": msgspec.to_builtins(questions)})
        return answers

    def fates(self, many: Many) -> Sequence[dict[str, int]]:
        """What became of each, how often."""
        found: Sequence[dict[str, int]] = self._hear({"fates": msgspec.to_builtins(many)})
        return found


@contextmanager
def prober(person: Person, fleet: str, nodes: Sequence[str] = NODES) -> Iterator[Prober]:
    """One in that person's fleet of these nodes."""
    inside = ("exec", "--name", fleet, "outside", person.python, "-m", "portway.testing.prober")
    with subprocess.Popen(
        [*person.command, *inside],
        env=person.environment,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Prober(process, nodes)
