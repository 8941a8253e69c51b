"""What records tell together: tables of cases, and properties against counting by hand."""

import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.accesslog import Door, Http, Party, Record, ServiceRef
from portway.accesslog.names import Client, PortKey, client_of
from portway.accesslog.peaks import Peak
from portway.accesslog.record import Tls
from portway.accesslog.report import AccessReport, report
from portway.accesslog.scans import ADDRESSES, PORTS, SLOW, WINDOW_SECONDS
from tests.unit.accesslog.builders import NOON, WEB, connection, denial, external, pod, refusal, request

WEB_PORT = PortKey("shop", "web", "http", 80, "TCP")
STRANGER = Client("external", "203.0.113.9")


def told(*records: Record, **other: Any) -> AccessReport:
    return report(records, NOON + 1000, **other)


# Peaks


def test_peaks_of_connections_that_overlap() -> None:
    (peaks,) = told(
        connection(0.0, 10.0, bytes_in=0, bytes_out=1000),
        connection(5.0, 10.0, bytes_in=500, bytes_out=500),
        connection(5.5, 0.1, bytes_in=0, bytes_out=300),
        connection(15.0, 1.0, bytes_in=0, bytes_out=0),
    ).peaks
    assert peaks.port == WEB_PORT
    assert (peaks.connections, peaks.bytes_in, peaks.bytes_out) == (4, 500, 1800)
    assert peaks.concurrent == Peak(3, NOON + 5.5)
    assert peaks.connections_per_second == Peak(2, NOON + 5)
    # 100 a second each, and 300 in the second of the short one
    assert peaks.bytes_per_second == Peak(500, NOON + 5.5)


def test_one_that_begins_when_another_ends_is_not_open_with_it() -> None:
    (peaks,) = told(connection(0.0, 5.0), connection(5.0, 5.0)).peaks
    assert peaks.concurrent.value == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 5000)), min_size=1, max_size=25))
def test_peaks_are_those_found_by_looking_at_every_moment(spans: list[tuple[int, int, int]]) -> None:
    (peaks,) = told(*(connection(at, seconds, bytes_in=size, bytes_out=0) for at, seconds, size in spans)).peaks
    open_at = [sum(at <= now < max(at + seconds, at + 0.5) for at, seconds, _ in spans) for now in range(61)]
    assert peaks.concurrent.value == max(open_at)
    assert peaks.connections_per_second.value == max(Counter(at for at, _, _ in spans).values())
    rates = [
        sum(round(size / max(seconds, 1)) for at, seconds, size in spans if at <= now < at + max(seconds, 1))
        for now in range(61)
    ]
    assert peaks.bytes_per_second.value == max(rates)


# Scans


def scan(count: int, spacing: float = 1.0, **other: Any) -> list[Record]:
    return [refusal(number * spacing, 30000 + number, **other) for number in range(count)]


@pytest.mark.parametrize(
    ("records", "ports"),
    [
        (scan(PORTS), PORTS),
        (scan(PORTS - 1), 0),
        # slower than the window allows, and then so many that it is one nevertheless
        (scan(PORTS, WINDOW_SECONDS / (PORTS - 2)), 0),
        (scan(SLOW - 1, WINDOW_SECONDS), 0),
        (scan(SLOW, WINDOW_SECONDS), SLOW),
        # the same few doors again and again
        ([refusal(at, 30000 + at % 3) for at in range(200)], 0),
        # one nodePort on every node of a large cluster
        ([refusal(at, 30000, frontend=Door(f"172.18.0.{at + 11}", 30000)) for at in range(100)], 0),
        # Services that have no pods: the cluster's trouble, not the client's
        (
            [
                refusal(at, 30000 + at, reason="NO_ENDPOINTS", service=ServiceRef("shop", f"s{at}", "", 80))
                for at in range(50)
            ],
            0,
        ),
        # a pod that tries whatever policy closes
        (
            [
                denial(at, service=ServiceRef("shop", f"s{at}", "", 80 + at), frontend=Door("10.96.0.9", 80 + at))
                for at in range(20)
            ],
            20,
        ),
        # UDP and TCP are different doors
        ([*scan(8), *scan(8, proto="UDP")], 16),
    ],
)
def test_who_scans(records: list[Record], ports: int) -> None:
    assert [found.ports for found in told(*records).scans] == ([ports] if ports else [])


