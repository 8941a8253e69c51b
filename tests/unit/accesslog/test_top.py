"""Rates out of two readings of counters."""

from collections.abc import Iterator

from portway.accesslog.top import Rates, Reading, Top, reading

WEB = {"namespace": "shop", "service": "web", "port": "http", "protocol": "TCP"}
NOBODY = dict.fromkeys(WEB, "")
_Sample = tuple[str, dict[str, str], float]


def samples(connections: float = 0, size: float = 0, counted: float = 100.0, **other: float) -> Iterator[_Sample]:
    """Those of web, with pods a and b getting two and one of three connections."""
    yield "portway_service_connections_total", WEB, connections
    yield "portway_service_bytes_total", WEB | {"direction": "in"}, size
    yield "portway_service_bytes_total", WEB | {"direction": "out"}, 10 * size
    yield "portway_service_connections_active", WEB, other.get("active", 0)
    yield "portway_service_backends_ready", WEB, other.get("ready", 2)
    yield "portway_service_clients_total", WEB, other.get("clients", 0)
    yield "portway_service_backend_connections_total", WEB | {"backend": "shop/a"}, connections * 2 // 3
    yield "portway_service_backend_connections_total", WEB | {"backend": "shop/b"}, connections // 3
    yield "portway_service_refusals_total", WEB | {"reason": "PORT_NOT_LISTENING"}, other.get("refused", 0)
    yield "portway_service_refusals_total", NOBODY | {"reason": "NODEPORT_UNSET"}, other.get("scanned", 0)
    yield "portway_access_log_counted_timestamp_seconds", {}, counted
    yield "kubeproxy_sync_proxy_rules_duration_seconds_sum", {}, 1.0


def ticks(*readings: dict[str, Reading]) -> dict[str, Rates]:
    """What the last of these readings tells, by Service port."""
    top = Top()
    told = [top.take(one) for one in readings]
    return {row.name: row for row in told[-1]}


def test_rates_are_of_a_second_of_what_was_counted() -> None:
    """The agent was asked after 2 seconds, and has counted 3 seconds' worth of open connections meanwhile."""
    first = reading(samples(300, 1000, counted=100, clients=5), 7.0)
    second = reading(samples(330, 4000, counted=103, clients=7, active=4, refused=6, scanned=9), 9.0)
    rows = ticks({"node-1": first}, {"node-1": second})
    web = rows["shop/web:http"]
    assert (web.connections, web.bytes_in, web.bytes_out, web.active, web.ready) == (10, 1000, 10000, 4, 2)
    assert (web.refused, web.refusals, web.new_clients) == (2, {"PORT_NOT_LISTENING": 2}, 2)
    assert rows["-"].refusals == {"NODEPORT_UNSET": 3} and list(rows) == ["shop/web:http", "-"]


def test_nodes_are_summed_and_backends_ready_are_not() -> None:
    start = reading(samples(), 0.0)
    one, two = reading(samples(10, counted=101, active=1), 1.0), reading(samples(20, counted=102, active=2), 1.0)
    web = ticks({"node-1": start, "node-2": start}, {"node-1": one, "node-2": two})["shop/web:http"]
    assert (web.connections, web.active, web.ready) == (20, 3, 2)


def test_an_agent_that_began_anew_counts_from_nothing() -> None:
    web = ticks({"n": reading(samples(1000), 0.0)}, {"n": reading(samples(12, counted=102), 2.0)})["shop/web:http"]
    assert web.connections == 6


def test_a_first_reading_tells_what_is_open_and_no_rate() -> None:
    web = ticks({"n": reading(samples(1000, active=3), 0.0)})["shop/web:http"]
    assert (web.connections, web.active, web.new_clients, web.shares, web.busy) == (0, 3, 0, {}, True)


def test_a_node_that_was_silent_for_a_tick_is_measured_over_both() -> None:
    start, later = reading(samples(0), 0.0), reading(samples(40, counted=104), 4.0)
    assert ticks({"n": start}, {}, {"n": later})["shop/web:http"].connections == 10


def test_shares_are_of_all_since_the_first_reading() -> None:
    readings = [{"n": reading(samples(n, counted=100 + n), float(n))} for n in (900, 903, 906)]
    assert ticks(*readings)["shop/web:http"].shares == {"shop/a": 0.6667, "shop/b": 0.3333}


def test_without_the_time_of_counting_the_time_of_asking_counts() -> None:
    first, second = reading(samples(0, counted=0), 10.0), reading(samples(8, counted=0), 14.0)
    assert ticks({"n": first}, {"n": second})["shop/web:http"].connections == 2
