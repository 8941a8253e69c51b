"""One interface's raw sockets: questions are answered for the addresses that are ours there, changes are announced."""

import asyncio
import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import Callable, Iterable

from portway.agent.announce import frames
from portway.agent.announce.figures import Figures
from portway.agent.announce.frames import Question

log = logging.getLogger(__name__)

_ATTACH_FILTER, _ANY_MTU = 26, 65535
_JOIN_GROUP, _LEAVE_GROUP = 20, 21
_AT_ONCE = 64
"""Questions read before others have their turn."""


class Lan:
    """Answers on one interface. `may_answer(address)`: whether this node still is its announcer, at this moment."""

    def __init__(self, name: str, mac: bytes, may_answer: Callable[[str], bool], figures: Figures) -> None:
        """Raises OSError without CAP_NET_RAW, or when the interface is gone."""
        self.name, self.mac, self._may_answer, self._figures = name, mac, may_answer, figures
        self.addresses: frozenset[str] = frozenset()
        self._index = socket.if_nametoindex(name)
        self._arp = _raw(name, frames.ETH_ARP)
        self._ndp = _raw(name, frames.ETH_IPV6)
        self._groups = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._arp, self._answer, self._arp, frames.arp_question, frames.arp_answer)
        loop.add_reader(self._ndp, self._answer, self._ndp, frames.ndp_question, frames.ndp_answer)

    def close(self) -> None:
        """Fall silent."""
        for each in (self._arp, self._ndp):
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        self._groups.close()

    def follow(self, addresses: Iterable[str]) -> frozenset[str]:
        """Answer for these and no others; returns those that are new, which are announced."""
        wanted = frozenset(addresses)
        new, gone = wanted - self.addresses, self.addresses - wanted
        self.addresses = wanted
        for address in gone:
            self._group(_LEAVE_GROUP, address)
        for address in new:
            self._group(_JOIN_GROUP, address)
        self.announce(new)
        return new

    def announce(self, addresses: Iterable[str]) -> None:
        """Tell everybody at once, for their tables may hold another node."""
        for address in addresses:
            if address in self.addresses and self._may_answer(address):
                with contextlib.suppress(OSError):  # the link is down: its return announces again
                    self._tell(address)

    def _tell(self, address: str) -> None:
        if ":" in address:
            self._ndp.send(frames.ndp_announcement(address, self.mac))
            self._figures.gratuitous[address] += 1
        else:
            for frame in frames.arp_announcements(address, self.mac):
                self._arp.send(frame)
                self._figures.gratuitous[address] += 1

    def _group(self, option: int, address: str) -> None:
        """Switches and network cards pass on only the groups that somebody is in."""
        if ":" in address:
            group = socket.inet_pton(socket.AF_INET6, frames.solicited_node(address))
            with contextlib.suppress(OSError):  # two addresses may share their group
                self._groups.setsockopt(socket.IPPROTO_IPV6, option, group + struct.pack("=i", self._index))

    def _answer(
        self,
        asked: socket.socket,
        read: Callable[[bytes], Question | None],
        answer: Callable[[Question, bytes], bytes],
    ) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            for _ in range(_AT_ONCE):
                question = read(asked.recv(_ANY_MTU))
                if question is None or question.target not in self.addresses:
                    continue
                self._figures.received[question.target] += 1
                if self._may_answer(question.target):
                    asked.send(answer(question, self.mac))
                    self._figures.answered[question.target] += 1


def _raw(name: str, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    if protocol == frames.ETH_IPV6:
        _attach(made)  # before frames come
    made.bind((name, protocol))
    return made


def _attach(made: socket.socket) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in frames.SOLICITATIONS))
    where = struct.pack("HxxxxxxP", len(frames.SOLICITATIONS), ctypes.addressof(code))
    made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, where)
