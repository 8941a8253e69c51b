"""The access log, the kernel and the clients tell the same story."""

import os
import re
import select
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from time import monotonic, time_ns

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from portway.accesslog import Record
from portway.accesslog.report import report
from portway.agent import nft
from portway.forwarding import ForwardingTable, compute
from portway.model import EndpointPort
from portway.testing.netns import Namespace, Unavailable
from tests.contract import keeping
from tests.contract.cluster import Cluster, cluster
from tests.contract.keeping import Client, Keeper
from tests.contract.services import CONFIG, PROTOCOLS, service, snapshot
from tests.patience import PATIENCE

NODE = "172.18.0.11"
SERVICES = (
    (service("web", 10), "abc"),
    (service("far", 12), "c"),
    (service("none", 13), ""),
    (service("inner-far", 15, internal_traffic_policy="Local"), "c"),
    (
        service("guarded", 16, load_balancer_ips=("203.0.113.9",), load_balancer_source_ranges=("192.0.2.0/24",)),
        "a",
    ),
)


def _table() -> ForwardingTable:
    """Those, and one whose pod does not listen."""
    objects = snapshot(*SERVICES, (service("deaf", 19), "a"))
    closed = tuple(EndpointPort(p.lower(), p, 9) for p in PROTOCOLS)
    slices = {k: replace(s, ports=closed) if s.service == "deaf" else s for k, s in objects.slices.items()}
    config = replace(CONFIG, log_group=keeping.LOGGED, node_port_range=(30000, 32767))
    return compute(replace(objects, slices=slices), config)


TABLE = _table()
LABELS = ("namespace", "service", "port", "protocol")


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster with rules that log on node-1."""
    try:
        with cluster(request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


as_we_are = pytest.mark.parametrize("place", [None], indirect=True, ids=["as we are"])
"""For what is no different in a user namespace."""


class Log:
    """The log that node-1 keeps."""

    def __init__(self, place: Cluster, keeper: Keeper) -> None:
        self.place, self.keeper = place, keeper
        self.node: Namespace = place.places["node-1"]
        self.node.run(keeping.load, keeper.table)
        self.pid = 0

    def start(self) -> None:
        """Begin to keep it; returns when it is being kept."""
        shown = self.keeper.folder / "metrics"
        shown.unlink(missing_ok=True)
        self.pid = self.place.world.spawn(self.node, self.keeper.run)
        self.expect(shown.exists, "the log is kept")

    def expect(self, wanted: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait until it is so."""
        deadline = monotonic() + seconds
        while not wanted():
            assert monotonic() < deadline, f"{what}\n{self.keeper.said}"
            select.select([], [], [], 0.02)  # let the others have the processor

    def records(self, count: int) -> list[Record]:
        """All records, once there are so many; more would be too many."""
        self.expect(lambda: len(self.keeper.records()) >= count, f"{count} records")
        found = self.keeper.records()
        assert len(found) == count, Counter((r.verdict, r.reason) for r in found)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels, as they are now."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.keeper.metrics())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def end(self) -> None:
        """kill -9."""
        if self.pid:
            self.place.world.end(self.pid)
            self.pid = 0


@pytest.fixture
def log(place: Cluster, tmp_path: Path) -> Iterator[Log]:
    """A log that is kept."""
    made = Log(place, Keeper(tmp_path, TABLE))
    made.start()
    yield made
    made.end()


def _outside(place: Cluster) -> Namespace:
    return place.places["outside"]


