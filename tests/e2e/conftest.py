"""A running fleet for each kind of person, and what people do with it."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from portway.cli.status import processes
from tests.patience import until
from tests.people import Person, Unavailable, myself, ordinary_user

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "examples" / "shop"


@dataclass
class Running:
    """A fleet that is up, and who started it."""

    person: Person
    name: str

    def portway(self, *arguments: str, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
        """`portway ARGUMENTS --name NAME` as that person."""
        return portway(self.person, arguments[0], "--name", self.name, *arguments[1:], check=check, text=text)

    @property
    def folder(self) -> Path:
        """The fleet's state folder."""
        return Path(self.person.environment["PORTWAY_STATE"]) / self.name

    @property
    def processes(self) -> dict[str, int]:
        """The ids of its processes now, by name."""
        keeper = json.loads((self.folder / "fleet.json").read_text())["keeper_pid"]
        return {process["name"]: process["pid"] for process in processes(keeper)}

    @cached_property
    def loopbacks(self) -> list[str]:
        """The nodes' addresses on this machine, node-1 first."""
        status = json.loads(self.portway("status", "-o", "json").stdout)
        return [node["loopback"] for node in status["nodes"]]

    @cached_property
    def dns(self) -> tuple[str, int]:
        """Where this machine asks for the fleet's names."""
        address, _, port = json.loads((self.folder / "fleet.json").read_text())["dns"].rpartition(":")
        return address, int(port)

    def kubectl(
        self, *arguments: str, binary: str = "", check: bool = True, text: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """kubectl with this fleet's kubeconfig."""
        return run(
            [binary or kubectls()[0], "--kubeconfig", str(self.folder / "kubeconfig"), *arguments],
            environment=dict(os.environ) | environment,
            check=check,
            text=text,
        )

    def json(self, *arguments: str) -> Any:
        """`kubectl ARGUMENTS -o json`, decoded."""
        return json.loads(self.kubectl(*arguments, "-o", "json").stdout)


def portway(person: Person, *arguments: str, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
    """`portway ARGUMENTS` as that person."""
    return run([*person.command, *arguments], environment=person.environment, check=check, text=text)


def run(
    argv: list[str], *, environment: dict[str, str], check: bool, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs to the end; a failure shows what was said."""
    done = subprocess.run(argv, env=environment, input=text, capture_output=True, text=True, timeout=240, cwd="/")
    if check and done.returncode:
        pytest.fail(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def kubectls() -> list[str]:
    """The wheel's kubectl, and the machine's when it has one."""
    own = Path(sys.executable).parent / "kubectl"
    found = [str(own)] if own.exists() else []
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if Path(p) != own.parent)
    if machine := shutil.which("kubectl", path=path):
        found.append(machine)
    return found


_READING = ("get", "describe", "logs", "exec")


def converse(fleet: Running, words: list[str], expected: str, binary: str = "") -> None:
    """Type it, and be answered what matches. What only reads is typed until it is: controllers take their time."""
    line = f"kubectl {' '.join(words)}"

    def answered() -> bool:
        done = fleet.kubectl(*words, binary=binary, check=False)
        if done.returncode == 0 and re.search(expected, done.stdout):
            return True
        assert reads, f"{line} ended with {done.returncode} and said\n{done.stdout}\n{done.stderr}"
        return False

    reads = any(word in _READING for word in words[:3]) or "history" in words
    until(answered, f"{line} says {expected}")


def ask(address: str, port: int, path: str = "/") -> dict[str, Any]:
    """What the stand-in behind http://address:port says."""
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=30) as reply:
        said: dict[str, Any] = json.load(reply)
    return said


PEOPLE = ["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"]


@contextmanager
def somebody(kind: str) -> Iterator[Person]:
    """One of PEOPLE."""
    with ExitStack() as stack:
        # Not below pytest's own folder: others may not enter it, and Unix sockets want short paths.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="pw-")))
        try:
            yield myself(folder) if kind == "root" else stack.enter_context(ordinary_user(folder))
        except Unavailable as why:
            pytest.skip(str(why))


@pytest.fixture(scope="session", params=PEOPLE)
def person(request: pytest.FixtureRequest) -> Iterator[Person]:
    """Whoever may run Portway: root too, when the tests do."""
    with somebody(request.param) as one:
        yield one


@pytest.fixture(scope="session")
def fleet(person: Person) -> Iterator[Running]:
    """The shop, on three nodes."""
    portway(person, "up", "--name", "e2e", "-f", str(SHOP), "--detach")
    yield Running(person, "e2e")
    portway(person, "down", "--name", "e2e")
