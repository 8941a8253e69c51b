"""Commands of `agnhost`, answered by the kubelet itself: what Kubernetes' own tests run in their pods.

`connect` tries a connection; `dns-suffix`, `dns-server-list` and `etc-hosts` tell how names are looked up. Their image
is not here, so nobody else could answer. Source of the words: test/images/agnhost/{connect,dns} of Kubernetes.
"""

import asyncio
import contextlib
import errno
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from portway.fleet import linux
from portway.fleet.kubelet import lookup
from portway.fleet.kubelet.process import Space

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class Answer(Struct, frozen=True):
    """What the command would say, and its exit code."""

    code: int
    errors: str = ""
    output: str = ""


class Attempt(Struct, frozen=True):
    """Where to connect to."""

    address: str
    port: int
    protocol: str = "tcp"
    seconds: float = 1.0


def unwrapped(argv: Sequence[str]) -> Sequence[str]:
    """The words of a command that a shell is only asked to run as it stands: `sh -x -c "/agnhost connect …"`."""
    if len(argv) < 3 or argv[-2] != "-c" or argv[0].rpartition("/")[2] not in ("sh", "bash"):
        return argv
    words = argv[-1].split()
    plain = bool(words) and words[0].rpartition("/")[2] == "agnhost" and not set(argv[-1]) & set("'\"\\|&;<>()$`*?#~\n")
    return words if plain else argv


def told(argv: Sequence[str], etc: Path) -> Answer | None:
    """The answer of a command that reads a file of the pod's /etc; None: it is another command."""
    if len(argv) != 2 or argv[0].rpartition("/")[2] != "agnhost":
        return None
    if argv[1] == "etc-hosts":
        return Answer(0, output=(etc / "hosts").read_text() + "\n")
    lines = [line.split() for line in (etc / "resolv.conf").read_text().splitlines()]
    words = {
        "dns-suffix": [name for line in lines if line[:1] == ["search"] for name in line[1:]],
        "dns-server-list": [line[1] for line in lines if line[:1] == ["nameserver"]],
    }
    return Answer(0, output=",".join(words[argv[1]]) + "\n") if argv[1] in words else None


def is_connect(argv: Sequence[str]) -> bool:
    """Whether it is `agnhost connect …`, wherever agnhost is said to be."""
    return len(argv) > 2 and argv[0].rpartition("/")[2] == "agnhost" and argv[1] == "connect"


def parse(argv: Sequence[str]) -> Attempt:
    """The words after `connect`. Raises ValueError saying which is wrong."""
    options = {"protocol": "tcp", "timeout": "1s"}
    goals = []
    for word in argv[2:]:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            goals.append(word)
        elif name in options:
            options[name] = value.lower()
        else:
            raise ValueError(f"unknown flag: --{name}")
    host, _, port = goals[0].rpartition(":") if len(goals) == 1 else ("", "", "")
    if not host or not port.isdigit():
        raise ValueError(f"want one HOST:PORT, got {' '.join(goals) or 'none'}")
    return Attempt(host.strip("[]"), int(port), options["protocol"], _seconds(options["timeout"]))


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if not text or not match:
        raise ValueError(f"invalid duration: {text}")
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


async def connect(space: Space, argv: Sequence[str]) -> Answer:
    """Try it as a program in `space` would."""
    try:
        attempt = parse(argv)
    except ValueError as error:
        return Answer(1, f"OTHER: {error}\n")
    if attempt.protocol not in _KINDS:
        return Answer(1, f"OTHER: {attempt.protocol} is not supported here\n")
    try:
        async with asyncio.timeout(attempt.seconds):
            await _try(space, attempt)
    except TimeoutError:
        return Answer(1, "TIMEOUT\n")
    except socket.gaierror:
        return Answer(1, "DNS\n")
    except OSError as error:
        refused = error.errno == errno.ECONNREFUSED
        return Answer(1, "REFUSED\n" if refused else f"OTHER: {error.strerror}\n")
    return Answer(0)


async def connected(space: Space, host: str, port: int, kind: int) -> socket.socket:
    """A socket of that space, connected to what is called so there. Raises OSError."""
    family, goal = await lookup.find(space, host, port, kind)
    with linux.inside_network(space.network) if space.network else contextlib.nullcontext():
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(made, goal)
    except BaseException:
        made.close()
        raise
    return made


async def _try(space: Space, attempt: Attempt) -> None:
    loop = asyncio.get_running_loop()
    with await connected(space, attempt.address, attempt.port, _KINDS[attempt.protocol]) as trying:
        if attempt.protocol == "udp":
            await loop.sock_sendall(trying, b"hostname\n")
            await loop.sock_recv(trying, 1024)
