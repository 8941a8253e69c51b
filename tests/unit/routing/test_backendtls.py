"""BackendTLSPolicies: which one a Service's port has, what becomes of its requests, and what its writer is told."""

from typing import Any

import pytest

from portway.routing.compute import Doors, compute
from portway.routing.documents import Doc
from portway.routing.door import of_door
from portway.routing.peernames import has_name
from portway.routing.statuses import policy_status
from portway.routing.table import BackendTls, Pool, RouteTable
from portway.testing.doordocs import (
    backend,
    config_map,
    documents,
    gateway,
    grant,
    host_rule,
    ingress,
    ingress_path,
    key_pair,
    route,
    rule,
    service,
    tls_policy,
    tls_secret,
)

NOW = "2026-05-05T05:05:05Z"
PEM, KEY = key_pair("an authority")
CA = config_map("ca", ca_crt=f"# ours\n{PEM}{KEY}")
WEB = service("web", {"port": 80, "name": "plain"}, {"port": 443, "name": "https"})
ROUTE = route("shop", "door", rule(to=[backend("web", 80)]), rule(to=[backend("web", 443)]))


def doors(*given: Doc) -> Doors:
    return compute(documents(gateway("door"), *given))


def pool(made: Doors, port: int, protocol: str = "TCP") -> Pool:
    return made.pools[f"shop/web:{port}/{protocol}"]


def told(made: Doors) -> dict[str, dict[str, str]]:
    """By policy: reasons of conditions with `!` before those that are False."""
    return {
        report.name[1]: {c.type: c.reason if c.status else f"!{c.reason}" for c in report.ancestors[0].conditions}
        for report in made.policies
    }


GOOD = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


def test_a_service_and_one_of_its_ports() -> None:
    made = doors(CA, WEB, ROUTE, tls_policy("all", "web"), tls_policy("one", "web:https", hostname="one.example"))
    assert (pool(made, 80).protocol, pool(made, 80).tls) == ("https", BackendTls("web.example", PEM))
    assert pool(made, 443).tls == BackendTls("one.example", PEM)
    assert told(made) == {"all": GOOD, "one": GOOD}
    assert KEY not in str(made.pools)


def test_a_port_that_no_policy_names_stays_as_it_is() -> None:
    made = doors(CA, WEB, ROUTE, tls_policy("one", "web:https"), tls_policy("other", "api"))
    assert (pool(made, 80).protocol, pool(made, 80).tls) == ("http", None)
    assert told(made) == {"one": GOOD}


@pytest.mark.parametrize("target", ["web", "web:https"])
def test_the_oldest_has_it(target: str) -> None:
    young = tls_policy("a", target, hostname="young.example", created="2026-02-01T00:00:00Z")
    old = tls_policy("b", target, hostname="old.example")
    made = doors(CA, WEB, ROUTE, young, old, tls_policy("c", target))
    found = pool(made, 443).tls
    assert found is not None and found.hostname == "old.example"
    lost = {**GOOD, "Accepted": "!Conflicted"}
    assert told(made) == {"a": lost, "b": GOOD, "c": lost}
    (report,) = [report for report in made.policies if report.name[1] == "a"]
    assert report.ancestors[0].conditions[0].message.startswith("BackendTLSPolicy shop/b has Service shop/web")


def test_what_is_demanded() -> None:
    names = [{"type": "Hostname", "hostname": "a.example"}, {"type": "URI", "uri": "spiffe://a/b"}]
    policy = tls_policy("p", "web", authority="", wellKnownCACertificates="System", subjectAltNames=names)
    wanted = BackendTls("web.example", "", (("Hostname", "a.example"), ("URI", "spiffe://a/b")))
    assert pool(doors(WEB, ROUTE, policy), 80).tls == wanted


def test_grpc_and_connections() -> None:
    calls = route("calls", "door", rule(to=[backend("web", 443)]), kind="GRPCRoute")
    through = route("through", "door", rule(to=[backend("web", 443)]), kind="TLSRoute", hostnames=["a.example"])
    tls = gateway("door", {"name": "tls", "port": 443, "protocol": "TLS", "tls": {"mode": "Passthrough"}})
    made = doors(CA, WEB, calls, tls_policy("p", "web"))
    assert pool(made, 443, "h2c").protocol == "h2"
    passed = compute(documents(tls, CA, WEB, through, tls_policy("p", "web")))
    assert (pool(passed, 443, "tls").protocol, pool(passed, 443, "tls").tls) == ("tls", None)


def _ref(name: str, kind: str = "ConfigMap", group: str = "") -> Doc:
    return {"group": group, "kind": kind, "name": name}


