"""What the zone says to a question."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from portway.dns.message import NOERROR, NXDOMAIN, Question
from portway.dns.name import Name, above, lower, reversed_address
from portway.dns.record import AAAA, ANY, CNAME, HINFO, PTR, SOA, A, Data, Record, Srv, Target, text
from portway.dns.zone import NEGATIVE_TTL, TTL, Types, Zone

_MOST_ALIASES = 8
"""How many CNAMEs are followed, one to the next."""


class Answer(Struct, frozen=True):
    """An rcode and records."""

    rcode: int = NOERROR
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    elsewhere: Name | None = None
    """The answer is a CNAME to this name, which is not ours: who can, asks for it too."""


def answer(zone: Zone, question: Question, turn: int = 0) -> Answer | None:
    """The zone's answer to a question of class IN; None when the name is another zone's.

    `turn` turns lists of addresses, so that clients which take the first one share the load.
    """
    name = lower(question.name)
    below = above(name, zone.name)
    if below is None:
        return _reverse(zone, question, name)
    found = zone.at(below)
    if found is not None and CNAME in found and question.type != CNAME:
        return _aliased(zone, question, found, turn)
    return _said(zone, question, found, turn)


def _said(zone: Zone, question: Question, found: Types | None, turn: int) -> Answer:
    if found is None:
        return Answer(NXDOMAIN, authority=denial(zone))
    records = _records(question.name, question.type, found, turn)
    if not records:
        return Answer(authority=denial(zone))
    return Answer(answers=records, additional=_targets(zone, records))


def _records(name: Name, kind: int, found: Types, turn: int) -> tuple[Record, ...]:
    if kind == ANY:  # RFC 8482 4.2: little to say, so that nobody is flooded with it
        return (Record(name, HINFO, TTL, text(b"RFC8482", b"")),)
    data = found.get(kind, ())
    return tuple(Record(name, kind, TTL, each) for each in (_turned(data, turn) if kind in (A, AAAA) else data))


def _turned(data: Sequence[Data], turn: int) -> Sequence[Data]:
    if len(data) < 2:
        return data
    first = turn % len(data)
    return [*data[first:], *data[:first]]


def _targets(zone: Zone, records: Iterable[Record]) -> tuple[Record, ...]:
    """The addresses of what SRV records name."""
    found: list[Record] = []
    for target in dict.fromkeys(record.data.target for record in records if isinstance(record.data, Srv)):
        below = above(target, zone.name)
        types = (zone.at(below) if below is not None else None) or {}
        found += [Record(target, kind, TTL, each) for kind in (A, AAAA) for each in types.get(kind, ())]
    return tuple(found)


def _aliased(zone: Zone, question: Question, found: Types | None, turn: int) -> Answer:
    """The CNAME, and what its end says, as far as it is ours."""
    name, chain = question.name, list[Record]()
    while found is not None and (alias := found.get(CNAME)) and len(chain) < _MOST_ALIASES:
        (data,) = alias
        assert isinstance(data, Target)
        chain.append(Record(name, CNAME, TTL, data))
        name = data.name
        below = above(lower(name), zone.name)
        if below is None:
            return Answer(answers=tuple(chain), elsewhere=name)
        found = zone.at(below)
    end = _said(zone, Question(name, question.type), found, turn)
    return Answer(end.rcode, (*chain, *end.answers), end.authority, end.additional)


def _reverse(zone: Zone, question: Question, name: Name) -> Answer | None:
    address = reversed_address(name)
    if address is None:
        return None
    names = zone.pointers(address)
    if not names and not zone.owns(address):
        return None
    return _said(zone, question, {PTR: [Target(each) for each in names]} if names else None, 0)


def denial(zone: Zone) -> tuple[Record, ...]:
    """The authority of an answer that there is nothing (RFC 2308 3)."""
    return (Record(zone.name, SOA, NEGATIVE_TTL, zone.soa()),)