def test_ten_thousand_connections_each_once(place: Cluster, log: Log) -> None:
    """What the log says of each, its sums, the counters, the client and an independent meter agree."""
    outside, count = _outside(place), 10_000
    outside.command("nft", "-f", "-", text=keeping.meter(30010))
    try:
        clients = outside.run(keeping.connect_often, NODE, 30010, count)
        log.expect(lambda: len(_opened(log.keeper.records())) >= count, "all are logged")
        records = log.keeper.records()
        meter = keeping.metered(outside.command("nft", "-j", "list", "counters", "table", "inet", "witness"))
    finally:
        outside.command("nft", "delete", "table", "inet", "witness")
    opened = _opened(records)
    assert {r.verdict for r in records} == {"FORWARDED"} and {r.tcp_end for r in opened} == {"fin"}
    assert {(r.backend.node, r.topology) for r in opened if r.backend} == {("node-1", "local"), ("node-2", "remote")}
    assert {(r.traffic_policy, r.affinity) for r in opened} == {("Cluster", "")}
    assert len({r.flow_id for r in records}) == len(records) and len(opened) == count
    _agree(clients, opened)
    # A pod that still remembers the port which masquerading drew resets the first SYN, and the kernel sends another.
    retried = [r for r in records if not r.packets_out]
    assert all(r.tcp_end == "rst" and r.client.port in {c.port for c in clients} for r in retried)
    assert len(retried) < count / 100
    sums = {
        "in": (sum(r.packets_in for r in records), sum(r.bytes_in for r in records)),
        "out": (sum(r.packets_out for r in records), sum(r.bytes_out for r in records)),
    }
    # such a pod's answer (an ACK of 52 bytes) belongs to no connection that the node knows
    strays = len(retried)
    assert meter["sent"] == sums["in"]
    assert meter["got"] == (sums["out"][0] + strays, sums["out"][1] + 52 * strays)
    web = {"service": "web", "protocol": "TCP"}
    log.expect(lambda: log.metric("portway_service_connections_total", **web) == len(records), "all are counted")
    for way, (packets, volume) in sums.items():
        assert log.metric("portway_service_packets_total", direction=way, **web) == packets
        assert log.metric("portway_service_bytes_total", direction=way, **web) == volume
    shares = Counter(record.backend.pod for record in records if record.backend)
    for pod, share in shares.items():
        assert log.metric("portway_service_backend_connections_total", backend=f"shop/{pod}", **web) == share
    log.expect(lambda: log.metric("portway_service_connections_active", **web) == 0, "none is open any more")
    assert log.metric("portway_access_log_lost_total") == 0


def _opened(records: list[Record]) -> list[Record]:
    return [record for record in records if record.packets_out]


TICK = 10_000_000
"""Nanoseconds: the kernel tells ends by its own clock's ticks, of 10 ms at most."""