NO_AUTHORITY = {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef"}
BROKEN: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"authority": "none"}, NO_AUTHORITY, "ConfigMap shop/none does not exist"),
    ({"authority": "empty"}, NO_AUTHORITY, "ConfigMap shop/empty: it has no ca.crt"),
    ({"authority": "blank"}, NO_AUTHORITY, "ConfigMap shop/blank: its ca.crt is not a PEM certificate"),
    ({"authority": "bad"}, NO_AUTHORITY, "ConfigMap shop/bad: its ca.crt is not a PEM certificate"),
    (
        {"authority": "", "caCertificateRefs": [_ref("ca", "Secret")]},
        {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidKind"},
        "Secret ca is no ConfigMap",
    ),
    (
        {"authority": "", "wellKnownCACertificates": "example.com/own"},
        {"Accepted": "!Invalid", "ResolvedRefs": "ResolvedRefs"},
        "wellKnownCACertificates 'example.com/own' is not known here",
    ),
]
MAPS = (CA, config_map("empty"), config_map("blank", ca_crt=""), config_map("bad", ca_crt=PEM[:-60]))


@pytest.mark.parametrize(("validation", "reasons", "message"), BROKEN)
def test_a_policy_that_cannot_be_carried_out_leaves_no_way(
    validation: dict[str, Any], reasons: dict[str, str], message: str
) -> None:
    policy = tls_policy("p", "web", **validation)
    made = doors(*MAPS, WEB, ROUTE, policy, ingress("in", host_rule("", ingress_path("/", "web"))))
    assert not made.pools
    assert told(made) == {"p": reasons}
    routes = [route for at in made.listeners for host in at.hosts for route in host.routes]
    assert [b.reason for r in routes for b in r.backends] == [f"BackendTLSPolicy shop/p: {message}"] * 3
    assert [c.reason for c in made.complaints] == ["BackendTLSPolicyInvalid"]
    (parent,) = made.routes[0].parents
    assert all(condition.status for condition in parent.conditions)


def test_a_policy_of_an_older_version_leaves_no_way_either() -> None:
    policy = tls_policy("p", "web")
    del policy["spec"]["validation"]
    made = doors(CA, WEB, ROUTE, policy)
    assert not made.pools and told(made) == {"p": {**GOOD, "Accepted": "!Invalid"}}


def test_one_good_reference_is_enough_and_the_other_is_told() -> None:
    policy = tls_policy("p", "web", authority="", caCertificateRefs=[_ref("none"), _ref("ca")])
    made = doors(CA, WEB, ROUTE, policy)
    assert pool(made, 80).tls == BackendTls("web.example", PEM)
    assert told(made) == {"p": {"Accepted": "Accepted", "ResolvedRefs": "!InvalidCACertificateRef"}}


def test_a_port_that_is_not_there() -> None:
    made = doors(CA, WEB, ROUTE, tls_policy("p", "web:grpc"))
    assert told(made) == {"p": {**GOOD, "Accepted": "!TargetNotFound"}}


def test_who_is_an_ancestor() -> None:
    """Gateways whose routes lead to the Service, and nobody when there is none."""
    more = (gateway("other"), gateway("third"), route("two", "other", rule(to=[backend("web", 443)])))
    (report,) = doors(CA, WEB, ROUTE, *more, tls_policy("p", "web")).policies
    assert [at.ancestor["name"] for at in report.ancestors] == ["door", "other"]
    assert not doors(CA, WEB, tls_policy("p", "web")).policies


def test_status() -> None:
    (report,) = doors(CA, WEB, ROUTE, tls_policy("p", "web")).policies
    foreign = {"ancestorRef": {"name": "x"}, "controllerName": "example.net/x", "conditions": [{"type": "A"}]}
    policy = tls_policy("p", "web") | {"status": {"ancestors": [foreign]}}
    status = policy_status(policy, report.ancestors, NOW)
    theirs, ours = status["ancestors"]
    assert theirs == foreign
    assert ours["ancestorRef"] == {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": "shop",
        "name": "door",
    }
    assert {c["type"]: (c["status"], c["observedGeneration"]) for c in ours["conditions"]} == {
        "Accepted": ("True", 1),
        "ResolvedRefs": ("True", 1),
    }
    later = policy_status({**policy, "status": status}, report.ancestors, "2027-01-01T00:00:00Z")
    assert later == status
    assert policy_status({**policy, "status": status}, (), NOW) == {"ancestors": [foreign]}


@pytest.mark.parametrize(
    ("wanted", "shown", "fits"),
    [
        ("a.example", ("DNS", "a.example"), True),
        ("a.example", ("DNS", "A.EXAMPLE"), True),
        ("a.example", ("DNS", "*.example"), True),
        ("b.a.example", ("DNS", "*.example"), False),
        ("*.a.example", ("DNS", "b.a.example"), True),
        ("*.a.example", ("DNS", "c.b.a.example"), False),
        ("*.a.example", ("DNS", "*.a.example"), True),
        ("*.a.example", ("DNS", "*.b.a.example"), False),
        ("*.a.example", ("DNS", "a.example"), False),
        ("a.example", ("DNS", "*"), False),
        ("a.example", ("DNS", ""), False),
        ("a.example", ("URI", "a.example"), False),
        ("", ("DNS", ""), False),
        ("spiffe://a/b", ("URI", "spiffe://a/b"), True),
        ("spiffe://a/b", ("URI", "spiffe://a/B"), False),
        ("spiffe://a/b", ("DNS", "spiffe://a/b"), False),
    ],
)
def test_names(wanted: str, shown: tuple[str, str], fits: bool) -> None:
    tls = BackendTls("h", names=(("URI" if ":" in wanted else "Hostname", wanted),))
    assert has_name(tls, [("DNS", "other.example"), shown]) is fits


