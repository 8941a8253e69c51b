"""The codec: whole values there and back, whatever bytes, and dnspython reading and writing the same."""

import struct

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.dns import NXDOMAIN, Edns, Malformed, Message, Question, from_text, parse, to_text, write
from portway.dns.record import AAAA, CNAME, NS, OPT, PTR, SOA, SRV, TXT, A, Raw, Record, Soa, Srv, Target

WEB = from_text("web.shop.svc.cluster.local")

labels = st.binary(min_size=1, max_size=20)
names = st.lists(labels, max_size=6).map(tuple)
short = st.integers(0, 0xFFFF)
long = st.integers(0, 0xFFFFFFFF)
raw_types = st.sampled_from([A, AAAA, TXT, 15, 99, 65280])


def _record(kind: st.SearchStrategy[int], data: st.SearchStrategy[object]) -> st.SearchStrategy[Record]:
    return st.builds(Record, names, kind, long, data, short)


records = st.one_of(
    _record(raw_types, st.builds(Raw, st.binary(max_size=40))),
    _record(st.sampled_from([CNAME, NS, PTR]), st.builds(Target, names)),
    _record(st.just(SRV), st.builds(Srv, short, short, short, names)),
    _record(st.just(SOA), st.builds(Soa, names, names, long, long, long, long, long)),
)
sections = st.lists(records, max_size=4).map(tuple)
messages = st.builds(
    Message,
    id=short,
    response=st.booleans(),
    opcode=st.integers(0, 15),
    authoritative=st.booleans(),
    truncated=st.just(False),
    recursion_desired=st.booleans(),
    recursion_available=st.booleans(),
    authentic_data=st.booleans(),
    checking_disabled=st.booleans(),
    rcode=st.integers(0, 15),
    questions=st.lists(st.builds(Question, names, short, short), max_size=2).map(tuple),
    answers=sections,
    authority=sections,
    additional=sections,
    edns=st.none() | st.builds(Edns, short, st.integers(0, 255), st.booleans(), st.binary(max_size=20)),
)


@given(messages)
def test_what_is_written_reads_the_same(message: Message) -> None:
    assert parse(write(message)) == message


@given(st.binary(max_size=200))
def test_whatever_bytes_come_only_malformed_comes_out(packet: bytes) -> None:
    try:
        message = parse(packet)
    except Malformed:
        return
    assert parse(write(message)) == message


@given(messages, st.data())
def test_a_damaged_message_is_another_message_or_malformed(message: Message, data: st.DataObject) -> None:
    packet = bytearray(write(message))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(packet))
    except Malformed:
        return


@given(messages, st.integers(512, 1500))
def test_a_limit_is_kept_and_what_is_left_out_is_told(message: Message, limit: int) -> None:
    asked = Message(id=message.id, questions=(Question(WEB, A),), answers=message.answers * 6, edns=message.edns)
    packet = write(asked, limit)
    kept = parse(packet)
    assert len(packet) <= limit
    assert kept.answers == asked.answers[: len(kept.answers)]
    assert kept.truncated == (len(kept.answers) < len(asked.answers))
    assert kept.edns == asked.edns


def test_dnspython_reads_what_we_write() -> None:
    message = Message(
        id=4711,
        response=True,
        authoritative=True,
        recursion_desired=True,
        questions=(Question(WEB, SRV),),
        answers=(Record(WEB, SRV, 30, Srv(0, 50, 80, WEB)), Record(WEB, CNAME, 30, Target(from_text("example.com.")))),
        authority=(Record(WEB[-2:], SOA, 5, Soa(WEB, WEB[1:], 1, 2, 3, 4, 5)),),
        additional=(Record(WEB, A, 30, Raw(bytes([10, 96, 0, 1]))), Record(WEB, AAAA, 30, Raw(bytes(15) + b"\1"))),
        edns=Edns(1232, dnssec_ok=True),
    )
    seen = dns.message.from_wire(write(message))
    assert (seen.id, seen.payload, bool(seen.ednsflags & dns.flags.DO)) == (4711, 1232, True)
    assert [str(each) for each in seen.answer] == [
        "web.shop.svc.cluster.local. 30 IN SRV 0 50 80 web.shop.svc.cluster.local.",
        "web.shop.svc.cluster.local. 30 IN CNAME example.com.",
    ]
    assert [str(each) for each in seen.authority] == [
        "cluster.local. 5 IN SOA web.shop.svc.cluster.local. shop.svc.cluster.local. 1 2 3 4 5"
    ]
    assert [str(each) for each in seen.additional] == [
        "web.shop.svc.cluster.local. 30 IN A 10.96.0.1",
        "web.shop.svc.cluster.local. 30 IN AAAA ::1",
    ]


