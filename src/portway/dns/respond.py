"""From a query's bytes to a response's, as far as the zone knows; else what has to be asked elsewhere.

A response of somebody else is passed on as it came: only its id, its question's letters and its TTLs are changed,
because names inside data of types that nobody here knows may be compressed (RFC 3597 4).
"""

from msgspec import Struct

from portway.dns.answer import Answer, answer
from portway.dns.message import (
    BADVERS,
    FORMERR,
    HEADER,
    HEADER_SIZE,
    LARGEST,
    NOTIMP,
    QUERY,
    QUESTION,
    REFUSED,
    SERVFAIL,
    Edns,
    Malformed,
    Message,
    Question,
    Record,
    parse,
    write,
)
from portway.dns.name import Name, length, lower
from portway.dns.record import AAAA, IN, OPT, SOA, A
from portway.dns.wire import RECORD, Reader, Writer
from portway.dns.zone import NEGATIVE_TTL, TTL, Zone

UDP_SIZE = 1232
"""What we send and take in one datagram: never a fragment (DNS flag day 2020)."""
SMALLEST = 512
"""What every client can take in one datagram (RFC 1035 4.2.1)."""
_TRANSFERS = (251, 252)
"""IXFR, AXFR: nobody gets the whole zone."""
_NAMES_INSIDE = frozenset((3, 4, 7, 8, 9, 14, 15))
"""MD, MF, MB, MG, MR, MINFO, MX: their data may point into the packet it came in, and cannot be put into another."""
_QR, _TC, _RCODE = 1 << 15, 1 << 9, 15


class Said(Struct, frozen=True, gc=False):
    """A response."""

    packet: bytes
    turns: int = 1
    """How many different ones there are, if addresses take turns."""


class Wanted(Struct, frozen=True, gc=False):
    """What has to be asked elsewhere: equal ones have one answer."""

    name: Name
    """Lower-case."""
    type: int
    edns: bool
    dnssec_ok: bool = False
    checking_disabled: bool = False


class Elsewhere(Struct, frozen=True):
    """A query that the zone cannot answer alone."""

    query: Message
    limit: int
    """Bytes that the client takes."""
    wanted: Wanted
    aliases: tuple[Record, ...] = ()
    """The CNAMEs of the zone that lead there."""


class Relayed(Struct, frozen=True, gc=False):
    """Somebody else's response."""

    packet: bytes
    ttls: tuple[int, ...]
    """Where its TTLs stand."""
    lifetime: int
    """Seconds for which it may be remembered; 0: not at all."""

    @property
    def truncated(self) -> bool:
        """There is more, by TCP."""
        return bool(HEADER.unpack_from(self.packet)[1] & _TC)

    @property
    def rcode(self) -> int:
        """Its rcode, as far as it stands in the header."""
        return int(HEADER.unpack_from(self.packet)[1] & _RCODE)


def respond(zone: Zone | None, packet: bytes, tcp: bool = False, turn: int = 0) -> Said | Elsewhere | None:
    """What to do about a packet; None: nothing. Without a zone every name is somebody else's."""
    if len(packet) < HEADER_SIZE or HEADER.unpack_from(packet)[1] & _QR:
        return None  # a response answered would be answered again
    try:
        query = parse(packet)
    except Malformed:
        return Said(write(_malformed(packet)))
    limit = _limit(query, tcp)
    if refusal := _refusal(query):
        return Said(write(_response(query, Answer(refusal)), limit))
    question = query.questions[0]
    found = answer(zone, question, turn) if zone is not None else None
    if found is None:
        return Elsewhere(query, limit, _wanted(query, question.name))
    if found.elsewhere is not None:
        return Elsewhere(query, limit, _wanted(query, found.elsewhere), found.answers)
    turns = sum(record.type == question.type for record in found.answers) if question.type in (A, AAAA) else 1
    return Said(write(_response(query, found, authoritative=True), limit), max(turns, 1))


def _malformed(packet: bytes) -> Message:
    ident, flags, *_ = HEADER.unpack_from(packet)
    return Message(id=ident, response=True, opcode=flags >> 11 & 15, rcode=FORMERR)


def _limit(query: Message, tcp: bool) -> int:
    if tcp:
        return LARGEST
    return min(max(query.edns.udp_size, SMALLEST), UDP_SIZE) if query.edns else SMALLEST


def _refusal(query: Message) -> int:
    """The rcode of a query that is none of ours to answer; 0 for others."""
    if query.edns is not None and query.edns.version:
        return BADVERS
    if query.opcode != QUERY:
        return NOTIMP
    if len(query.questions) != 1:
        return FORMERR
    question = query.questions[0]
    return REFUSED if question.rclass != IN or question.type in _TRANSFERS else 0


