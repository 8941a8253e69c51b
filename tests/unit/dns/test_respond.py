"""From packets to packets; dnspython writes the queries and reads the responses."""

import struct

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.dns import Malformed, Zone, decode, from_text
from portway.dns.respond import UDP_SIZE, Elsewhere, Relayed, Said, Wanted, passed_on, question_of, relayed, respond

WEB = "web.shop.svc.cluster.local."


def _zone() -> Zone:
    zone = Zone(nameservers=["10.96.0.10"], ranges=["10.96.0.0/16"])
    zone.namespace("shop", True)
    metadata = {"name": "web", "namespace": "shop"}
    ports = [{"name": f"p{n}", "port": n} for n in range(1, 41)]
    zone.service(None, decode.service({"metadata": metadata, "spec": {"clusterIP": "10.96.0.7", "ports": ports}}))
    away = {"type": "ExternalName", "externalName": "Foo.example.com"}
    zone.service(None, decode.service({"metadata": metadata | {"name": "away"}, "spec": away}))
    return zone


ZONE = _zone()


def said(query: dns.message.Message | bytes, tcp: bool = False) -> dns.message.Message:
    """The zone's response."""
    found = respond(ZONE, query if isinstance(query, bytes) else query.to_wire(), tcp)
    assert isinstance(found, Said)
    return dns.message.from_wire(found.packet)


def query(name: str = WEB, kind: str = "A", **more: object) -> dns.message.Message:
    return dns.message.make_query(name, kind, **more)  # type: ignore[arg-type]


def test_flags_and_question_come_back() -> None:
    asked = query("WEB.shop.SVC.cluster.local.")
    reply = said(asked)
    assert asked.is_response(reply)
    assert reply.question[0].name.to_text() == "WEB.shop.SVC.cluster.local."
    assert (reply.answer[0].name.to_text(), reply.answer[0][0].address) == ("WEB.shop.SVC.cluster.local.", "10.96.0.7")
    assert reply.flags & dns.flags.AA and reply.flags & dns.flags.RA and reply.flags & dns.flags.RD
    assert reply.edns == -1


def _status() -> dns.message.Message:
    asked = query()
    asked.set_opcode(dns.opcode.STATUS)
    return asked


def _two_questions() -> dns.message.Message:
    asked = query()
    asked.question += query("db.shop.svc.cluster.local.").question
    return asked


def _version_bind() -> dns.message.Message:
    return dns.message.make_query("version.bind.", "TXT", "CH")


@pytest.mark.parametrize(
    ("asked", "rcode"),
    [
        (query(), "NOERROR"),
        (query(kind="AAAA"), "NOERROR"),
        (query("none.shop.svc.cluster.local."), "NXDOMAIN"),
        (_status(), "NOTIMP"),
        (_two_questions(), "FORMERR"),
        (_version_bind(), "REFUSED"),
        (query("cluster.local.", "AXFR"), "REFUSED"),
        (query(use_edns=1), "BADVERS"),
        pytest.param(query().to_wire()[:-1], "FORMERR", id="cut short"),
        pytest.param(query().to_wire() + b"x", "FORMERR", id="too long"),
        pytest.param(query().to_wire()[:12], "FORMERR", id="only a header"),
    ],
)
def test_rcodes(asked: dns.message.Message | bytes, rcode: str) -> None:
    assert dns.rcode.to_text(said(asked).rcode()) == rcode


@pytest.mark.parametrize(
    "packet",
    [b"", b"x" * 11, query().to_wire()[:2] + b"\x80" + query().to_wire()[3:]],
    ids=["empty", "shorter than a header", "an answer"],
)
def test_what_is_no_query_gets_nothing(packet: bytes) -> None:
    """A response least of all: two servers would answer each other for ever."""
    assert respond(ZONE, packet) is None


@pytest.mark.parametrize(
    ("tcp", "payload", "limit"), [(False, None, 512), (False, 300, 512), (False, 800, 800), (False, 4096, UDP_SIZE)]
)
def test_udp_says_that_there_is_more(tcp: bool, payload: int | None, limit: int) -> None:
    asked = query(kind="SRV", use_edns=payload is not None, payload=payload)
    reply = said(asked, tcp)
    assert reply.flags & dns.flags.TC
    assert len(reply.to_wire()) <= limit
    assert (reply.edns, reply.payload) == ((0, UDP_SIZE) if payload else (-1, 0))