def test_a_sweep_of_addresses_that_no_service_has() -> None:
    def dropped(at: int) -> Record:
        door = Door(f"10.96.7.{at}", 80)
        return refusal(at, verdict="DROPPED", reason="CLUSTER_IP_UNALLOCATED", entry="clusterIP", frontend=door)

    assert not told(*map(dropped, range(ADDRESSES - 1))).scans
    (found,) = told(*map(dropped, range(ADDRESSES))).scans
    assert (found.ports, found.addresses, found.fast) == (1, ADDRESSES, True)


def test_a_scan_tells_what_it_tried_and_what_it_got_into() -> None:
    (found,) = told(connection(30.0), *scan(20), *scan(3, client=external("198.51.100.1"))).scans
    assert (found.client, found.ports, found.attempts, found.fast) == (STRANGER, 20, 20, True)
    assert (found.first, found.last) == (NOON, NOON + 19)
    assert found.sample == tuple(f"{30000 + number}/TCP" for number in range(10))
    assert found.reached == ("shop/web:http",)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 30)), max_size=60))
def test_a_fast_scan_is_one_that_a_window_shows(tries: list[tuple[int, int]]) -> None:
    found = told(*(refusal(at, 30000 + port) for at, port in tries)).scans
    shown = any(len({port for at, port in tries if now <= at <= now + WINDOW_SECONDS}) >= PORTS for now, _ in tries)
    assert bool(found) == shown


# Closed doors


def test_who_was_turned_away_and_got_in_nevertheless() -> None:
    guest = denial().client
    (found,) = told(
        connection(-10.0, client=guest),
        denial(0.0),
        denial(5.0),
        connection(20.0, client=guest),
        connection(30.0, client=guest),
        connection(40.0),
        connection(50.0, client=guest, service=ServiceRef("shop", "api", "http", 80)),
    ).denials
    assert (found.client.name, found.port, found.reason) == ("shop/guest-0", WEB_PORT, "NO_RULE_MATCHES")
    assert (found.connections, found.attempts, found.first, found.last) == (2, 6, NOON, NOON + 8)
    assert (found.let_in_before, found.let_in_after) == (1, 2)
    assert found.policy is not None
    assert found.policy.name == "only-api"


def test_denied_pods_without_a_service_are_told_apart() -> None:
    doors = [
        denial(0.0, service=None, frontend=None, entry="podIP", backend=pod(f"db-{i}", f"10.0.0.{i}")) for i in "12"
    ]
    assert {found.door for found in told(*doors).denials} == {"10.0.0.1:8080", "10.0.0.2:8080"}


@pytest.mark.parametrize(
    ("record", "told_"),
    [
        (denial(), 1),
        (refusal(verdict="DROPPED", reason="SOURCE_NOT_ALLOWED", service=WEB), 1),
        (refusal(), 0),
        (refusal(reason="NO_ENDPOINTS", service=WEB), 0),
        (connection(), 0),
    ],
)
def test_only_what_policy_closes(record: Record, told_: int) -> None:
    assert len(told(record).denials) == told_


# Shares


def backends(names: str, **other: Any) -> list[Record]:
    """Connections one second apart, each to the pod of that letter."""
    return [connection(at, backend=pod(f"web-{name}"), **other) for at, name in enumerate(names)]


def test_shares_of_equal_backends_are_even() -> None:
    chosen = random.Random(4).choices("abc", k=3000)
    (shares,) = told(*backends("".join(chosen))).shares
    assert (shares.port, shares.connections, shares.uneven) == (WEB_PORT, 3000, False)
    assert all(abs(backend.expected - 1000) < 5 for backend in shares.backends)


def test_one_that_came_late_is_not_called_idle() -> None:
    rng = random.Random(5)
    chosen = rng.choices("ab", k=2000) + rng.choices("abc", k=300)
    (shares,) = told(*backends("".join(chosen))).shares
    late = next(backend for backend in shares.backends if backend.name == "shop/web-c")
    assert not shares.uneven
    assert abs(late.expected - 100) < 5


def test_one_that_gets_too_much_is_found() -> None:
    chosen = random.Random(6).choices("aaabc", k=1000)
    (shares,) = told(*backends("".join(chosen))).shares
    assert shares.uneven
    assert shares.backends[0].name == "shop/web-a"
    assert shares.backends[0].deviations > 4


@given(st.text("abcd", min_size=1, max_size=60))
def test_what_is_expected_adds_up_to_what_there_was(names: str) -> None:
    (shares,) = told(*backends(names)).shares
    assert sum(backend.connections for backend in shares.backends) == len(names)
    assert sum(backend.expected for backend in shares.backends) == pytest.approx(len(names), abs=0.3)


# Doors, clients, totals


