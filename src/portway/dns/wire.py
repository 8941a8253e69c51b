"""Reads and writes the parts that messages are made of: numbers, names with compression, record data."""

import struct

from portway.dns.name import LONGEST_LABEL, LONGEST_NAME, Name
from portway.dns.record import CNAME, NS, PTR, SOA, SRV, Data, Raw, Record, Soa, Srv, Target

_POINTER = 0xC0
_FURTHEST = 0x3FFF
"""A pointer has 14 bits."""
RECORD = struct.Struct("!HHIH")
_SRV = struct.Struct("!HHH")
_SOA = struct.Struct("!IIIII")
_NAMED = (CNAME, NS, PTR)


class Malformed(ValueError):
    """These bytes are no message; the text says why."""


class Reader:
    """Goes through a packet."""

    def __init__(self, packet: bytes, at: int = 0) -> None:
        self.packet, self.at = packet, at

    def numbers(self, form: struct.Struct) -> tuple[int, ...]:
        """The numbers here, in that form."""
        return form.unpack(self.take(form.size))

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.at + size
        if end > len(self.packet):
            raise Malformed("it ends too early")
        taken = self.packet[self.at : end]
        self.at = end
        return taken

    def name(self) -> Name:
        """A name, whose end may be an earlier name (RFC 1035 4.1.4)."""
        packet, at, labels, size = self.packet, self.at, list[bytes](), 1
        bound, end = at, 0
        while True:
            if at >= len(packet):
                raise Malformed("a name ends too early")
            first = packet[at]
            if first & _POINTER == _POINTER:
                at, bound, end = self._follow(at, bound, end)
                continue
            if first > LONGEST_LABEL:
                raise Malformed(f"label type {first >> 6} is not known")
            at += 1
            if not first:
                break
            labels.append(packet[at : at + first])
            at, size = at + first, size + first + 1
            if at > len(packet) or size > LONGEST_NAME:
                raise Malformed("a name is too long")
        self.at = end or at
        return tuple(labels)

    def _follow(self, at: int, bound: int, end: int) -> tuple[int, int, int]:
        """Where the pointer leads; every jump must lead before the last, so that there is an end of it."""
        if at + 2 > len(self.packet):
            raise Malformed("a name ends too early")
        to = (self.packet[at] & ~_POINTER) << 8 | self.packet[at + 1]
        if to >= bound:
            raise Malformed("a name points forward")
        return to, to, end or at + 2

    def record(self) -> Record:
        """The next record."""
        name = self.name()
        kind, rclass, ttl, size = self.numbers(RECORD)
        if self.at + size > len(self.packet):
            raise Malformed("a record ends too early")
        end = self.at + size
        data = self._data(kind, end)
        if self.at != end:
            raise Malformed(f"data of a record of type {kind} has a wrong length")
        return Record(name, kind, ttl, data, rclass)

    def _data(self, kind: int, end: int) -> Data:
        if self.at == end:  # as in updates (RFC 2136); and names cannot be empty
            return Raw(b"")
        if kind in _NAMED:
            return Target(self.name())
        if kind == SRV:
            priority, weight, port = self.numbers(_SRV)
            return Srv(priority, weight, port, self.name())
        if kind == SOA:
            return Soa(self.name(), self.name(), *self.numbers(_SOA))
        return Raw(self.take(end - self.at))


class Writer:
    """Builds a packet."""

    def __init__(self) -> None:
        self.packet = bytearray(12)
        self._known: dict[Name, int] = {}

    def name(self, name: Name, compress: bool = True) -> None:
        """Write a name, its longest known end as a pointer."""
        packet, known = self.packet, self._known
        for cut in range(len(name)):
            rest = name[cut:]
            if compress and (at := known.get(rest)) is not None:
                packet += (_POINTER << 8 | at).to_bytes(2, "big")
                return
            if len(packet) <= _FURTHEST:
                known.setdefault(rest, len(packet))
            packet.append(len(rest[0]))
            packet += rest[0]
        packet.append(0)

    def record(self, record: Record) -> None:
        """Write a record."""
        self.name(record.name)
        data, packet = record.data, self.packet
        if isinstance(data, Raw):
            packet += RECORD.pack(record.type, record.rclass, record.ttl, len(data.data))
            packet += data.data
            return
        packet += RECORD.pack(record.type, record.rclass, record.ttl, 0)
        begin = len(packet)
        self._data(data)
        packet[begin - 2 : begin] = (len(packet) - begin).to_bytes(2, "big")

    def _data(self, data: Target | Srv | Soa) -> None:
        if isinstance(data, Target):
            self.name(data.name)
        elif isinstance(data, Srv):
            self.packet += _SRV.pack(data.priority, data.weight, data.port)
            self.name(data.target, compress=False)  # RFC 2782: not compressed
        else:
            self.name(data.mname)
            self.name(data.rname)
            self.packet += _SOA.pack(data.serial, data.refresh, data.retry, data.expire, data.minimum)

    def back_to(self, size: int) -> None:
        """Forget what was written after the first `size` bytes."""
        del self.packet[size:]
        self._known = {name: at for name, at in self._known.items() if at < size}
