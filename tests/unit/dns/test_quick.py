"""The short way says what the long one says, byte for byte, or nothing."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portway.dns import Zone, decode
from portway.dns.quick import Said, quick
from portway.dns.respond import UDP_SIZE, respond_to_any


def _zone(domain: str) -> Zone:
    zone = Zone(domain, nameservers=["10.96.0.10", "fd00:96::a"], ranges=["10.96.0.0/16"])
    zone.namespace("shop", True)
    for name, spec in {
        "web": {"clusterIPs": ["10.96.0.7", "fd00:96::7"], "ports": [{"name": "http", "port": 80}]},
        "one": {"clusterIP": "10.96.0.8", "ports": [{"port": 80}]},
        "pods": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
        "many": {"clusterIP": "None", "ports": [{"port": 80}]},
        "away": {"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"},
    }.items():
        zone.service(None, decode.service({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}))
    for service, count in (("pods", 3), ("many", 40)):
        endpoints = [
            {"addresses": [f"10.244.0.{n + 1}"], "hostname": f"host-{n}", "conditions": {"ready": True}}
            for n in range(count)
        ]
        metadata = {"name": f"{service}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": service}}
        piece = {"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 80}]}
        zone.endpoint_slice(None, decode.endpoint_slice(piece))
    return zone


ZONES = [_zone("cluster.local"), _zone("k8s.corp.example.com"), _zone("x")]
LABELS = st.sampled_from(
    [
        "web",
        "one",
        "pods",
        "many",
        "away",
        "none",
        "host-0",
        "host-2",
        "_http",
        "_tcp",
        "shop",
        "else",
        "svc",
        "pod",
        "dns",
        "ns",
        "hostmaster",
        "10-244-0-1",
        "cluster",
        "local",
        "x",
        "k8s",
        "corp",
        "example",
        "com",
        "dns-version",
        "WEB",
        "Shop",
    ]
)


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    zone = draw(st.sampled_from(ZONES))
    labels = draw(st.lists(LABELS, max_size=5)) + [label.decode() for label in zone.name]
    if draw(st.booleans()):
        labels = [*labels[: -len(zone.name)][:1], "shop", "svc", *labels[-len(zone.name) :]]
    if draw(st.integers(0, 9)) == 0:
        labels = [label.upper() for label in labels]
    kind = draw(st.sampled_from(["A", "AAAA", "SRV", "TXT", "PTR", "CNAME", "SOA", "NS", "ANY", "AXFR", "MX", "HTTPS"]))
    query = dns.message.make_query(".".join(labels) + ".", kind, use_edns=draw(st.sampled_from([None, 0])))
    query.flags = draw(st.sampled_from([0, dns.flags.RD, dns.flags.RD | dns.flags.AD, dns.flags.CD, dns.flags.TC]))
    if query.edns >= 0:
        query.want_dnssec(draw(st.booleans()))
        if draw(st.booleans()):
            query.use_edns(
                0,
                query.ednsflags,
                draw(st.integers(0, 4096)),
                options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")],
            )
    return query.to_wire()


def check(zone: Zone, packet: bytes, turn: int) -> bool:
    """Whether the short way knew."""
    found = quick(zone, packet, turn, UDP_SIZE)
    if found is None:
        return False
    for tcp in (False, True):
        whole = respond_to_any(zone, packet, tcp, turn)
        assert isinstance(whole, Said)
        assert (found.packet, found.turns) == (whole.packet, whole.turns)
    return True


@given(st.sampled_from(ZONES), packets(), st.integers(0, 9))
def test_both_ways_say_the_same(zone: Zone, packet: bytes, turn: int) -> None:
    check(zone, packet, turn)


@given(st.sampled_from(ZONES), packets(), st.data())
def test_so_they_do_of_broken_packets(zone: Zone, packet: bytes, data: st.DataObject) -> None:
    broken = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    check(zone, bytes(broken[: data.draw(st.integers(0, len(broken)))]), 0)
    check(zone, bytes(broken), 0)


@given(st.sampled_from(ZONES), st.binary(max_size=80))
@example(ZONES[0], b"\0\1\1\0\0\1\0\0\0\0\0\0\3a\0b\7cluster\5local\0\0\1\0\1")
@example(ZONES[0], b"\0\1\1\0\0\1\0\0\0\0\0\0\x0ea\7cluster\5local\0\7cluster\5local\0\0\1\0\1")
def test_so_they_do_of_any_bytes(zone: Zone, packet: bytes) -> None:
    check(zone, packet, 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("web.shop.svc.cluster.local.", "A"),
        ("web.shop.svc.cluster.local.", "AAAA"),
        ("one.shop.svc.cluster.local.", "AAAA"),
        ("pods.shop.svc.cluster.local.", "A"),
        ("host-1.pods.shop.svc.cluster.local.", "A"),
        ("none.shop.svc.cluster.local.", "A"),
        ("example.com.shop.svc.cluster.local.", "AAAA"),
        ("example.com.svc.cluster.local.", "A"),
        ("example.com.cluster.local.", "A"),
        ("web.shop.svc.cluster.local.", "TXT"),
    ],
)
def test_what_programs_ask_takes_the_short_way(name: str, kind: str) -> None:
    for edns in (None, 0):
        assert check(ZONES[0], dns.message.make_query(name, kind, use_edns=edns).to_wire(), 1)
