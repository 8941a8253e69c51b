"""Messages: bytes to values and back (RFC 1035 4, RFC 6891)."""

import struct
from collections.abc import Iterable

from msgspec import Struct

from portway.dns.name import Name
from portway.dns.record import IN, OPT, Raw, Record
from portway.dns.wire import Malformed, Reader, Writer

__all__ = ["Edns", "Malformed", "Message", "Question", "Record", "parse", "write"]

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
BADVERS = 16
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
QUERY = 0
"""The only opcode there is."""

HEADER_SIZE = 12
LARGEST = 65535
HEADER = struct.Struct("!HHHHHH")
QUESTION = struct.Struct("!HH")
_OPT_SIZE = 11
"""An OPT record without options."""
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 1 << 15, 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 5, 1 << 4
_DO = 1 << 15


class Question(Struct, frozen=True, gc=False):
    """What is asked."""

    name: Name
    type: int
    rclass: int = IN


class Edns(Struct, frozen=True, gc=False):
    """The OPT pseudo-record, but for its part of the rcode."""

    udp_size: int
    """What the sender can take in one datagram, bytes."""
    version: int = 0
    dnssec_ok: bool = False
    options: bytes = b""
    """As they stand in the packet."""


class Message(Struct, frozen=True, kw_only=True):
    """One message."""

    id: int
    response: bool = False
    opcode: int = QUERY
    authoritative: bool = False
    truncated: bool = False
    recursion_desired: bool = False
    recursion_available: bool = False
    authentic_data: bool = False
    checking_disabled: bool = False
    rcode: int = NOERROR
    """With the upper bits that EDNS adds."""
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    """Without OPT."""
    edns: Edns | None = None


def parse(packet: bytes) -> Message:
    """The message in `packet`, all of it; Malformed when there is none."""
    if len(packet) < HEADER_SIZE:
        raise Malformed("it is shorter than a header")
    reader = Reader(packet)
    ident, flags, *counts = reader.numbers(HEADER)
    if sum(counts) * 5 > len(packet) - HEADER_SIZE:  # a question has 5 bytes or more, a record 11
        raise Malformed("it claims more records than it has bytes for")
    questions = tuple(_question(reader) for _ in range(counts[0]))
    answers, authority, additional = (tuple(reader.record() for _ in range(count)) for count in counts[1:])
    if reader.at != len(packet):
        raise Malformed("something follows its end")
    edns, upper = _edns(additional)
    return Message(
        id=ident,
        response=bool(flags & _QR),
        opcode=flags >> 11 & 15,
        authoritative=bool(flags & _AA),
        truncated=bool(flags & _TC),
        recursion_desired=bool(flags & _RD),
        recursion_available=bool(flags & _RA),
        authentic_data=bool(flags & _AD),
        checking_disabled=bool(flags & _CD),
        rcode=upper << 4 | flags & 15,
        questions=questions,
        answers=answers,
        authority=authority,
        additional=tuple(record for record in additional if record.type != OPT),
        edns=edns,
    )


def _question(reader: Reader) -> Question:
    return Question(reader.name(), *reader.numbers(QUESTION))


def _edns(additional: Iterable[Record]) -> tuple[Edns | None, int]:
    """What OPT says, and its part of the rcode (RFC 6891 6.1.3)."""
    found = [record for record in additional if record.type == OPT]
    if not found:
        return None, 0
    if len(found) > 1 or found[0].name:
        raise Malformed("it has more than one OPT, or one with a name")
    opt = found[0]
    assert isinstance(opt.data, Raw)
    return Edns(opt.rclass, opt.ttl >> 16 & 255, bool(opt.ttl & _DO), opt.data.data), opt.ttl >> 24


def write(message: Message, limit: int = LARGEST) -> bytes:
    """The packet, of at most `limit` bytes (at least 512): what has no room is left out, and TC says so if it
    was an answer or authority (RFC 2181 9)."""
    writer = Writer()
    for question in message.questions:
        writer.name(question.name)
        writer.packet += QUESTION.pack(question.type, question.rclass)
    room = limit - (_OPT_SIZE + len(message.edns.options) if message.edns else 0)
    counts, truncated = [len(message.questions)], message.truncated
    for section in (message.answers, message.authority, message.additional):
        written = 0 if truncated else _write_section(writer, section, room)
        truncated = truncated or (written < len(section) and section is not message.additional)
        counts.append(written)
    if message.edns is not None:
        writer.record(_opt(message.edns, message.rcode))
        counts[3] += 1
    HEADER.pack_into(writer.packet, 0, message.id, _flags(message, truncated), *counts)
    return bytes(writer.packet)


def _write_section(writer: Writer, records: Iterable[Record], room: int) -> int:
    """How many of them fit."""
    written = 0
    for record in records:
        before = len(writer.packet)
        writer.record(record)
        if len(writer.packet) > room:
            writer.back_to(before)
            break
        written += 1
    return written


def _opt(edns: Edns, rcode: int) -> Record:
    ttl = rcode >> 4 << 24 | edns.version << 16 | (_DO if edns.dnssec_ok else 0)
    return Record((), OPT, ttl, Raw(edns.options), edns.udp_size)


def _flags(message: Message, truncated: bool) -> int:
    return (
        message.response * _QR
        | message.opcode << 11
        | message.authoritative * _AA
        | truncated * _TC
        | message.recursion_desired * _RD
        | message.recursion_available * _RA
        | message.authentic_data * _AD
        | message.checking_disabled * _CD
        | message.rcode & 15
    )
