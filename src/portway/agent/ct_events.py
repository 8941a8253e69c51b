"""What connection tracking tells of translated flows: the event of each one's end, and dumps of those there are.

Only ends are subscribed to, and the kernel itself sorts out flows that nobody translated: so a new connection costs
nothing, and its end one message. (The events of a TCP connection's states, by which one would learn of its end a
little earlier, are six more.) Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
"""

import errno
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from portway.accesslog.flow import TIMEOUTS, TRANSLATED, Flow
from portway.agent.ct_layout import FlowReader
from portway.agent.netlink import DUMP, REQUEST, Instruction, Netlink, attribute, message

_SHOWN, _GET, _GONE = 1 << 8, 1 << 8 | 1, 1 << 8 | 2
_ENDS = 1 << (3 - 1)
"""NFNLGRP_CONNTRACK_DESTROY as a bit of the groups to listen to."""
_STATUS, _STATUS_MASK = 3, 26
_FIRST_ATTRIBUTE = 20
"""Behind struct nlmsghdr and struct nfgenmsg."""
_ONLY_TRANSLATED: tuple[Instruction, ...] = (
    (0x00, 0, 0, _FIRST_ATTRIBUTE),  # ld #20: where attributes begin
    (0x01, 0, 0, _STATUS),  # ldx #CTA_STATUS
    (0x30, 0, 0, 0xFFFFF000 + 12),  # where that attribute is (SKF_AD_NLATTR)
    (0x15, 3, 0, 0),  # nowhere: no
    (0x07, 0, 0, 0),  # tax
    (0x40, 0, 0, 4),  # ld [x + 4]: the status
    (0x45, 1, 0, TRANSLATED),  # translated: yes
    (0x06, 0, 0, 0),  # no
    (0x06, 0, 0, 0xFFFFFFFF),  # yes
)
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IH")
_NATIVE = struct.Struct("=i")
_SYSCTLS = Path("/proc/sys/net/netfilter")


def only_translated() -> Sequence[Instruction]:
    """A socket's filter that keeps events of flows away whose destination nobody translated."""
    return _ONLY_TRANSLATED


class Ends:
    """Events of flows that ended, in this network namespace. Raises OSError where there is no conntrack."""

    def __init__(self) -> None:
        self._netlink = Netlink(groups=_ENDS)
        self._netlink.attach_filter(only_translated())
        self._reader = FlowReader()
        self.overruns = 0
        """How often the kernel had more than it could keep for us."""

    def fileno(self) -> int:
        """For event loops."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._netlink.close()

    @property
    def lost(self) -> int:
        """How many events were lost, ever."""
        return self._netlink.dropped()

    def flows(self, most: int) -> list[Flow]:
        """The next ones, at most so many; does not wait."""
        found: list[Flow] = []
        for _ in range(most):
            try:
                data = self._netlink.received()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            if data is None:
                break
            found.extend(self._reader.read(one) for kind, one in _messages(data) if kind == _GONE)
        return found


class Dump:
    """Looks at all translated flows of both families, one look after the other. Raises OSError."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self._reader = FlowReader()

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def begin(self) -> None:
        """Begin a look. The kernel goes through its whole table, and lets go of what has expired."""
        while self._netlink.received(1 << 20):
            pass  # the rest of a look that was not gone on with
        wanted = struct.pack(">I", TRANSLATED)
        # kernels before 5.18 do not know the filter and show all
        asked = struct.pack("=BBH", 0, 0, 0) + attribute(_STATUS, wanted) + attribute(_STATUS_MASK, wanted)
        self._netlink.send(message(_GET, REQUEST | DUMP, self._netlink.next_sequence(), asked))

    def pieces(self, most: int = 32) -> tuple[list[bytes], bool]:
        """Some more of it, and whether that was all. Waits in the kernel only, so it may run on any thread."""
        found: list[bytes] = []
        while len(found) < most:
            found.append(self._netlink.receive())
            if _is_last(found[-1]):
                return found, True
        return found, False

    def flows(self, piece: bytes) -> list[Flow]:
        """What a piece shows."""
        found = (self._reader.read(one) for kind, one in _messages(piece) if kind == _SHOWN)
        return [flow for flow in found if flow.status & TRANSLATED]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, attributes) of each message."""
    offset, end = 0, len(data)
    while offset + _FIRST_ATTRIBUTE <= end:
        length, kind = _HEADER.unpack_from(data, offset)
        if length < _FIRST_ATTRIBUTE:
            return
        yield kind, data[offset + _FIRST_ATTRIBUTE : offset + length]
        offset += (length + 3) & ~3


def _is_last(data: bytes) -> bool:
    """The kernel says so in a message of its own, which may lie behind others."""
    offset, end = 0, len(data)
    while offset + _FIRST_ATTRIBUTE <= end:
        length, kind = _HEADER.unpack_from(data, offset)
        if kind == _DONE:
            return True
        if kind == _ERROR:
            raise OSError(-_NATIVE.unpack_from(data, offset + 16)[0], "conntrack")
        offset += (length + 3) & ~3
    return False


def read_timeouts() -> dict[str, int]:
    """Seconds that flows are kept for here, where the kernel says so."""
    found = dict(TIMEOUTS)
    for name in found:
        with suppress(OSError, ValueError):
            found[name] = int((_SYSCTLS / f"nf_conntrack_{name}").read_text())
    return found


def flow_count() -> int:
    """How many flows there are here, translated or not; -1 where the kernel does not say."""
    try:
        return int((_SYSCTLS / "nf_conntrack_count").read_text())
    except (OSError, ValueError):
        return -1