def _wanted(query: Message, name: Name) -> Wanted:
    edns = query.edns
    return Wanted(
        lower(name), query.questions[0].type, edns is not None, bool(edns and edns.dnssec_ok), query.checking_disabled
    )


def _response(query: Message, found: Answer, authoritative: bool = False) -> Message:
    return Message(
        id=query.id,
        response=True,
        opcode=query.opcode,
        authoritative=authoritative,
        recursion_desired=query.recursion_desired,
        recursion_available=True,
        checking_disabled=query.checking_disabled,
        rcode=found.rcode,
        questions=query.questions,
        answers=found.answers,
        authority=found.authority,
        additional=found.additional,
        edns=Edns(UDP_SIZE, dnssec_ok=query.edns.dnssec_ok) if query.edns else None,
    )


def question_of(wanted: Wanted, ident: int) -> bytes:
    """The query that asks others for it."""
    return write(
        Message(
            id=ident,
            recursion_desired=True,
            checking_disabled=wanted.checking_disabled,
            questions=(Question(wanted.name, wanted.type),),
            edns=Edns(UDP_SIZE, dnssec_ok=wanted.dnssec_ok) if wanted.edns else None,
        )
    )


def relayed(packet: bytes, wanted: Wanted, ident: int) -> Relayed:
    """The response in `packet` to `question_of(wanted, ident)`. Malformed when it is none, or to something else."""
    reader = Reader(packet)
    got, flags, questions, *counts = reader.numbers(HEADER)
    if got != ident or not flags & _QR or questions != 1:
        raise Malformed("it is no response to this query")
    asked = Question(lower(reader.name()), *reader.numbers(QUESTION))
    if asked != Question(wanted.name, wanted.type) or reader.at != HEADER_SIZE + length(wanted.name) + QUESTION.size:
        raise Malformed("it is the response to another question")
    ttls, answers, denial = [], [], 0
    for number in range(sum(counts)):
        reader.name()
        at = reader.at + 4
        kind, _, ttl, size = reader.numbers(RECORD)
        data = reader.take(size)
        if kind == OPT:
            continue
        ttls.append(at)
        if number < counts[0]:
            answers.append(ttl)
        elif kind == SOA and number < counts[0] + counts[1]:
            denial = min(ttl, int.from_bytes(data[-4:], "big"))
    return Relayed(packet, tuple(ttls), _lifetime(flags, answers, denial))


def _lifetime(flags: int, answers: list[int], denial: int) -> int:
    """RFC 2308 5 for what is denied; a truncated or failed response is not remembered."""
    if flags & _TC or flags & _RCODE not in (0, 3):
        return 0
    return min(*answers, TTL) if answers else min(denial, NEGATIVE_TTL)


def passed_on(asked: Elsewhere, reply: Relayed | None, age: int = 0) -> bytes:
    """What the client gets: others' response of `age` seconds ago, or SERVFAIL when there is none."""
    if reply is None:
        return write(_response(asked.query, Answer(SERVFAIL, asked.aliases)), asked.limit)
    if asked.aliases:
        return write(_response(asked.query, _joined(asked.aliases, reply)), asked.limit)
    if len(reply.packet) > asked.limit:
        return _cut(asked.query)
    return _readdressed(asked.query, reply, age)


def _readdressed(query: Message, reply: Relayed, age: int) -> bytes:
    packet = bytearray(reply.packet)
    packet[:2] = query.id.to_bytes(2, "big")
    question = Writer()
    question.name(query.questions[0].name)
    packet[HEADER_SIZE : len(question.packet)] = question.packet[HEADER_SIZE:]  # as long: the same name
    for at in reply.ttls if age else ():
        left = max(0, int.from_bytes(packet[at : at + 4], "big") - age)
        packet[at : at + 4] = left.to_bytes(4, "big")
    return bytes(packet)


def _joined(aliases: tuple[Record, ...], reply: Relayed) -> Answer:
    """The zone's CNAMEs, and what others say of where they lead."""
    try:
        said = parse(reply.packet)
    except Malformed:
        return Answer(SERVFAIL, aliases)
    movable = tuple(record for record in said.answers if record.type not in _NAMES_INSIDE)
    return Answer(said.rcode, (*aliases, *movable))


def _cut(query: Message) -> bytes:
    """Nothing but that there is more."""
    edns = Edns(UDP_SIZE, dnssec_ok=query.edns.dnssec_ok) if query.edns else None
    return write(
        Message(
            id=query.id,
            response=True,
            truncated=True,
            recursion_desired=query.recursion_desired,
            recursion_available=True,
            questions=query.questions,
            edns=edns,
        )
    )