def _agree(clients: list[Client], records: list[Record]) -> None:
    """Each client's connection is one record: its port, its pod, and its times.

    Its last packet may still be on its way when the client goes on: on a busy machine the kernel leaves it to a thread.
    """
    late = []
    begun = sorted(clients, key=lambda client: (client.port, client.begun))
    logged = sorted(records, key=lambda record: (record.client.port, record.ts_start))
    assert len(begun) == len(logged)
    for client, record in zip(begun, logged, strict=True):
        assert record.client.port == client.port and record.backend is not None
        assert record.backend.pod == client.pod
        start, end = record.ts_start * 1e9, record.ts_end * 1e9
        assert client.begun - 1000 <= start <= client.ended, (client, record)
        assert start <= end <= client.ended + 2e9, (client, record)
        late.append(end - client.ended)
    assert sorted(late)[len(late) // 2] <= TICK


def test_unused_node_ports_are_logged_and_nobodys_sockets_are(place: Cluster, log: Log) -> None:
    """Of a scan each port once; a listener, its connections and a client's own ports in the range are the node's."""
    assert log.node.run(nft.finds_sockets), "the agent asks before it relies on it"
    stop, ready = log.keeper.folder / "stop", log.keeper.folder / "ready"
    listening = place.world.spawn(log.node, keeping.listen, 30777, stop, ready)
    try:
        log.expect(ready.exists, "the node's own server is there: before, its port is refused, and logged")
        for way in PROTOCOLS:
            log.expect(
                lambda p=way: place.ask("outside", NODE, 30777, p) == {"hello": 1},  # type: ignore[misc]
                "the node's own server answers",
            )
        # the other way round: the node's client has a port of the range, and gets its answers
        assert place.ask_from("node-1", 30778, "10.244.1.1", 8080) == f"a sees {NODE}"
        asked = [(NODE, port, "TCP") for port in range(30900, 30930)]
        asked += [(NODE, 30931, "UDP"), ("fd00:18::11", 30932, "TCP"), (NODE, 29999, "TCP"), (NODE, 32768, "TCP")]
        for address, port, protocol in asked:
            assert place.ask("outside", address, port, protocol) == Counter({"refused": 1}), (address, port)
        assert log.node.run(keeping.refused, NODE, 30933)
    finally:
        stop.touch()
        place.world.end(listening)
    records = sorted(log.records(33), key=lambda record: record.frontend.port if record.frontend else 0)
    told = [(r.frontend.ip, r.frontend.port, r.proto) for r in records if r.frontend]
    assert told == [*asked[:32], (NODE, 30933, "TCP")]
    assert {(r.verdict, r.reason, r.entry, r.service, r.backend, r.attempts) for r in records} == {
        ("REFUSED", "NODEPORT_UNSET", "nodePort", None, None, 1)
    }
    assert {record.client.ip for record in records} == {"172.18.0.1", "fd00:18::1", NODE}
    log.expect(lambda: log.metric("portway_service_refusals_total", reason="NODEPORT_UNSET") == 33, "all are counted")
    assert {scan.ports for scan in report(records, monotonic()).scans} == {31}


@as_we_are
def test_every_reason_is_told_as_trace_tells_it(place: Cluster, log: Log) -> None:
    """What is not let in, and a pod that does not listen: one record each, whatever the client repeats."""
    asked = [
        ("outside", NODE, 30013, "NO_ENDPOINTS", "REFUSED"),
        ("a", "10.96.0.13", 80, "NO_ENDPOINTS", "REFUSED"),
        ("a", "10.96.0.10", 81, "SERVICE_PORT_UNDEFINED", "REFUSED"),
        ("a", "10.96.0.77", 80, "CLUSTER_IP_UNALLOCATED", "DROPPED"),
        ("a", "10.96.0.15", 80, "NO_LOCAL_ENDPOINT", "DROPPED"),
        ("outside", "203.0.113.9", 80, "SOURCE_NOT_ALLOWED", "DROPPED"),
        ("outside", NODE, 30019, "PORT_NOT_LISTENING", "REFUSED"),
    ]
    for client, address, port, _, verdict in asked:
        wanted = "refused" if verdict == "REFUSED" else "silent"
        assert place.ask(client, address, port) == Counter({wanted: 1}), (address, port)
    records = log.records(len(asked))
    found = {(r.frontend.ip, r.frontend.port, r.reason, r.verdict) for r in records if r.frontend}
    assert found == {one[1:] for one in asked}
    assert {r.client.pod or r.client.ip for r in records} == {"a", "172.18.0.1"}


@as_we_are
def test_datagrams_are_logged_as_flows(place: Cluster, log: Log) -> None:
    """One alone, one that is answered, a stream: bytes and packets of each, when the kernel forgets it."""
    # longer than a client's pause between two datagrams of a stream
    for name in ("udp_timeout", "udp_timeout_stream"):
        log.node.write(f"/proc/sys/net/netfilter/nf_conntrack_{name}", "5")
    log.end()  # which timeouts are in force is asked at the beginning
    log.start()
    outside = _outside(place)
    alone = outside.run(keeping.exchange, NODE, 30019, [20], False)
    answered = outside.run(keeping.exchange, NODE, 30010, [100])
    stream = outside.run(keeping.exchange, "fd00:18::11", 30010, [10, 700, 40] * 20)
    records = {record.client.port: record for record in log.records(3)}
    for (port, got, answers), sizes, header in (
        (alone, [20], 28),
        (answered, [100], 28),
        (stream, [10, 700, 40] * 20, 48),
    ):
        record = records[port]
        assert (record.verdict, record.proto, record.tcp_end) == ("FORWARDED", "UDP", "timeout")
        assert (record.packets_in, record.bytes_in) == (len(sizes), sum(sizes) + header * len(sizes))
        assert (record.packets_out, record.bytes_out) == (answers, got + header * answers)
        assert record.service and record.service.port_name == "udp" and record.ts_end >= record.ts_start > 0
    log.expect(lambda: log.metric("portway_service_connections_total", protocol="UDP") == 3, "all are counted")


@as_we_are
def test_a_log_that_is_killed_in_a_storm_says_what_is_missing(place: Cluster, log: Log) -> None:
    """No connection twice, none lost but those that ended while nobody listened, and a word since when."""
    outside, folder = _outside(place), log.keeper.folder
    seen, stop = folder / "seen", folder / "stop"
    connecting = place.world.spawn(outside, keeping.connect_until, seen, NODE, 30010, stop)
    held = place.world.spawn(outside, keeping.hold_open, NODE, 30012, 5, stop)
    try:
        log.expect(lambda: len(log.keeper.records()) >= 300, "the storm is logged")
        killed = time_ns()
        log.end()
        before, count = len(log.keeper.records()), len(list(keeping.clients(seen)))
        log.expect(lambda: len(list(keeping.clients(seen))) >= count + 500, "the storm goes on")
        restarted = time_ns()
        log.start()
        kept = time_ns()
        log.expect(lambda: len(log.keeper.records()) >= before + 300, "it is logged again")
    finally:
        stop.touch()
        place.world.wait(connecting)
        place.world.wait(held)
    made = list(keeping.clients(seen))
    log.expect(lambda: _logged(log, made[-1]) and len(_held(log)) == 5, "the last ones are logged")
    records = log.keeper.records()
    assert len({record.flow_id for record in records}) == len(records)
    told = re.search(r"not kept since (\S+Z) \((\S+) s\): refusals and connections that ended since", log.keeper.said)
    assert told, log.keeper.said
    since = datetime.fromisoformat(told[1]).timestamp() * 1e9
    assert killed - PATIENCE * 1e9 < since <= killed and float(told[2]) + 0.1 >= (restarted - killed) / 1e9
    # the kernel keeps what has ended for CLOSED_SECONDS: what is missing was forgotten in between
    forgotten = since - keeping.CLOSED_SECONDS * 1e9 - 1e9, kept
    ports = {record.client.port for record in records}
    missing = [client for client in made if client.port not in ports]
    assert all(forgotten[0] <= client.ended <= forgotten[1] for client in missing)


def _logged(log: Log, client: Client) -> bool:
    return any(record.client.port == client.port for record in log.keeper.records())


def _accounted(log: Log, source: str, verdict: str, count: int) -> bool:
    """Each of so many is logged or known to be lost, and some are."""
    lost = log.metric("portway_access_log_lost_total", source=source)
    overruns = log.metric("portway_access_log_overruns_total", source=source)
    told = sum(record.verdict == verdict for record in log.keeper.records())
    return overruns > 0 and lost > 0 and told + lost >= count


def _held(log: Log) -> list[Record]:
    """Without tries that a pod reset which still remembered the port."""
    return [r for r in _opened(log.keeper.records()) if r.frontend and r.frontend.port == 30012]


@as_we_are
def test_what_the_kernel_cannot_keep_for_us_is_counted_and_said(place: Cluster, tmp_path: Path) -> None:
    """A tiny buffer and a reader that is stopped: what is lost is known as lost."""
    log = Log(place, Keeper(tmp_path, TABLE, buffer=2048))
    log.start()
    try:
        os.kill(log.pid, signal.SIGSTOP)
        outside = _outside(place)
        made = outside.run(keeping.connect_often, NODE, 30010, 200)
        for port in range(31000, 31200):
            assert outside.run(keeping.refused, NODE, port)
        os.kill(log.pid, signal.SIGCONT)
        log.expect(lambda: log.keeper.said.count("the kernel had more to tell of") >= 2, "it is said")
        # the kernel numbers what rules tell: how much was lost shows with the next
        assert outside.run(keeping.refused, NODE, 31200)
        log.expect(lambda: _accounted(log, "connections", "FORWARDED", len(made)), "connections are told or counted")
        log.expect(lambda: _accounted(log, "refusals", "REFUSED", 201), "refusals are told or counted")
    finally:
        log.end()
