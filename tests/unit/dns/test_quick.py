"""The quick way says what the slow way says, whatever is asked and whatever has changed."""

import dns.message
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.dns import Question, Zone, decode, parse
from portway.dns.message import Edns, Malformed, Message, write
from portway.dns.name import Name, from_text, lower
from portway.dns.quick import Quick
from portway.dns.record import Record
from portway.dns.respond import Said, respond

LABELS = [b"web", b"db", b"away", b"none", b"shop", b"other", b"svc", b"pod", b"dns", b"cluster", b"local",
          b"_http", b"_tcp", b"db-0", b"10-244-1-3", b"com", b"WEB", b"Svc", b"x\0y", b"\3svc", b"\7cluster\5local",
          b"l" * 63, b"dns-version"]  # fmt: skip
ENDS = [(), (b"cluster", b"local"), (b"svc", b"cluster", b"local"), (b"shop", b"svc", b"cluster", b"local"),
        (b"SHOP", b"svc", b"CLUSTER", b"local"), (b"web", b"shop", b"svc", b"cluster", b"local"),
        (b"db", b"shop", b"svc", b"cluster", b"local")]  # fmt: skip
PORTS = [{"name": "http", "port": 80}]


def service(name: str, **spec: object) -> decode.Service:
    return decode.service({"metadata": {"name": name, "namespace": "shop"}, "spec": {"ports": PORTS} | spec})


def slice_of(of: str, addresses: list[str], hostname: str | None = None) -> decode.Slice:
    metadata = {"name": of, "namespace": "shop", "labels": {"kubernetes.io/service-name": of}}
    endpoints = [{"addresses": [each], "hostname": hostname} for each in addresses]
    return decode.endpoint_slice({"metadata": metadata, "ports": PORTS, "endpoints": endpoints})


BIG = [f"10.244.{n // 250}.{n % 250 + 1}" for n in range(1000)]
WEBS = [
    None,
    service("web", clusterIPs=["10.96.0.7", "fd00:96::7"]),
    service("web", clusterIP="10.96.0.8", ports=[]),
    service("web", clusterIP="None"),
    service("web", type="ExternalName", externalName="db.shop.svc.cluster.local"),
]
SLICES = [None, slice_of("web", ["10.244.1.3", "10.244.1.4"], "db-0"), slice_of("web", ["fd00:244::1"])]


def zone_of_all(domain: str = "cluster.local") -> Zone:
    zone = Zone(domain)
    zone.namespace("shop", True)
    zone.service(None, service("web", clusterIPs=["10.96.0.7", "fd00:96::7"]))
    zone.service(None, service("db", clusterIP="None"))
    zone.service(None, service("away", type="ExternalName", externalName="example.com"))
    zone.endpoint_slice(None, slice_of("db", ["10.244.1.3"], "db-0"))
    return zone


def zone_with_a_thousand() -> Zone:
    zone = zone_of_all()
    zone.service(None, service("big", clusterIP="None"))
    zone.endpoint_slice(None, slice_of("big", BIG))
    return zone


def query(name: Name, kind: int, edns: Edns | None = None, **flags: bool) -> bytes:
    return write(Message(id=4711, questions=(Question(name, kind),), edns=edns, **flags))  # type: ignore[arg-type]


def small(message: Message) -> tuple[object, ...]:
    """All that matters of a response: letters of names in records may be the question's or the zone's."""
    sections = (message.answers, message.authority, message.additional)
    return (
        message.id, message.response, message.authoritative, message.truncated, message.recursion_desired,
        message.recursion_available, message.authentic_data, message.checking_disabled, message.rcode, message.edns,
        message.questions, [[_small(record) for record in section] for section in sections],
    )  # fmt: skip


def _small(record: Record) -> tuple[object, ...]:
    data = [lower(each) if isinstance(each, tuple) else each for each in msgspec.structs.astuple(record.data)]
    return lower(record.name), record.type, record.ttl, record.rclass, data


def agree(zone: Zone, quick: Quick, packet: bytes, tcp: bool, turn: int) -> bool:
    """Whether the quick way had a response; it is the slow way's then."""
    found = quick.respond(packet, tcp, turn)
    if found is None:
        return False
    slow = respond(zone, packet, tcp, turn)
    assert isinstance(slow, Said)
    assert (small(parse(found.packet)), found.turns) == (small(parse(slow.packet)), slow.turns)
    return True


