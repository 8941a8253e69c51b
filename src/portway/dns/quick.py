"""The common questions, from bytes to bytes: addresses of names of the zone, and names that it does not have.

`respond` says the same, byte for byte, and everything else; this spares it the values in between, which cost four
times as much. Whatever is not plain is left to it.
"""

import struct

from msgspec import Struct

from portway.dns.message import HEADER, HEADER_SIZE, NOERROR, NXDOMAIN, QUESTION
from portway.dns.name import LONGEST_LABEL, LONGEST_NAME, Name
from portway.dns.record import AAAA, ANY, CNAME, IN, OPT, SOA, A, Raw
from portway.dns.wire import RECORD
from portway.dns.zone import NEGATIVE_TTL, TTL, Types, Zone

_RD, _CD = 1 << 8, 1 << 4
_ODD = 0xFFFF & ~(_RD | _CD | 1 << 5)
"""Flags of a query that ask for more than recursion and checks."""
_SAID = 1 << 15 | 1 << 10 | 1 << 7
"""QR, AA, RA."""
_TRANSFERS = (251, 252)
_OWN = b"\xc0\x0c"
"""The question's name."""
_ROOM = 512
_MOST = 16
"""Addresses of an answer; of more, not all may have room."""
_OPT = struct.Struct("!BHHBBHH")
_TAIL = struct.Struct("!IIIII")
_IN_THE_WAY = (b"dns", b"hostmaster")
"""Names below these have an end that the SOA's names have too, which may be a pointer then."""


class Said(Struct, frozen=True, gc=False):
    """A response."""

    packet: bytes
    turns: int = 1
    """How many different ones there are, if addresses take turns."""


class _Asked(Struct, frozen=True, gc=False):
    """A plain query."""

    labels: Name
    """Lower-case."""
    end: int
    """Where the question ends."""
    type: int
    flags: int
    opt: bytes
    """What the response has of EDNS."""


def quick(zone: Zone, packet: bytes, turn: int, udp_size: int) -> Said | None:
    """The response to a plain query; None: somebody else knows. `udp_size`: what we take in one datagram, bytes."""
    asked = _read(packet, udp_size)
    if asked is None:
        return None
    cut = len(asked.labels) - len(zone.name)
    name_end = asked.end - QUESTION.size
    if cut < 0 or packet[name_end - len(zone.wire) : name_end] != zone.wire or asked.labels[cut:] != zone.name:
        return None
    found = zone.at(asked.labels[:cut])
    if found and asked.type in found:
        return _addresses(packet, asked, found, turn)
    if (found and CNAME in found) or (cut and asked.labels[cut - 1] in _IN_THE_WAY):
        return None
    return _denied(packet, asked, zone, NXDOMAIN if found is None else NOERROR)


def _read(packet: bytes, udp_size: int) -> _Asked | None:
    size = len(packet)
    if size < HEADER_SIZE + 1 + QUESTION.size:
        return None
    _, flags, questions, answers, authority, additional = HEADER.unpack_from(packet)
    if flags & _ODD or questions != 1 or answers or authority or additional > 1:
        return None
    text, labels, at = packet.lower(), [], HEADER_SIZE
    while (length := packet[at]) and length <= LONGEST_LABEL:
        at += 1 + length
        if at >= size:
            return None
        labels.append(text[at - length : at])
    end = at + 1 + QUESTION.size
    if length or end > size or at - HEADER_SIZE >= LONGEST_NAME:
        return None
    kind, rclass = QUESTION.unpack_from(packet, at + 1)
    if rclass != IN or kind == ANY or kind in _TRANSFERS:
        return None
    opt = _edns(packet, end, udp_size) if additional else b"" if end == size else None
    return None if opt is None else _Asked(tuple(labels), end, kind, flags & (_RD | _CD), opt)


def _edns(packet: bytes, at: int, udp_size: int) -> bytes | None:
    """The OPT record to answer with the query's, which must be all that follows; None: it is something else."""
    if len(packet) < at + _OPT.size:
        return None
    root, kind, _, _, version, flags, length = _OPT.unpack_from(packet, at)
    if root or kind != OPT or version or at + _OPT.size + length != len(packet):
        return None
    return _OPT.pack(0, OPT, udp_size, 0, 0, flags & 1 << 15, 0)


def _addresses(packet: bytes, asked: _Asked, found: Types, turn: int) -> Said | None:
    data = found[asked.type]
    count = len(data)
    if asked.type not in (A, AAAA) or CNAME in found or count > _MOST:
        return None
    first = turn % count
    parts = [packet[HEADER_SIZE : asked.end]]
    for each in (*data[first:], *data[:first]):
        assert isinstance(each, Raw)
        parts += (_OWN, RECORD.pack(asked.type, IN, TTL, len(each.data)), each.data)
    return _said(packet, asked, parts, NOERROR, (count, 0), count)


def _denied(packet: bytes, asked: _Asked, zone: Zone, rcode: int) -> Said | None:
    """With the zone's SOA, whose names end in the question's end."""
    domain = (0xC000 | asked.end - QUESTION.size - len(zone.wire)).to_bytes(2, "big")
    names = b"\x02ns\x03dns" + domain + b"\x0ahostmaster" + domain
    times = _TAIL.pack(*zone.times)
    head = RECORD.pack(SOA, IN, NEGATIVE_TTL, len(names) + len(times))
    parts = [packet[HEADER_SIZE : asked.end], domain, head, names, times]
    return _said(packet, asked, parts, rcode, (0, 1), 1)


def _said(
    packet: bytes, asked: _Asked, parts: list[bytes], rcode: int, counts: tuple[int, int], turns: int
) -> Said | None:
    answers, authority = counts
    ident = packet[0] << 8 | packet[1]
    header = HEADER.pack(ident, _SAID | asked.flags | rcode, 1, answers, authority, 1 if asked.opt else 0)
    said = b"".join((header, *parts, asked.opt))
    return Said(said, turns) if len(said) <= _ROOM else None
