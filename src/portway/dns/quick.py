"""The responses to most questions, from bytes to bytes: no message is parsed, no record made.

`respond` says what a response is; this says the same of plain questions for names below svc.DOMAIN (and of those that
are not there) at a fifth of the price, and leaves all others to it. A Service's answers are kept as bytes until it
changes. Their pointers can be absolute, because a name's question always ends at the same place.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from msgspec import Struct

from portway.dns.answer import Answer, answer, denial
from portway.dns.message import HEADER, HEADER_SIZE, LARGEST, NOERROR, NXDOMAIN, QUESTION, Message, Question, write
from portway.dns.name import LONGEST_LABEL, LONGEST_NAME, Name, length, packed
from portway.dns.record import AAAA, CNAME, IN, SRV, A, Data, Raw
from portway.dns.respond import SMALLEST, UDP_SIZE, Said
from portway.dns.wire import RECORD, Reader
from portway.dns.zone import TTL, Key, Zone

_QR, _AA, _TC, _RD, _RA, _AD, _CD = 1 << 15, 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 5, 1 << 4
_KINDS = {kind.to_bytes(2, "big") + b"\0\1": kind for kind in (A, AAAA, SRV)}
"""Type and class of what is answered here."""
_OPT = b"\0\0\x29"
_OPT_SIZE = 11
_OWNER = (0xC000 | HEADER_SIZE).to_bytes(2, "big")
"""The question's name."""
_OTHERS = frozenset((b"\3svc", b"\3pod", b"\3dns", b"\x0bdns-version"))
"""What is below the domain."""


_NODATA = "NODATA"


class _Rest(Struct, frozen=True, gc=False):
    """What follows the question."""

    rcode: int
    counts: tuple[bytes, bytes]
    """The header's four, without OPT and with it."""
    records: bytes
    unit: int = 0
    """Bytes of each record, of a list whose records take turns; 0: it is none."""


@lru_cache(maxsize=64)
def _counts(answers: int, authority: int, additional: int) -> tuple[bytes, bytes]:
    first = b"\0\1" + answers.to_bytes(2, "big") + authority.to_bytes(2, "big")
    return first + additional.to_bytes(2, "big"), first + (additional + 1).to_bytes(2, "big")


def _flags(asked: int, rcode: int) -> bytes:
    return (asked & (_RD | _CD) | _QR | _AA | _RA | rcode).to_bytes(2, "big")


_ASKED = {
    flags.to_bytes(2, "big") + b"\0\1\0\0\0\0\0" + bytes([edns]): (flags, edns)
    for flags, edns in product((rd | ad | cd for rd in (0, _RD) for ad in (0, _AD) for cd in (0, _CD)), (0, 1))
}
"""The headers, after the id, of a query with one question and OPT or no other record."""
_FLAGS = {(flags, rcode): _flags(flags, rcode) for flags, _ in _ASKED.values() for rcode in (0, NXDOMAIN)}
_OPTS = {ttl: _OPT + UDP_SIZE.to_bytes(2, "big") + ttl + b"\0\0" for ttl in (b"\0\0\0\0", b"\0\0\x80\0")}
"""Our OPT by what the client's has in its TTL's place: version 0, with DO or without (RFC 6891 6.1.3)."""


