"""The table of ports: names resolved by the pods behind them, backends counted once however many families."""

from portway.analysis.ports import rows
from portway.model import Endpoint, EndpointPort, EndpointSlice, Service, ServicePort, Snapshot


def _snapshot(service: Service, *slices: EndpointSlice) -> Snapshot:
    return Snapshot(
        services={(service.namespace, service.name): service}, slices={(s.namespace, s.name): s for s in slices}
    )


API = Service(
    "shop", "api", "NodePort", (ServicePort("http", "TCP", 80, "http", 32100),), cluster_ips=("10.96.0.9", "fd00::9")
)


def _slice(name: str, port: int, *endpoints: Endpoint, service: str = "api", port_name: str = "http") -> EndpointSlice:
    return EndpointSlice("shop", name, service, (EndpointPort(port_name, "TCP", port),), endpoints)


def test_a_name_that_pods_resolve_differently() -> None:
    v1 = _slice("api-a", 3000, Endpoint("10.244.1.2", target="v1"))
    v2 = _slice("api-b", 4000, Endpoint("10.244.2.2", target="v2", ready=False))
    (row,) = rows(_snapshot(API, v1, v2))
    assert (row.target_port, row.resolved, row.ready, row.total) == ("http", (3000, 4000), 1, 2)
    assert (row.node_port, row.port, row.cluster_ips) == (32100, 80, ("10.96.0.9", "fd00::9"))


def test_a_dual_stack_pod_is_one_backend() -> None:
    four = _slice("api-4", 3000, Endpoint("10.244.1.2", target="v1"))
    six = _slice("api-6", 3000, Endpoint("fd00:244::2", target="v1"))
    (row,) = rows(_snapshot(API, four, six))
    assert (row.ready, row.total) == (1, 1)


def test_other_services_and_other_ports_do_not_count() -> None:
    other = _slice("web-a", 8080, Endpoint("10.244.1.3", target="w"), service="web")
    admin = _slice("api-c", 9000, Endpoint("10.244.1.4", target="x"), port_name="admin")
    (row,) = rows(_snapshot(API, other, admin))
    assert (row.resolved, row.ready, row.total) == ((), 0, 0)


def test_headless_says_none_and_order_is_by_name() -> None:
    db = Service("shop", "db", ports=(ServicePort("pg", "TCP", 5432, 5432),), headless=True)
    snapshot = Snapshot(services={("shop", "db"): db, ("shop", "api"): API})
    assert [(row.service, row.cluster_ips) for row in rows(snapshot)] == [
        ("api", ("10.96.0.9", "fd00::9")),
        ("db", ("None",)),
    ]
