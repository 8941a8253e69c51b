"""One interface's raw sockets: questions are answered for the addresses that are ours there, changes are announced."""

import asyncio
import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import Callable, Iterable

from msgspec import Struct

from portway.agent.announce import frames
from portway.agent.announce.figures import Figures
from portway.agent.announce.frames import Claim, Question

log = logging.getLogger(__name__)

_ATTACH_FILTER, _ANY_MTU = 26, 65535
_JOIN_GROUP, _LEAVE_GROUP = 20, 21
_AT_ONCE = 64
"""Questions read before others have their turn."""


class _Protocol(Struct, frozen=True):
    """ARP or NDP on its socket."""

    wire: socket.socket
    question: Callable[[bytes], Question | None]
    answer: Callable[[Question, bytes], bytes]
    claim: Callable[[bytes], Claim | None]


class Lan:
    """Answers on one interface. `may_answer(address)`: whether this node still is its announcer, at this moment.

    `heard(address, mac)`: somebody says of one of its addresses that this MAC has it.
    """

    def __init__(
        self,
        name: str,
        mac: bytes,
        may_answer: Callable[[str], bool],
        heard: Callable[[str, bytes], None],
        figures: Figures,
    ) -> None:
        """Raises OSError without CAP_NET_RAW, or when the interface is gone."""
        self.name, self.mac, self._may_answer, self._heard, self._figures = name, mac, may_answer, heard, figures
        self.addresses: frozenset[str] = frozenset()
        self._index = socket.if_nametoindex(name)
        self._arp = _raw(name, frames.ETH_ARP)
        self._ndp = _raw(name, frames.ETH_IPV6)
        self._groups = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        arp, ndp = (
            _Protocol(self._arp, frames.arp_question, frames.arp_answer, frames.arp_claim),
            _Protocol(self._ndp, frames.ndp_question, frames.ndp_answer, frames.ndp_claim),
        )
        loop.add_reader(self._arp, self._hear, arp)
        loop.add_reader(self._ndp, self._hear, ndp)

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
                    self._probe(address)

    def probe(self) -> None:
        """Ask whether somebody else has one of them."""
        for address in self.addresses:
            with contextlib.suppress(OSError):
                self._probe(address)

    def _probe(self, address: str) -> None:
        if ":" in address:
            self._ndp.send(frames.ndp_probe(address, self.mac))
        else:
            self._arp.send(frames.arp_probe(address, self.mac))

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

    def _hear(self, protocol: _Protocol) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            for _ in range(_AT_ONCE):
                frame = protocol.wire.recv(_ANY_MTU)
                if question := protocol.question(frame):
                    self._answer(protocol, question)
                elif (claim := protocol.claim(frame)) and claim.address in self.addresses:
                    self._heard(claim.address, claim.mac)

    def _answer(self, protocol: _Protocol, question: Question) -> None:
        if question.target not in self.addresses:
            return
        self._figures.received[question.target] += 1
        if self._may_answer(question.target):
            protocol.wire.send(protocol.answer(question, self.mac))
            self._figures.answered[question.target] += 1


def _raw(name: str, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    if protocol == frames.ETH_IPV6:
        _attach(made)  # before frames come
    made.bind((name, protocol))
    return made


def _attach(made: socket.socket) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in frames.NEIGHBORS))
    where = struct.pack("HxxxxxxP", len(frames.NEIGHBORS), ctypes.addressof(code))
    made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, where)