class Quick:
    """Responses of a zone."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._end = packed(zone.name)
        self._depth = len(zone.name)
        self._denials: dict[tuple[int, int], _Rest] = {}
        self._denials_of = -1

    def respond(self, packet: bytes, tcp: bool, turn: int) -> Said | None:
        """What `respond` would say, letters' case in records apart; None: it must be asked."""
        asked = _ASKED.get(packet[2:HEADER_SIZE])
        if asked is None:
            return None
        at, starts = HEADER_SIZE, list[int]()
        try:
            while size := packet[at]:
                starts.append(at)
                at += size + 1
                if size > LONGEST_LABEL:
                    return None
        except IndexError:
            return None
        end = at + 5
        kind = _KINDS.get(packet[at + 1 : end])
        if kind is None or at - HEADER_SIZE >= LONGEST_NAME:
            return None
        flags, edns = asked
        limit, opt = LARGEST if tcp else SMALLEST, b""
        if edns:
            found = _edns(packet, end)
            if found is None:
                return None
            opt = found[1]
            limit = limit if tcp else found[0]
        elif len(packet) != end:
            return None
        said = self._at(packet[HEADER_SIZE : at + 1].lower(), starts, kind)
        if said is None:
            return None
        return _response(said, packet[:2] + _FLAGS[flags, said.rcode], packet[HEADER_SIZE:end], opt, limit, turn)

    def _at(self, name: bytes, starts: Sequence[int], kind: int) -> _Rest | None:
        """What is said of a lower-case name whose labels start at `starts` of the packet."""
        depth = len(starts) - self._depth
        if depth < 1 or not name.endswith(self._end):
            return None
        cut = len(name) - len(self._end)
        if depth != len(starts) and starts[depth] - HEADER_SIZE != cut:
            return None
        top = starts[depth - 1] - HEADER_SIZE
        if name[top:cut] != b"\3svc":
            return None if name[top:cut] in _OTHERS else self._denied(NXDOMAIN, name, cut)
        if depth < 3:
            return None
        first, second = starts[depth - 3] - HEADER_SIZE, starts[depth - 2] - HEADER_SIZE
        key = name[second + 1 : top].decode("latin-1"), name[first + 1 : second].decode("latin-1")
        if not self._zone.has(*key):
            return self._denied(NXDOMAIN, name, cut)
        return self._of_service(key, name, first, cut, kind)

    def _of_service(self, key: Key, name: bytes, first: int, cut: int, kind: int) -> _Rest | None:
        """What is said of a name at or below a Service's, whose label starts at `first`."""
        below, kept = name[:first], self._zone.kept(key)
        said = kept.get((below, kind))
        if said is _NODATA:
            return self._denied(NOERROR, name, cut)
        if said is not None:
            assert isinstance(said, _Rest)
            return said
        types = self._zone.own(key) if not below and kind != SRV else self._zone.at(_labels(name[:cut] + b"\0"))
        if types is None:
            return self._denied(NXDOMAIN, name, cut)
        if CNAME in types:
            return None
        found = types.get(kind, ())
        if not found:
            kept[below, kind] = _NODATA
            return self._denied(NOERROR, name, cut)
        said = kept[below, kind] = _list(found, kind) if kind != SRV else self._asked(Question(_labels(name), kind))
        return said

    def _denied(self, rcode: int, name: bytes, cut: int) -> _Rest:
        """No such name, or no such data. Names that are equally long before the domain have the same bytes."""
        if self._denials_of != self._zone.changes:
            self._denials, self._denials_of = {}, self._zone.changes
        said = self._denials.get((rcode, cut))
        if said is None:
            found = Answer(rcode, authority=denial(self._zone))
            said = self._denials[rcode, cut] = _written(Question(_labels(name), A), found)
        return said

    def _asked(self, question: Question) -> _Rest:
        found = answer(self._zone, question)
        assert found is not None, "its name is below the domain"
        return _written(question, found)


def _edns(packet: bytes, at: int) -> tuple[int, bytes] | None:
    """(bytes that the client takes, our OPT) by the OPT at the packet's end; None: it is no plain one."""
    if packet[at : at + 3] != _OPT or int.from_bytes(packet[at + 9 : at + 11], "big") != len(packet) - at - _OPT_SIZE:
        return None
    ours = _OPTS.get(packet[at + 5 : at + 9])
    if ours is None:
        return None
    return min(max(packet[at + 3] << 8 | packet[at + 4], SMALLEST), UDP_SIZE), ours


def _response(said: _Rest, head: bytes, question: bytes, opt: bytes, limit: int, turn: int) -> Said | None:
    """The packet, `head` being its id and flags; None when it needs cutting that is not done here."""
    records, unit = said.records, said.unit
    room = limit - HEADER_SIZE - len(question) - len(opt)
    if not unit:
        whole = len(records) <= room
        return Said(head + said.counts[bool(opt)] + question + records + opt) if whole else None
    turns = len(records) // unit
    if turns > 1:
        first = turn % turns * unit
        records = records[first:] + records[:first]
    if len(records) <= room:
        return Said(head + said.counts[bool(opt)] + question + records + opt, turns)
    fit = room // unit
    head = head[:2] + (int.from_bytes(head[2:], "big") | _TC).to_bytes(2, "big")
    return Said(head + _counts(fit, 0, 0)[bool(opt)] + question + records[: fit * unit] + opt, turns)


def _list(found: Sequence[Data], kind: int) -> _Rest:
    """Addresses of the name that is asked for."""
    raw = [each.data for each in found if isinstance(each, Raw)]
    head = _OWNER + RECORD.pack(kind, IN, TTL, len(raw[0]))
    return _Rest(NOERROR, _counts(len(raw), 0, 0), b"".join([head + each for each in raw]), len(head) + len(raw[0]))


def _written(question: Question, found: Answer) -> _Rest:
    packet = write(
        Message(
            id=0,
            rcode=found.rcode,
            questions=(question,),
            answers=found.answers,
            authority=found.authority,
            additional=found.additional,
        )
    )
    counts = HEADER.unpack_from(packet)[3:]
    return _Rest(found.rcode, _counts(*counts), packet[HEADER_SIZE + length(question.name) + QUESTION.size :])


def _labels(name: bytes) -> Name:
    return Reader(name).name()
