"""Netlink framing: messages, attributes, one socket. Knows no subsystem.

Source: include/uapi/linux/netlink.h. All numbers are in the machine's byte order unless a subsystem says otherwise.
"""

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence

from msgspec import Struct

NETLINK_NETFILTER = 12
REQUEST, ACK, DUMP, CREATE, APPEND = 0x001, 0x004, 0x300, 0x400, 0x800
NESTED = 0x8000
_NOOP, _ERROR, _DONE = 1, 2, 3
_DUMP_INTERRUPTED = 0x10
_SOL_NETLINK, _CAP_ACK = 270, 10
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_ATTACH_FILTER, _SO_MEMINFO = 32, 33, 26, 55
_WANTED_BUFFER = 64 << 20
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NATIVE = struct.Struct("=i")

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, where to jump when true and when false, operand."""


class Message(Struct, frozen=True):
    """One received message. `error` is an errno for an error or acknowledgement (0), else None."""

    kind: int
    sequence: int
    payload: bytes
    error: int | None = None


class Interrupted(Exception):
    """What was dumped changed meanwhile: dump again."""


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NESTED, b"".join(inner))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in `data` as (kind without flags, content)."""
    offset, end = 0, len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """One message; `payload` is padded already, being made of attributes."""
    return _HEADER.pack(16 + len(payload), kind, flags, sequence, 0) + payload


class Netlink:
    """A socket to one netlink family. Used by one thread."""

    def __init__(self, family: int = NETLINK_NETFILTER, groups: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, groups))
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._enlarge(_SO_SNDBUFFORCE, socket.SO_SNDBUF)
        self._enlarge(_SO_RCVBUFFORCE, socket.SO_RCVBUF)
        self.longest = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 64
        """Bytes that one `send` can take: without the host's CAP_NET_ADMIN a few hundred kB."""
        self._sequence = 0

    def _enlarge(self, forced: int, asked: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, forced, _WANTED_BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, asked, _WANTED_BUFFER)

    def fileno(self) -> int:
        """For event loops."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def next_sequence(self) -> int:
        """A number for the next message, by which answers are recognised."""
        self._sequence += 1
        return self._sequence

    def send(self, data: bytes | bytearray) -> None:
        """Hand messages to the kernel, which has carried them out when this returns."""
        self._socket.send(data)

    def pending(self) -> Iterator[Message]:
        """All that has arrived; does not wait. Raises OSError ENOBUFS when some was lost."""
        while True:
            try:
                data = self._socket.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            yield from messages(data)

    def received(self, longest: int = 1 << 16) -> bytes | None:
        """The next of what has arrived, as it came, or None; does not wait. Raises OSError ENOBUFS, as `pending`."""
        try:
            return self._socket.recv(longest, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def receive(self, longest: int = 1 << 20) -> bytes:
        """The next that arrives, as it comes. Raises OSError ENOBUFS, as `pending`."""
        return self._socket.recv(longest)

    def attach_filter(self, program: Sequence[Instruction]) -> None:
        """Let the kernel keep from us what this classic BPF program returns 0 for."""
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
        where = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)

    def dropped(self) -> int:
        """How many messages the kernel could not keep for this socket, ever."""
        told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        return int(struct.unpack_from("=I", told, 32)[0]) if len(told) >= 36 else 0

    def dump(self, kind: int, payload: bytes) -> Iterator[Message]:
        """Ask for all there is. Raises Interrupted, or OSError with the kernel's errno."""
        sequence = self.next_sequence()
        self.send(message(kind, REQUEST | DUMP, sequence, payload))
        while True:
            for found in messages(self._socket.recv(1 << 20)):
                if found.sequence != sequence:
                    continue
                if found.kind == _DONE:
                    return
                if found.error:
                    raise OSError(found.error, "netlink dump")
                yield found

    def dump_whole(self, kind: int, payload: bytes) -> list[Message]:
        """`dump`, again and again until nothing changed meanwhile. Raises OSError with the kernel's errno."""
        while True:
            try:
                return list(self.dump(kind, payload))
            except Interrupted:
                continue


def messages(data: bytes) -> Iterator[Message]:
    """All in a row. Raises Interrupted."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        payload = data[offset + 16 : offset + length]
        offset += (length + 3) & ~3
        if flags & _DUMP_INTERRUPTED:
            raise Interrupted
        error = -_NATIVE.unpack_from(payload)[0] if kind == _ERROR else None
        if kind != _NOOP:
            yield Message(kind, sequence, payload, error)
