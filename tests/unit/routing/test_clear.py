"""What was inside TLS that ended at a door goes nowhere in the clear where a policy wants TLS."""

from portway.routing.clear import REASON, closed
from portway.routing.compute import compute
from portway.routing.table import WeightedBackend
from portway.testing.doordocs import (
    authorities,
    backend,
    documents,
    gateway,
    http,
    parent,
    route,
    rule,
    service,
    tls_policy,
    tls_secret,
)

PASSED = http("passed", 443, protocol="TLS", hostname="passed.a.com", tls={"mode": "Passthrough"})
ENDED = http("ended", 443, protocol="TLS", hostname="ended.a.com", tls={"certificateRefs": [{"name": "a-tls"}]})


def test_a_backend_with_a_policy_gets_nothing_that_has_been_opened() -> None:
    parents = [parent("door", "passed"), parent("door", "ended")]
    both = route("both", parents, rule(to=[backend("web", 80), backend("api", 80)]), kind="TLSRoute")
    given = (service("web", 80), service("api", 80), tls_secret("a-tls", "*.a.com"), authorities("ca"), both)
    made = compute(documents(gateway("door", PASSED, ENDED), *given, tls_policy("guards", "web")))
    web, api = WeightedBackend("shop/web:80/tls"), WeightedBackend("shop/api:80/tls")
    assert {at.name.rpartition("/")[2]: at.hosts[0].routes[0].backends for at in made.listeners} == {
        "passed": (web, api),
        "ended": (WeightedBackend("", reason=REASON), api),
    }
    (report,) = made.routes
    partly = [[c for c in one.conditions if c.type == "PartiallyInvalid"] for one in report.parents]
    assert partly == [[], [closed({"shop/web:80/tls"})]]
    assert "shop/web:80 are closed" in closed({"shop/web:80/tls"}).message
