"""Of kinds that a cluster has many of, doors read what something names; who watches need not care for others."""

from portway.routing.compute import compute
from portway.routing.documents import NAMED, Asked, documents, name_of
from portway.testing.doordocs import backend, gateway, gateway_class, route, rule, service


def test_names_that_were_asked_for() -> None:
    services = {name_of(one): one for one in (service("web", 80), service("other", 80), service("going", 80))}
    services["shop", "going"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    named = {kind: Asked(services if kind == "Service" else {}) for kind in NAMED}
    lists = {
        "GatewayClass": [gateway_class()],
        "Gateway": [gateway("door")],
        "HTTPRoute": [route("web", "door", rule(to=[backend("web"), backend("missing"), backend("going")]))],
    }
    doors = compute(documents(lists, named))
    assert named["Service"].names == {("shop", "web"), ("shop", "missing"), ("shop", "going")}
    assert [pool.service for pool in doors.pools.values()] == ["web"]
