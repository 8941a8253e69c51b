"""What becomes of many connections at once: which pod answers each, or how it fails.

Every attempt is a socket of its own. A pod's stand-in says its name at the first bytes; others that answer do not.
"""

import re
import select
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from time import monotonic

from msgspec import Struct

from portway.fleet import linux, wiring
from portway.testing.question import AT_ONCE, Question

ANSWERED, REFUSED, SILENT, UNREACHABLE, NOT_PERMITTED = "answered", "refused", "silent", "unreachable", "not permitted"
"""NOT_PERMITTED: what a process is told whose own datagram its node drops or refuses."""
_MOST = 1500
_POD = re.compile(rb"\bpod=(\S+) ")


class Asked(Struct, frozen=True):
    """A question, how often it is asked, and whether silence is a likely answer (nothing more is awaited then)."""

    question: Question
    times: int = 1
    silence: bool = False


class Many(Struct, frozen=True):
    """Questions that are asked all at once."""

    asked: tuple[Asked, ...]
    patience: float = 1.5
    """Seconds to wait for the answers that are expected."""
    grace: float = 0.15
    """Seconds more to wait for the others."""


def fates(many: Many) -> list[dict[str, int]]:
    """For each question how often which pod answered (by name, or ANSWERED) or what else happened."""
    numbers = [number for number, one in enumerate(many.asked) for _ in range(one.times)]
    found: list[Counter[str]] = [Counter() for _ in many.asked]
    for start in range(0, len(numbers), _MOST):
        some = numbers[start : start + _MOST]
        for number, fate in zip(some, _some([many.asked[number] for number in some], many), strict=True):
            found[number][fate] += 1
    return [dict(counts) for counts in found]


def _some(asked: Sequence[Asked], many: Many) -> list[str]:
    attempts = [*_opened(asked)]
    poll = select.epoll()
    try:
        waiting = {one.socket.fileno(): one for one in attempts if not one.fate}
        for fd, one in waiting.items():
            poll.register(fd, select.EPOLLIN if one.datagram else select.EPOLLOUT)
        _wait(poll, waiting, many)
    finally:
        poll.close()
        for one in attempts:
            one.socket.close()
    return [one.fate or SILENT for one in attempts]


def _wait(poll: select.epoll, waiting: dict[int, "_Attempt"], many: Many) -> None:
    due = {fd for fd, one in waiting.items() if not one.silence}
    deadline = monotonic() + (many.patience if due else many.grace)
    while waiting and (left := deadline - monotonic()) > 0:
        for fd, _ in poll.poll(left):
            if waiting[fd].goes_on():
                poll.modify(fd, select.EPOLLIN)
            else:
                poll.unregister(fd)
                del waiting[fd]
        if due and not (due := due & waiting.keys()):
            deadline = monotonic() + many.grace


def _opened(asked: Iterable[Asked]) -> Iterator["_Attempt"]:
    for network, some in groupby(asked, lambda one: one.question.network):
        with linux.inside_network(wiring.path(network)):
            made = [_Attempt(one) for one in some]
        yield from made


class _Attempt:
    """One socket; `fate` is empty until it is known."""

    def __init__(self, asked: Asked) -> None:
        question = asked.question
        self.silence = asked.silence
        self.datagram = question.protocol == "UDP"
        family = socket.AF_INET6 if ":" in question.address else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.datagram else socket.SOCK_STREAM
        self.socket = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        self.fate = ""
        self._connected = self.datagram
        if not self.datagram:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        try:
            self.socket.connect((question.address, question.port))
            if self.datagram:
                self.socket.send(b"?")
        except BlockingIOError:
            pass
        except OSError as error:
            self.fate = _failure(error)

    def goes_on(self) -> bool:
        """One event later: whether there is more to wait for."""
        try:
            if not self._connected:
                if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(error, "")
                self._connected = True
                self.socket.send(b"?")
                return True
            self.fate = _who(self.socket.recv(2000))
        except OSError as error:
            self.fate = _failure(error)
        return False


def _who(reply: bytes) -> str:
    found = _POD.search(reply)
    return found[1].decode() if found else ANSWERED


def _failure(error: OSError) -> str:
    # OSError(errno) makes the subclass of the number
    if isinstance(error, ConnectionError):
        return REFUSED
    return NOT_PERMITTED if isinstance(error, PermissionError) else UNREACHABLE
