"""What the zone answers: the tables of the Kubernetes DNS specification 1.1, and CoreDNS's where it is silent."""

import ipaddress
from typing import Any

import pytest

from portway.dns import NOERROR, NXDOMAIN, Answer, Question, Zone, answer, decode, from_text, to_text
from portway.dns.record import AAAA, ANY, CNAME, HINFO, NS, PTR, SOA, SRV, TXT, A, Raw, Record, Soa, Srv, Target
from portway.kubeapi.decode import Undecodable

TYPES = {
    "A": A, "AAAA": AAAA, "CNAME": CNAME, "SRV": SRV, "PTR": PTR, "TXT": TXT, "SOA": SOA, "NS": NS, "ANY": ANY,
    "HINFO": HINFO,
}  # fmt: skip
NAMES = {number: name for name, number in TYPES.items()}
RANGES = ("10.96.0.0/16", "10.244.0.0/16", "fd00:96::/112", "fd00:244::/48")


def service(name: str, namespace: str = "shop", **spec: Any) -> decode.Service:
    return decode.service({"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def slice_of(name: str, of: str, endpoints: list[Any], ports: list[Any], **more: Any) -> decode.Slice:
    metadata = {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": of}}
    return decode.endpoint_slice({"metadata": metadata, "endpoints": endpoints, "ports": ports, **more})


def endpoint(address: str, hostname: str | None = None, ready: bool | None = True) -> Any:
    return {"addresses": [address], "hostname": hostname, "conditions": {"ready": ready}}


HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
DNS = {"name": "dns", "port": 53, "protocol": "UDP"}
SERVICES = [
    service("web", clusterIPs=["10.96.0.7", "fd00:96::7"], ports=[HTTP, DNS]),
    service("plain", type="NodePort", clusterIP="10.96.0.8", ports=[{"port": 80}]),
    service("db", clusterIP="None", clusterIPs=["None"], ports=[HTTP]),
    service("empty", clusterIP="None", ports=[HTTP]),
    service("early", clusterIP="None", ports=[HTTP], publishNotReadyAddresses=True),
    service("portless", clusterIP="None"),
    service("away", type="ExternalName", externalName="Foo.example.com"),
    service("inside", type="ExternalName", externalName="web.shop.svc.cluster.local"),
    service("lost", type="ExternalName", externalName="none.shop.svc.cluster.local"),
    service("round", type="ExternalName", externalName="round.shop.svc.cluster.local"),
    service("address", type="ExternalName", externalName="10.1.2.3"),
    service("1kubernetes", clusterIP="10.96.0.9", ports=[]),
]  # fmt: skip
SLICES = [
    slice_of("web-1", "web", [endpoint("10.244.1.9", "front")], [{"name": "http", "port": 8080}]),
    slice_of("db-1", "db", [endpoint("10.244.1.3", "db-0"), endpoint("10.244.2.3", None, None),
                            endpoint("10.244.2.4", "db-2", False)], [{"name": "http", "port": 8080}]),
    slice_of("db-2", "db", [endpoint("fd00:244:0:1::3", "db-0"), endpoint("fd00:244::")], [HTTP | {"port": 8080}]),
    slice_of("empty-1", "empty", [endpoint("10.244.1.5", ready=False)], [HTTP]),
    slice_of("early-1", "early", [endpoint("10.244.1.6", ready=False)], [HTTP]),
    slice_of("portless-1", "portless", [endpoint("10.244.1.7")], []),
    slice_of("fqdn", "db", [endpoint("db.example.com")], [HTTP], addressType="FQDN"),
    slice_of("orphan", "nobody", [endpoint("10.244.1.8")], [HTTP]),
]  # fmt: skip


@pytest.fixture
def zone() -> Zone:
    made = Zone(nameservers=["10.96.0.10", "fd00:96::a"], ranges=RANGES)
    for name in ("shop", "quiet"):
        made.namespace(name, True)
    for each in SERVICES:
        made.service(None, each)
    for one in SLICES:
        made.endpoint_slice(None, one)
    return made


def shown(record: Record) -> str:
    """`TYPE data`, as a zone file has it."""
    data = record.data
    match data:
        case Target(name):
            text = to_text(name)
        case Srv(priority, weight, port, target):
            text = f"{priority} {weight} {port} {to_text(target)}"
        case Soa():
            text = to_text(data.mname)
        case Raw(raw):
            text = str(ipaddress.ip_address(raw)) if record.type in (A, AAAA) else repr(raw)
    return f"{NAMES[record.type]} {text}"


def ask(zone: Zone, name: str, kind: str, turn: int = 0) -> Answer:
    said = answer(zone, Question(from_text(name), TYPES[kind]), turn)
    assert said is not None, f"{name} is not the zone's"
    return said


SVC = "svc.cluster.local"
DB = f"db.shop.{SVC}"
FOUND = [
    # clusterIP Services
    (f"web.shop.{SVC}", "A", ["A 10.96.0.7"]),
    (f"WEB.Shop.{SVC}", "AAAA", ["AAAA fd00:96::7"]),
    (f"1kubernetes.shop.{SVC}", "A", ["A 10.96.0.9"]),
    (f"_http._tcp.web.shop.{SVC}", "SRV", [f"SRV 0 100 80 web.shop.{SVC}."]),
    (f"_dns._udp.web.shop.{SVC}", "SRV", [f"SRV 0 100 53 web.shop.{SVC}."]),
    (f"web.shop.{SVC}", "SRV", [f"SRV 0 50 80 web.shop.{SVC}.", f"SRV 0 50 53 web.shop.{SVC}."]),
    (f"front.web.shop.{SVC}", "A", ["A 10.244.1.9"]),
    ("7.0.96.10.in-addr.arpa", "PTR", [f"PTR web.shop.{SVC}."]),
    ("7." + "0." * 23 + "6.9.0.0.0.0.d.f.ip6.arpa", "PTR", [f"PTR web.shop.{SVC}."]),
    # headless ones
    (DB, "A", ["A 10.244.1.3", "A 10.244.2.3"]),
    (DB, "AAAA", ["AAAA fd00:244:0:1::3", "AAAA fd00:244::"]),
    (f"db-0.{DB}", "A", ["A 10.244.1.3"]),
    (f"db-0.{DB}", "AAAA", ["AAAA fd00:244:0:1::3"]),
    (f"10-244-2-3.{DB}", "A", ["A 10.244.2.3"]),
    (f"fd00-244--0.{DB}", "AAAA", ["AAAA fd00:244::"]),
    (f"_http._tcp.{DB}", "SRV", [f"SRV 0 33 8080 {host}.{DB}." for host in ("db-0", "10-244-2-3", "fd00-244--0")]),
    ("3.1.244.10.in-addr.arpa", "PTR", [f"PTR db-0.{DB}."]),
    ("3.2.244.10.in-addr.arpa", "PTR", [f"PTR 10-244-2-3.{DB}."]),
    (f"early.shop.{SVC}", "A", ["A 10.244.1.6"]),
    (f"portless.shop.{SVC}", "A", ["A 10.244.1.7"]),
    # names for other names
    (f"away.shop.{SVC}", "A", ["CNAME Foo.example.com."]),
    (f"away.shop.{SVC}", "CNAME", ["CNAME Foo.example.com."]),
    (f"inside.shop.{SVC}", "A", [f"CNAME web.shop.{SVC}.", "A 10.96.0.7"]),
    # pods
    ("10-244-1-3.shop.pod.cluster.local", "A", ["A 10.244.1.3"]),
    ("fd00-244--3.shop.pod.cluster.local", "AAAA", ["AAAA fd00:244::3"]),
    # the zone itself
    ("cluster.local", "SOA", ["SOA ns.dns.cluster.local."]),
    ("cluster.local", "NS", ["NS ns.dns.cluster.local."]),
    ("ns.dns.cluster.local", "A", ["A 10.96.0.10"]),
    ("dns-version.cluster.local", "TXT", [r"TXT b'\x051.1.0'"]),
    (f"web.shop.{SVC}", "ANY", [r"HINFO b'\x07RFC8482\x00'"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "records"), FOUND, ids=[f"{n} {k}" for n, k, _ in FOUND])
def test_records(zone: Zone, name: str, kind: str, records: list[str]) -> None:
    said = ask(zone, name, kind)
    assert said.rcode == NOERROR
    assert [shown(record) for record in said.answers] == records
    assert said.answers[0].name == from_text(name), "an answer repeats the name as it was asked"


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        (f"none.shop.{SVC}", "A", NXDOMAIN),
        (f"web.none.{SVC}", "A", NXDOMAIN),
        (f"*.shop.{SVC}", "A", NXDOMAIN),
        (f"none.{DB}", "A", NXDOMAIN),
        (f"db-2.{DB}", "A", NXDOMAIN),
        (f"empty.shop.{SVC}", "A", NXDOMAIN),
        (f"address.shop.{SVC}", "A", NXDOMAIN),
        (f"_none._tcp.web.shop.{SVC}", "SRV", NXDOMAIN),
        (f"_http._udp.web.shop.{SVC}", "SRV", NXDOMAIN),
        (f"_http._tcp.away.shop.{SVC}", "SRV", NXDOMAIN),
        (f"nobody.shop.{SVC}", "A", NXDOMAIN),
        ("other.cluster.local", "A", NXDOMAIN),
        ("10-244-1-3.none.pod.cluster.local", "A", NXDOMAIN),
        ("no-address.shop.pod.cluster.local", "A", NXDOMAIN),
        ("8.1.244.10.in-addr.arpa", "PTR", NXDOMAIN),
        ("4.2.244.10.in-addr.arpa", "PTR", NXDOMAIN),
        (f"plain.shop.{SVC}", "AAAA", NOERROR),
        (f"web.shop.{SVC}", "TXT", NOERROR),
        (f"_tcp.web.shop.{SVC}", "A", NOERROR),
        (f"_http._tcp.web.shop.{SVC}", "A", NOERROR),
        (f"shop.{SVC}", "A", NOERROR),
        (f"quiet.{SVC}", "A", NOERROR),
        ("shop.pod.cluster.local", "A", NOERROR),
        (SVC, "A", NOERROR),
        ("cluster.local", "A", NOERROR),
        ("10-244-1-3.shop.pod.cluster.local", "AAAA", NOERROR),
    ],
)
def test_no_such_name_and_no_such_data(zone: Zone, name: str, kind: str, rcode: int) -> None:
    said = ask(zone, name, kind)
    assert (said.rcode, said.answers) == (rcode, ())
    (soa,) = said.authority
    assert (soa.type, soa.name, soa.ttl) == (SOA, zone.name, 5)


@pytest.mark.parametrize("name", ["example.com", "local", "1.2.0.192.in-addr.arpa", "in-addr.arpa", "x.ip6.arpa", ""])
def test_names_of_others(zone: Zone, name: str) -> None:
    assert answer(zone, Question(from_text(name), PTR)) is None


def test_aliases_that_lead_elsewhere_nowhere_and_round(zone: Zone) -> None:
    assert ask(zone, f"away.shop.{SVC}", "A").elsewhere == from_text("Foo.example.com")
    lost = ask(zone, f"lost.shop.{SVC}", "A")
    assert (lost.rcode, [shown(record) for record in lost.answers]) == (NXDOMAIN, [f"CNAME none.shop.{SVC}."])
    assert len(ask(zone, f"round.shop.{SVC}", "A").answers) == 8


def test_srv_brings_the_addresses_of_its_targets(zone: Zone) -> None:
    more = ask(zone, f"_http._tcp.{DB}", "SRV").additional
    assert [f"{record.name[0].decode()} {shown(record)}" for record in more] == [
        "db-0 A 10.244.1.3",
        "db-0 AAAA fd00:244:0:1::3",
        "10-244-2-3 A 10.244.2.3",
        "fd00-244--0 AAAA fd00:244::",
    ]


def test_addresses_take_turns(zone: Zone) -> None:
    firsts = [shown(ask(zone, DB, "A", turn).answers[0]) for turn in range(4)]
    assert firsts == ["A 10.244.1.3", "A 10.244.2.3"] * 2


def test_a_service_that_changes_its_type(zone: Zone) -> None:
    name = f"away.shop.{SVC}"
    before, after = (
        service("away", type="ExternalName", externalName="foo.example.com"),
        service("away", clusterIP="10.96.0.20"),
    )
    zone.service(before, after)
    assert [shown(record) for record in ask(zone, name, "A").answers] == ["A 10.96.0.20"]
    zone.service(after, None)
    assert ask(zone, name, "A").rcode == NXDOMAIN
    assert ask(zone, "20.0.96.10.in-addr.arpa", "PTR").rcode == NXDOMAIN


def test_what_comes_and_goes_leaves_nothing(zone: Zone) -> None:
    for one in SLICES:
        zone.endpoint_slice(one, None)
    assert ask(zone, DB, "A").rcode == NXDOMAIN
    assert ask(zone, "3.1.244.10.in-addr.arpa", "PTR").rcode == NXDOMAIN
    for each in SERVICES:
        zone.service(each, None)
    for name in ("shop", "quiet"):
        zone.namespace(name, False)
    empty = Zone(nameservers=["10.96.0.10", "fd00:96::a"], ranges=RANGES)
    left = {key: value for key, value in vars(zone).items() if key != "changes"}
    assert left == {key: value for key, value in vars(empty).items() if key != "changes"}


@pytest.mark.parametrize(
    "document",
    [{}, {"metadata": []}, {"metadata": {"name": 1}}, {"metadata": {}, "spec": {"ports": "x"}, "endpoints": 5}],
)
def test_documents_that_are_none(document: Any) -> None:
    with pytest.raises(Undecodable):
        decode.service(document)
    with pytest.raises(Undecodable):
        decode.endpoint_slice(document)