def test_we_read_what_dnspython_writes_compressed() -> None:
    query = dns.message.make_query("Web.Shop.svc.cluster.local", "A", use_edns=0, payload=4096)
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.NXDOMAIN)
    reply.authority.append(
        dns.rrset.from_text("cluster.local.", 5, "IN", "SOA", "ns.cluster.local. h.cluster.local. 9 8 7 6 5")
    )
    seen, asked = parse(reply.to_wire()), parse(query.to_wire())
    assert asked.questions == (Question(from_text("Web.Shop.svc.cluster.local"), A),)
    assert asked.edns is not None
    assert asked.edns.udp_size == 4096
    assert seen.rcode == NXDOMAIN
    assert isinstance(seen.authority[0].data, Soa)
    assert to_text(seen.authority[0].data.rname) == "h.cluster.local."


def test_names_are_compressed_but_not_in_srv() -> None:
    aliases = Message(id=1, questions=(Question(WEB, CNAME),), answers=(Record(WEB, CNAME, 30, Target(WEB)),))
    served = Message(id=1, questions=(Question(WEB, SRV),), answers=(Record(WEB, SRV, 30, Srv(0, 1, 80, WEB)),))
    assert write(aliases).count(b"cluster") == 1
    assert write(served).count(b"cluster") == 2


HEADER = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "shorter than a header"),
        (HEADER, "more records than it has bytes for"),
        (HEADER + b"\xc0\x0c\0\1\0\1", "points forward"),
        (HEADER + b"\x01a\xc0\x0c\0\1\0\1", "points forward"),
        (HEADER + b"\x41" + bytes(80), "label type 1"),
        (HEADER + b"\x3f" + b"a" * 20, "too long"),
        (HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", "too long"),
        (HEADER + b"\x01a\0\0\1\0\1extra", "follows its end"),
        (HEADER + b"\x01a\0\0\1", "ends too early"),
        (HEADER + b"\x01a", "more records|ends too early"),
        (struct.pack("!HHHHHH", 1, 0, 0, 0, 0, 2) + b"\0\0\x29\4\xd0\0\0\0\0\0\0" * 2, "more than one OPT"),
        (struct.pack("!HHHHHH", 1, 0, 0, 1, 0, 0) + b"\0\0\x21\0\1\0\0\0\0\0\x03\0\0\0", "ends too early"),
        (struct.pack("!HHHHHH", 1, 0, 0, 1, 0, 0) + b"\0\0\x05\0\1\0\0\0\0\0\x02\0\0", "wrong length"),
    ],
)
def test_what_is_wrong_is_said(packet: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse(packet)


def test_opt_is_not_among_the_additional_records() -> None:
    seen = parse(write(Message(id=1, rcode=16, edns=Edns(512))))
    assert seen.rcode == 16
    assert all(record.type != OPT for record in seen.additional)


@given(names)
def test_names_as_text_are_dnspythons(name: tuple[bytes, ...]) -> None:
    assert dns.name.from_text(to_text(name)).labels[:-1] == name


@pytest.mark.parametrize("text", ["a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4)])
def test_texts_that_are_no_names(text: str) -> None:
    with pytest.raises(ValueError, match="no domain name"):
        from_text(text)