def test_doors_are_those_open_to_the_outside() -> None:
    found = told(
        connection(0.0),
        connection(9.0, 2.0, bytes_in=1, bytes_out=2),
        connection(1.0, client=external("198.51.100.1")),
        refusal(2.0, 32100, service=WEB, reason="NO_ENDPOINTS"),
        connection(3.0, entry="clusterIP", frontend=Door("10.96.0.10", 80)),
        connection(4.0, entry="loadBalancerIP", frontend=Door("192.0.2.1", 80)),
        refusal(5.0, 31000),
    ).doors
    assert [(use.entry, use.number, use.client.name, use.connections, use.refused) for use in found] == [
        ("loadBalancerIP", 80, "203.0.113.9", 1, 0),
        ("nodePort", 32100, "203.0.113.9", 2, 1),
        ("nodePort", 32100, "198.51.100.1", 1, 0),
        ("nodePort", 31000, "203.0.113.9", 0, 1),
    ]
    assert (found[1].bytes_in, found[1].bytes_out, found[1].first, found[1].last) == (101, 1002, NOON, NOON + 11)


def test_new_clients_are_those_nobody_knew() -> None:
    records = [connection(1.0), connection(2.0, client=pod("a")), refusal(3.0, client=external("192.0.2.7"))]
    assert told(*records).new_clients is None
    found = told(*records, known_before={client_of(records[0])}).new_clients
    assert found is not None
    assert [(row.client.name, row.connections, row.refused, row.ports) for row in found] == [
        ("shop/a", 1, 0, ("shop/web:http",)),
        ("192.0.2.7", 0, 1, ()),
    ]


def test_a_pod_that_gets_another_address_stays_the_same_client() -> None:
    found = told(connection(client=pod("a", "10.0.0.1")), connection(client=pod("a", "10.0.0.2")))
    assert found.totals.clients == 1


RECORDS = st.builds(
    lambda make, at, seconds, ip: make(at, seconds, ip),
    st.sampled_from(
        [
            lambda at, seconds, ip: connection(at, seconds, client=external(ip)),
            lambda at, _, ip: refusal(at, client=external(ip)),
            lambda at, _, ip: denial(at, client=Party(ip)),
        ]
    ),
    st.floats(0, 1000),
    st.floats(0, 100),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
)


@given(st.lists(RECORDS, max_size=30), st.randoms())
def test_every_record_counts_once_and_their_order_does_not_matter(records: list[Record], rng: random.Random) -> None:
    found = told(*records)
    assert found.totals.connections + found.totals.refused == len(records)
    assert sum(found.totals.reasons.values()) == found.totals.refused
    assert found.totals.bytes_out == sum(record.bytes_out for record in records)
    assert sum(peaks.connections for peaks in found.peaks) == found.totals.connections
    rng.shuffle(records)
    assert msgspec.json.encode(told(*records)) == msgspec.json.encode(found)


def test_nothing_is_nothing() -> None:
    found = told()
    assert (found.first, found.last, found.totals.connections, found.doors) == (0.0, 0.0, 0, ())


def test_requests_are_told_by_host_and_route() -> None:
    nowhere = Http("GET", "shop.example", "/nothing", 404)
    seen = [request(0.0), request(1.0, 503), request(2.0, duration_ms=220.0), request(3.0, 0)]
    unmatched = request(4.0, verdict="REFUSED", reason="NO_ROUTE", service=None, backend=None, http=nowhere)
    web, none = report([*seen, unmatched, connection()], NOON).requests
    assert (web.entry, web.host, web.route, web.requests) == ("Ingress", "shop.example", "Ingress shop/web", 4)
    assert web.answers == {"2xx": 2, "5xx": 1, "none": 1}
    assert (web.mean_ms, web.longest_ms) == (70.0, 220.0)
    assert (none.route, none.answers) == ("", {"4xx": 1})


def test_connections_of_tls_routes_are_told_by_name_and_route() -> None:
    db = Tls("db.example", "TLSRoute shop/db")
    seen = [request(0.0, http=None, tls=db), request(1.0, http=None, tls=db, duration_ms=300.0)]
    closed = request(2.0, http=None, tls=db, verdict="REFUSED", reason="NO_ENDPOINTS", backend=None, duration_ms=0.0)
    found = report([*seen, closed, connection()], NOON)
    (use,) = found.carried
    assert (use.host, use.route, use.requests) == ("db.example", "TLSRoute shop/db", 3)
    assert use.answers == {"carried": 2, "closed": 1}
    assert (use.longest_ms, found.requests) == (300.0, ())