def test_tcp_says_it_all() -> None:
    reply = said(query(kind="SRV"), tcp=True)
    assert not reply.flags & dns.flags.TC
    assert len(reply.answer[0]) == 40


def test_edns_is_answered_with_edns_and_do_comes_back() -> None:
    reply = said(query(want_dnssec=True))
    assert (reply.edns, reply.payload, bool(reply.ednsflags & dns.flags.DO)) == (0, UDP_SIZE, True)


@given(st.binary(max_size=80))
def test_whatever_comes_is_answered_or_dropped(packet: bytes) -> None:
    _checked(packet)


@given(st.data())
def test_damaged_queries_too(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["A", "SRV", "PTR", "ANY", "SOA"]))
    packet = bytearray(query(kind=kind, want_dnssec=data.draw(st.booleans())).to_wire())
    for _ in range(data.draw(st.integers(0, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    del packet[data.draw(st.integers(0, len(packet))) :]
    _checked(bytes(packet))


@given(st.integers(0, 0x3FFF), st.binary(max_size=12))
def test_pointers_that_go_round_end(to: int, before: bytes) -> None:
    """A name of some labels, then a pointer to anywhere: itself, forward, the header."""
    labels = bytes([len(before)]) + before if before else b""
    name = labels + struct.pack("!H", 0xC000 | to)
    _checked(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1))


def _checked(packet: bytes) -> None:
    for tcp in (False, True):
        found = respond(ZONE, packet, tcp)
        if isinstance(found, Elsewhere):
            assert found.wanted.name[-2:] != (b"cluster", b"local")
            failed = dns.message.from_wire(passed_on(found, None))
            assert (failed.id, failed.rcode()) == (int.from_bytes(packet[:2], "big"), dns.rcode.SERVFAIL)
        elif found is not None:
            assert found.packet[:2] == packet[:2]
            assert found.packet[2] & 0x80
            assert tcp or len(found.packet) <= UDP_SIZE
            _read(found.packet)


def _read(packet: bytes) -> None:
    if packet[2] >> 3 & 15 == dns.opcode.UPDATE:  # NOTIMP repeats the question; dnspython wants a zone there
        packet = packet[:2] + bytes([packet[2] & 0x87]) + packet[3:]
    dns.message.from_wire(packet, ignore_trailing=False)


EXAMPLE = Wanted(from_text("www.example.com"), dns.rdatatype.MX, edns=False)
ZONE_FILE = """id {ident}
opcode QUERY
flags QR RD RA
;QUESTION
www.example.com. IN MX
;ANSWER
www.example.com. 300 IN MX 10 mail.example.com.
www.example.com. 20 IN MX 20 mail.example.net.
;AUTHORITY
example.com. 86400 IN NS ns.example.com.
"""
DENIED = """id {ident}
opcode QUERY
rcode NXDOMAIN
flags QR RD RA
;QUESTION
www.example.com. IN MX
;AUTHORITY
example.com. 900 IN SOA ns.example.com. root.example.com. 1 2 3 4 {minimum}
"""


def others(text: str = ZONE_FILE, **more: object) -> Relayed:
    """What another server says, in dnspython's words."""
    packet = dns.message.from_text(text.format(ident=99, **more)).to_wire()
    return relayed(packet, EXAMPLE, 99)


def elsewhere(
    name: str = "wWw.Example.com.", kind: str = "MX", **more: object
) -> tuple[Elsewhere, dns.message.Message]:
    asked = query(name, kind, **more)
    found = respond(ZONE, asked.to_wire())
    assert isinstance(found, Elsewhere)
    return found, asked


def test_what_we_ask_others() -> None:
    found, _ = elsewhere(want_dnssec=True)
    asking = dns.message.from_wire(question_of(found.wanted, 99))
    assert (asking.id, asking.question[0].to_text()) == (99, "www.example.com. IN MX")
    assert (asking.payload, bool(asking.ednsflags & dns.flags.DO)) == (UDP_SIZE, True)
    assert dns.message.from_wire(question_of(EXAMPLE, 1)).edns == -1


def test_what_others_say_is_passed_on_with_our_clients_id_and_letters() -> None:
    """MX names are compressed, onto the question's letters: they must still be right."""
    found, asked = elsewhere()
    reply = dns.message.from_wire(passed_on(found, others(), age=7))
    assert asked.is_response(reply)
    assert found.wanted == EXAMPLE
    assert reply.question[0].name.to_text() == "wWw.Example.com."
    assert sorted(each.to_text().lower() for each in reply.answer[0]) == [
        "10 mail.example.com.",
        "20 mail.example.net.",
    ]
    assert (reply.answer[0].ttl, reply.authority[0].ttl) == (13, 86393)


@pytest.mark.parametrize(
    ("text", "minimum", "lifetime"), [(ZONE_FILE, 0, 20), (DENIED, 2, 2), (DENIED, 900, 5), (DENIED, 0, 0)]
)
def test_how_long_it_may_be_remembered(text: str, minimum: int, lifetime: int) -> None:
    assert others(text, minimum=minimum).lifetime == lifetime


@pytest.mark.parametrize("change", [{"ident": 98}, {"name": "www.example.org"}, {"kind": 1}])
def test_the_response_to_another_question_is_none(change: dict[str, object]) -> None:
    name = from_text(str(change.get("name", "www.example.com")))
    wanted = Wanted(name, int(str(change.get("kind", EXAMPLE.type))), edns=False)
    with pytest.raises(Malformed):
        relayed(others().packet, wanted, int(str(change.get("ident", 99))))


def test_a_question_that_is_compressed_is_not_taken_apart() -> None:
    """Its name would have another length than our client's, and everything after it would be shifted."""
    header = struct.pack("!HHHHHH", 0x0363, 0x8180, 1, 0, 0, 0)
    with pytest.raises(Malformed):
        relayed(header + b"\xc0\x00" + struct.pack("!HH", 1, 1), Wanted(from_text("c"), 1, edns=False), 0x0363)


@given(st.data())
def test_damaged_responses_are_malformed_or_passed_on(data: st.DataObject) -> None:
    packet = bytearray(others().packet)
    for _ in range(data.draw(st.integers(0, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        reply = relayed(bytes(packet), EXAMPLE, 99)
    except Malformed:
        return
    found, asked = elsewhere()
    assert int.from_bytes(passed_on(found, reply, 3)[:2], "big") == asked.id


def test_an_alias_that_leads_elsewhere_brings_what_is_there() -> None:
    found, asked = elsewhere("away.shop.svc.cluster.local.", "A")
    assert found.wanted == Wanted(from_text("foo.example.com"), dns.rdatatype.A, edns=False)
    text = ZONE_FILE.replace("www.example.com. IN MX", "foo.example.com. IN A").partition("www.")[0]
    packet = dns.message.from_text(text.format(ident=99) + "foo.example.com. 60 IN A 192.0.2.1\n").to_wire()
    reply = dns.message.from_wire(passed_on(found, relayed(packet, found.wanted, 99)))
    assert asked.is_response(reply)
    assert [each.to_text() for each in reply.answer] == [
        "away.shop.svc.cluster.local. 30 IN CNAME Foo.example.com.",
        "foo.example.com. 60 IN A 192.0.2.1",
    ]


def test_an_alias_whose_end_nobody_knows_is_told_all_the_same() -> None:
    found, _ = elsewhere("away.shop.svc.cluster.local.", "A")
    reply = dns.message.from_wire(passed_on(found, None))
    assert (reply.rcode(), len(reply.answer)) == (dns.rcode.SERVFAIL, 1)


def test_a_response_too_long_for_the_client_is_cut() -> None:
    """Ours to a client with EDNS; here we have one that others sent whole."""
    found, asked = elsewhere()
    reply = others()
    long = Relayed(reply.packet + b"x" * 600, reply.ttls, 0)
    cut = dns.message.from_wire(passed_on(found, long))
    assert asked.is_response(cut) and cut.flags & dns.flags.TC and not cut.answer


def test_without_a_zone_everything_is_elsewhere() -> None:
    assert isinstance(respond(None, query().to_wire()), Elsewhere)
