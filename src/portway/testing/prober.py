"""Who reaches whom in a fleet, for many pairs at once: one process with a socket in every pod's network.

    portway exec outside python -m portway.testing.prober

Reads one JSON request a line and answers each with one line; ends with its input.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import IO, Any

import msgspec
from msgspec import Struct

from portway.agent.netlink import Netlink
from portway.agent.nf_tables import EVENTS
from portway.fleet import linux, wiring
from portway.testing.fates import Many, fates
from portway.testing.question import AT_ONCE, Question


class Pass(Struct, frozen=True):
    """Questions that are asked all at once."""

    questions: tuple[Question, ...]
    expected: tuple[bool, ...]
    patience: float = 0.5
    """Seconds to wait for the answers that are expected."""
    grace: float = 0.15
    """Seconds more to wait for the others."""


def ask(wanted: Pass) -> list[bool]:
    """Which of the questions got an answer."""
    poll = select.epoll()
    asked = list(_ask_all(wanted.questions))
    try:
        for one in asked:
            event = select.EPOLLIN if one.type & socket.SOCK_DGRAM else select.EPOLLOUT
            poll.register(one.fileno(), event | select.EPOLLONESHOT)
        return _answers(poll, asked, wanted)
    finally:
        poll.close()
        for one in asked:
            one.close()


def _answers(poll: select.epoll, asked: Sequence[socket.socket], wanted: Pass) -> list[bool]:
    numbers = {one.fileno(): number for number, one in enumerate(asked)}
    answered = [False] * len(asked)
    open_ones = set(numbers)
    due = {fd for fd, number in numbers.items() if wanted.expected[number]}
    deadline = monotonic() + (wanted.patience if due else wanted.grace)
    while open_ones and (left := deadline - monotonic()) > 0:
        for fd, _ in poll.poll(left):
            answered[numbers[fd]] = _succeeded(asked[numbers[fd]])
            open_ones.discard(fd)
        if due and not due & open_ones:
            due, deadline = set(), monotonic() + wanted.grace
    return answered


def _succeeded(one: socket.socket) -> bool:
    try:
        if one.type & socket.SOCK_DGRAM:
            return bool(one.recv(2000))
        return one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    except OSError:
        return False


def _ask_all(questions: Sequence[Question]) -> Iterator[socket.socket]:
    for network, some in groupby(questions, lambda question: question.network):
        with linux.inside_network(wiring.path(network)):
            made = [_ask(question) for question in some]
        yield from made


def _ask(question: Question) -> socket.socket:
    family = socket.AF_INET6 if ":" in question.address else socket.AF_INET
    kind = socket.SOCK_STREAM if question.protocol == "TCP" else socket.SOCK_DGRAM
    one = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    one.connect_ex((question.address, question.port))
    if question.protocol == "TCP":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    else:
        with contextlib.suppress(OSError):  # a datagram that its own node drops: no answer comes
            one.send(b"?")
    return one


class Commits:
    """Hears of every commit to nftables in some networks."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._poll = select.poll()
        self._sockets = {}
        for network in networks:
            with linux.inside_network(wiring.path(network)):
                made = Netlink(groups=EVENTS)
            self._sockets[made.fileno()] = made
            self._poll.register(made.fileno(), select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Until there was one since the last call; False when there was none for so long."""
        heard = self._poll.poll(seconds * 1000)
        for fd, _ in heard:
            try:
                for _ in self._sockets[fd].pending():
                    pass
            except OSError:
                pass  # ENOBUFS: more than fits, which says enough
        return bool(heard)


def main(requests: IO[str], answers: IO[str]) -> None:
    """`{"networks": […]}` first, then requests of one key: "pass", "fates", "commit" (seconds), "forget" or "tell all"
    (networks).
    """
    commits = Commits(json.loads(requests.readline())["networks"])
    for line in requests:
        print(json.dumps(_do(json.loads(line), commits)), file=answers, flush=True)


def _do(request: dict[str, Any], commits: Commits) -> Any:
    if "commit" in request:
        return commits.wait(request["commit"])
    if "tell all" in request:
        return _tell_all(request["tell all"])
    if "forget" in request:
        return _forget_neighbours(request["forget"])
    if "fates" in request:
        return fates(msgspec.convert(request["fates"], Many))
    return ask(msgspec.convert(request["pass"], Pass))


def _forget_neighbours(networks: Sequence[str]) -> None:
    """So that nobody sends to a node that answered for a load balancer's address before."""
    for network in networks:
        with linux.inside_network(wiring.path(network)):
            subprocess.run(["ip", "neigh", "flush", "all"], check=True)


_UNLIMITED = {"ipv4/icmp_ratemask": "0", "ipv6/icmp/ratemask": "2"}
"""Which types of messages are limited: of IPv6 only those that a packet is too big."""


def _tell_all(networks: Sequence[str]) -> None:
    """Let every datagram that is refused there be told so, not only a few a second."""
    for network in networks:
        with linux.inside_network(wiring.path(network)):
            for path, value in _UNLIMITED.items():
                Path("/proc/sys/net", path).write_text(value)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
    os._exit(0)
