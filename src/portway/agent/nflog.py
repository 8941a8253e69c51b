"""Packets that rules with a Log statement tell of: nfnetlink_log, over our own netlink codec.

Source: include/uapi/linux/netfilter/nfnetlink_log.h. The kernel collects what it has to tell for a tenth of a second
or a few thousand bytes, and numbers it, so that what is lost can be counted.
"""

import errno
import struct
from collections.abc import Iterator

from msgspec import Struct

from portway.accesslog.attribute import Refusal
from portway.agent.netlink import ACK, REQUEST, Netlink, attribute, attributes, message
from portway.nftables.statement import LOGGED_BYTES

_PACKET, _CONFIG = 4 << 8, 4 << 8 | 1
_COMMAND, _MODE, _BUFFER, _TIMEOUT, _FLAGS = 1, 2, 3, 4, 6
_BIND, _COPY_PACKET = 1, 2
_NUMBERED, _WITH_CONNECTION = 1, 4
_MOMENT, _PAYLOAD, _PREFIX, _NUMBER, _CONNECTION = 3, 9, 10, 12, 18
_BUFFER_BYTES = 65536
_PATIENCE = 10
"""Hundredths of a second."""
_WITH_PORTS = (6, 17, 132)


class Logged(Struct, frozen=True, gc=False):
    """One packet, and why it was logged."""

    refusal: Refusal
    moment: int
    """Nanoseconds since 1970; 0 when the kernel does not say."""


class PacketLog:
    """Listens to one group in this network namespace. Raises OSError; EBUSY when somebody else listens to it."""

    def __init__(self, group: int) -> None:
        self._netlink = Netlink()
        self._group = group
        self.overruns = 0
        """How often the kernel had more than it could keep for us."""
        self.lost = 0
        """How many packets those were."""
        self._next: int | None = None
        try:
            self._listen()
        except OSError:
            self._netlink.close()
            raise

    def fileno(self) -> int:
        """For event loops."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._netlink.close()

    def packets(self, most: int) -> list[Logged]:
        """The next ones, of at most so many messages; does not wait. What is no IP packet is left out."""
        found: list[Logged] = []
        for _ in range(most):
            try:
                data = self._netlink.received(1 << 20)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.overruns += 1
                continue
            if data is None:
                break
            found.extend(self._packets(data))
        return found

    def _listen(self) -> None:
        self._configure(attribute(_COMMAND, bytes([_BIND])))
        mode = struct.pack(">IBx", LOGGED_BYTES, _COPY_PACKET)
        limits = attribute(_BUFFER, struct.pack(">I", _BUFFER_BYTES)) + attribute(
            _TIMEOUT, struct.pack(">I", _PATIENCE)
        )
        self._configure(attribute(_MODE, mode) + limits)
        try:
            self._configure(attribute(_FLAGS, struct.pack(">H", _NUMBERED | _WITH_CONNECTION)))
        except OSError:
            # without nf_conntrack_netlink: what a client dialled is then unknown where a policy refuses
            self._configure(attribute(_FLAGS, struct.pack(">H", _NUMBERED)))

    def _configure(self, what: bytes) -> None:
        head = struct.pack(">BBH", 0, 0, self._group)
        self._netlink.send(message(_CONFIG, REQUEST | ACK, self._netlink.next_sequence(), head + what))
        for answer in self._netlink.pending():
            if answer.error:
                raise OSError(answer.error, f"nfnetlink_log group {self._group}")

    def _packets(self, data: bytes) -> Iterator[Logged]:
        offset = 0
        while offset + 20 <= len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            if kind == _PACKET:
                told = dict(attributes(data[offset + 20 : offset + length]))
                self._number(told.get(_NUMBER, b""))
                if logged := _logged(told):
                    yield logged
            offset += max(16, (length + 3) & ~3)

    def _number(self, told: bytes) -> None:
        if len(told) != 4:
            return
        number = int.from_bytes(told, "big")
        if self._next is not None:
            self.lost += (number - self._next) & 0xFFFFFFFF
        self._next = (number + 1) & 0xFFFFFFFF


def _logged(told: dict[int, bytes]) -> Logged | None:
    packet = told.get(_PAYLOAD, b"")
    reason = told.get(_PREFIX, b"").rstrip(b"\0").decode(errors="replace").strip()
    split = _split(packet)
    if split is None or not reason:
        return None
    source, destination, protocol, source_port, port = split
    dialled, dialled_port = _dialled(told[_CONNECTION]) if _CONNECTION in told else (b"", 0)
    if (dialled, dialled_port) == (destination, port):
        dialled, dialled_port = b"", 0
    refusal = Refusal(source, destination, protocol, source_port, port, reason, dialled, dialled_port)
    return Logged(refusal, _moment(told.get(_MOMENT, b"")))


def _split(packet: bytes) -> tuple[bytes, bytes, int, int, int] | None:
    """(source, destination, protocol, ports) of an IP packet; ports 0 where there are none."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        protocol, behind = packet[9], (packet[0] & 15) * 4
        source, destination = packet[12:16], packet[16:20]
        first = not struct.unpack_from(">H", packet, 6)[0] & 0x1FFF
    elif len(packet) >= 40 and packet[0] >> 4 == 6:
        protocol, behind, first = packet[6], 40, True
        source, destination = packet[8:24], packet[24:40]
    else:
        return None
    if protocol in _WITH_PORTS and first and len(packet) >= behind + 4:
        return source, destination, protocol, *struct.unpack_from(">HH", packet, behind)
    return source, destination, protocol, 0, 0


def _dialled(connection: bytes) -> tuple[bytes, int]:
    """The original destination of the packet's connection."""
    original = dict(attributes(dict(attributes(connection)).get(1, b"")))
    address, ports = dict(attributes(original.get(1, b""))), dict(attributes(original.get(2, b"")))
    return address.get(2) or address.get(4, b""), int.from_bytes(ports.get(3, b""), "big")


def _moment(told: bytes) -> int:
    if len(told) != 16:
        return 0
    seconds, microseconds = struct.unpack(">QQ", told)
    return int(seconds * 1_000_000_000 + microseconds * 1000)