names = st.builds(
    lambda before, end: (*before, *end), st.lists(st.sampled_from(LABELS), max_size=3), st.sampled_from(ENDS)
)
edns = st.none() | st.builds(
    Edns,
    st.sampled_from([0, 512, 1232, 4096]),
    version=st.sampled_from([0, 0, 0, 1]),
    dnssec_ok=st.booleans(),
    options=st.sampled_from([b"", b"\0\x0a\0\x08abcdefgh"]),
)
flags = st.fixed_dictionaries(
    {key: st.booleans() for key in ("recursion_desired", "authentic_data", "checking_disabled")}
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_quick_and_slow_agree(data: st.DataObject) -> None:
    zone = zone_of_all()
    quick = Quick(zone)
    web, behind = WEBS[1], SLICES[0]
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            zone.service(web, web := data.draw(st.sampled_from(WEBS)))
            zone.endpoint_slice(behind, behind := data.draw(st.sampled_from(SLICES)))
        kind = data.draw(st.sampled_from([1, 28, 33, 12, 255]))
        packet = bytearray(query(data.draw(names), kind, data.draw(edns), **data.draw(flags)))
        for _ in range(data.draw(st.sampled_from([0, 0, 0, 1, 2]))):
            packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
        agree(zone, quick, bytes(packet), data.draw(st.booleans()), data.draw(st.integers(0, 5)))


@given(st.binary(max_size=60))
def test_whatever_comes_the_quick_way_is_the_slow_ways(packet: bytes) -> None:
    zone = zone_of_all()
    agree(zone, Quick(zone), b"ab\1\0\0\1\0\0\0\0\0\0" + packet, False, 0)


SVC = "svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "kind", "quickly"),
    [
        (f"web.shop.{SVC}", 1, True),
        (f"web.shop.{SVC}", 28, True),
        (f"WEB.Shop.{SVC}", 33, True),
        (f"_http._tcp.db.shop.{SVC}", 33, True),
        (f"db-0.db.shop.{SVC}", 1, True),
        (f"db.shop.{SVC}", 28, True),
        (f"none.shop.{SVC}", 1, True),
        (f"none.web.shop.{SVC}", 1, True),
        (f"web.shop.{SVC}.shop.{SVC}", 28, True),
        ("www.example.com.cluster.local", 1, True),
        (f"www.example.com.{SVC}", 1, True),
        (f"away.shop.{SVC}", 1, False),
        ("www.example.com", 1, False),
        ("7.0.96.10.in-addr.arpa", 12, False),
        (f"web.shop.{SVC}", 16, False),
    ],
)
def test_what_is_asked_most_is_said_quickly(name: str, kind: int, quickly: bool) -> None:
    zone = zone_of_all()
    quick = Quick(zone)
    for again in range(2):  # the second time of what was kept
        assert agree(zone, quick, query(from_text(name), kind, Edns(1232)), False, again) is quickly


@pytest.mark.parametrize(("size", "tcp"), [(None, False), (512, False), (1232, False), (4096, False), (None, True)])
def test_a_long_list_is_cut_where_the_slow_way_cuts_it(size: int | None, tcp: bool) -> None:
    zone = zone_with_a_thousand()
    packet = query(from_text(f"big.shop.{SVC}"), 1, Edns(size) if size else None)
    for turn in (0, 1, 999):
        assert agree(zone, Quick(zone), packet, tcp, turn)
    found = Quick(zone).respond(packet, tcp, 0)
    assert found is not None
    reply = dns.message.from_wire(found.packet)
    limit = 65535 if tcp else min(size or 512, 1232)
    assert len(found.packet) <= limit
    assert len(reply.answer[0]) == (1000 if tcp else (limit - len(packet)) // 16)


def test_names_that_are_not_there_are_not_kept() -> None:
    zone = zone_of_all()
    quick = Quick(zone)
    for n in range(3000):
        for name in (f"n{n:04}.shop.{SVC}", f"n{n:04}.db.shop.{SVC}"):
            assert quick.respond(query(from_text(name), 1), False, 0) is not None
    assert sum(len(kept) for kept in zone.__dict__["_kept"].values()) == 0
    assert len(quick.__dict__["_denials"]) == 2


def test_another_domain_has_other_ends() -> None:
    zone = zone_of_all("corp.example.internal")
    quick = Quick(zone)
    assert agree(zone, quick, query(from_text("web.shop.svc.corp.example.internal"), 1), False, 0)
    assert not agree(zone, quick, query(from_text(f"web.shop.{SVC}"), 1), False, 0)


def test_malformed_is_never_raised() -> None:
    with pytest.raises(Malformed):
        parse(b"x" * 20)
    zone = zone_of_all()
    assert Quick(zone).respond(b"ab\1\0\0\1\0\0\0\0\0\0\x3f", False, 0) is None