# What is one door's own


def _showing(door: str, **fields: Any) -> Doc:
    reference = {"group": "", "kind": "Secret", "name": "own", **fields}
    return gateway(door, tls={"backend": {"clientCertificateRef": reference}})


def _resolved(made: Doors, name: str) -> str:
    (report,) = [report for report in made.gateways if report.name[1] == name]
    return "" if report.resolved is None else f"{report.resolved.reason}: {report.resolved.message}"


def test_each_door_shows_its_own_certificate() -> None:
    both = route("shop", "door other", rule(to=[backend("web", 80), backend("web", 443)]))
    given = (CA, service("web", 80, {"port": 443, "name": "https"}), both, tls_policy("p", "web:https"))
    made = doors(*given, _showing("other"), tls_secret("own", "door.example"))
    keys = {at.door: [b.pool for h in at.hosts for r in h.routes for b in r.backends] for at in made.listeners}
    assert keys == {
        "gateway/shop/door": ["shop/web:80/TCP", "shop/web:443/TCP"],
        "gateway/shop/other": ["shop/web:80/TCP", "shop/web:443/TCP@shop/other"],
    }
    assert pool(made, 443).tls == BackendTls("web.example", PEM)
    assert pool(made, 443, "TCP@shop/other").tls == BackendTls("web.example", PEM, certificate="shop/own")
    assert (_resolved(made, "door"), _resolved(made, "other")) == ("", "ResolvedRefs: ")
    whole = RouteTable(made.listeners, made.pools, made.certificates)
    assert list(of_door(whole, "gateway/shop/other").certificates) == ["shop/own"]
    assert not of_door(whole, "gateway/shop/door").certificates


def test_a_backend_that_only_speaks_tls_is_shown_it_too() -> None:
    web = service("web", {"port": 443, "appProtocol": "https"})
    to_web = route("shop", "other", rule(to=[backend("web", 443)]))
    made = doors(web, to_web, _showing("other"), tls_secret("own", "door.example"))
    assert pool(made, 443, "TCP@shop/other").tls == BackendTls(certificate="shop/own")


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({}, "InvalidClientCertificateRef: Secret shop/own does not exist"),
        ({"kind": "ConfigMap"}, "InvalidClientCertificateRef: ConfigMap own is no Secret"),
        ({"group": "example.net"}, "InvalidClientCertificateRef: Secret.example.net own is no Secret"),
        ({"name": "bad"}, "InvalidClientCertificateRef: Secret shop/bad: its tls.crt is not a PEM certificate"),
        ({"namespace": "else"}, "RefNotPermitted: no ReferenceGrant in else permits Secret own"),
    ],
)
def test_a_certificate_that_cannot_be_shown_is_told(reference: dict[str, Any], told: str) -> None:
    bad = tls_secret("bad", crt="x", key="y")
    made = doors(CA, WEB, route("shop", "other", rule(to="web")), _showing("other", **reference), bad)
    assert _resolved(made, "other") == told
    assert list(made.pools) == ["shop/web:80/TCP"] and not made.certificates
    (report,) = [report for report in made.gateways if report.name[1] == "other"]
    assert report.accepted.status


def test_a_grant_lets_a_gateway_show_anothers_certificate() -> None:
    permitted = grant("else/g", "Gateway", "shop", "Secret")
    made = doors(_showing("other", namespace="else"), tls_secret("else/own", "door.example"), permitted)
    assert _resolved(made, "other") == "ResolvedRefs: "


def test_tls_that_ends_goes_on_as_its_policy_says() -> None:
    """Passed through it is the client's own."""
    ends = {"name": "ends", "port": 443, "protocol": "TLS", "hostname": "a.example"}
    ends |= {"tls": {"mode": "Terminate", "certificateRefs": [{"name": "own"}]}}
    passes = {"name": "passes", "port": 443, "protocol": "TLS", "hostname": "b.example", "tls": {"mode": "Passthrough"}}
    names = ["a.example", "b.example"]
    given = (
        gateway("two", ends, passes),
        tls_secret("own", "a.example"),
        WEB,
        route("shop", "two", rule(to="web"), kind="TLSRoute", hostnames=names),
    )
    plain = doors(*given)
    assert list(plain.pools) == ["shop/web:80/tls"]
    made = doors(CA, *given, tls_policy("p", "web"))
    keys = {at.hostname: at.hosts[0].routes[0].backends[0].pool for at in made.listeners if at.hosts}
    assert keys == {"a.example": "shop/web:80/tls+policy", "b.example": "shop/web:80/tls"}
    assert pool(made, 80, "tls").tls is None
    assert pool(made, 80, "tls+policy").tls == BackendTls("web.example", PEM)
    broken = doors(*given, tls_policy("p", "web"))
    (backend_,) = next(at for at in broken.listeners if at.hostname == "a.example").hosts[0].routes[0].backends
    assert (backend_.pool, backend_.reason) == ("", "BackendTLSPolicy shop/p: ConfigMap shop/ca does not exist")
