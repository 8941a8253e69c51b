"""How many series there can be, whatever comes."""

from prometheus_client.parser import text_string_to_metric_families

from portway.accesslog.counters import MOST_BACKENDS, MOST_CLIENTS, OTHER_BACKENDS, Counters
from portway.agent.metrics import Tally, exposition
from portway.forwarding import Contribution, Frontend, Target
from portway.model import ServicePortName


def _service(number: int) -> tuple[tuple[str, str], Contribution]:
    key = "shop", f"s{number}"
    target = Target(ServicePortName(*key, "http", "TCP"))
    return key, Contribution(key, (Frontend("clusterIP", "IPv4", f"10.96.0.{number}", "TCP", 80, target),))


def test_ports_backends_and_clients_are_bounded() -> None:
    counters = Counters(most=3)
    for number in range(10):
        counters.put(*_service(number))
    for number in range(10):
        for one in range(MOST_CLIENTS + 500):
            name = ServicePortName("shop", f"s{number}", "http", "TCP")
            counters.counts(name).opened(f"shop/pod-{one % 200}", one.to_bytes(4))
    assert len(counters.of) == 3
    first, others = next(iter(counters.of.values())), counters.others
    assert first.connections == MOST_CLIENTS + 500 and others.connections == 7 * first.connections
    assert len(first.backends) == MOST_BACKENDS + 1 and first.backends.total() == first.connections
    assert first.backends[OTHER_BACKENDS] > 0 and len(first.clients) == MOST_CLIENTS
    families = text_string_to_metric_families(exposition(Tally(counters))[0])
    series = sum(len(f.samples) for f in families if f.name.startswith("portway_service"))
    assert series <= (3 + 1) * (8 + MOST_BACKENDS + 1)


def test_a_service_that_goes_takes_its_counts_and_makes_room() -> None:
    counters = Counters(most=1)
    for number in (1, 2):
        counters.put(*_service(number))
    assert [name.name for name in counters.of] == ["s1"]
    counters.put(("shop", "s1"), None)
    counters.put(*_service(2))
    assert [name.name for name in counters.of] == ["s2"]
