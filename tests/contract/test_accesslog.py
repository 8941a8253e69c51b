"""The access log, the kernel and the clients tell the same story."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from portway.accesslog import Record
from portway.testing.netns import Namespace, Unavailable
from tests.contract import keeping
from tests.contract.cluster import Cluster, cluster
from tests.contract.keeping import Client, Keeper
from tests.contract.services import CONFIG, service
from tests.contract.services import table as table_of

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
TABLE = table_of(*SERVICES, config=replace(CONFIG, log_group=keeping.LOGGED))
LABELS = ("namespace", "service", "port", "protocol")


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster with rules that log on node-1."""
    try:
        with cluster(request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


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

    def expect(self, wanted: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Wait until it is so."""
        deadline = monotonic() + seconds
        while not wanted():
            assert monotonic() < deadline, f"{what}\n{self.keeper.said}"

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
    assert log.metric("portway_service_connections_active", **web) == 0
    assert log.metric("portway_access_log_lost_total") == 0


def _opened(records: list[Record]) -> list[Record]:
    return [record for record in records if record.packets_out]


TICK = 10_000_000
"""Nanoseconds: the kernel tells ends by its own clock's ticks, of 10 ms at most."""


def _agree(clients: list[Client], records: list[Record]) -> None:
    """Each client's connection is one record: its port, its pod, and its times."""
    begun = sorted(clients, key=lambda client: (client.port, client.begun))
    logged = sorted(records, key=lambda record: (record.client.port, record.ts_start))
    assert len(begun) == len(logged)
    for client, record in zip(begun, logged, strict=True):
        assert record.client.port == client.port and record.backend is not None
        assert record.backend.pod == client.pod
        start, end = record.ts_start * 1e9, record.ts_end * 1e9
        assert client.begun - 1000 <= start <= client.ended, (client, record)
        assert start <= end <= client.ended + TICK, (client, record)
