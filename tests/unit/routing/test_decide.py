"""`decide` by the cases that engines run as well, and by what must hold for every table."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.routing import certificate_for, decide, edited_headers, listener_for, pick
from portway.routing.table import Certificate, HeaderEdit, Match, Request, RouteTable, ValueMatch
from portway.testing import doors
from portway.testing.doors import CASES, HEADER_EDITS, DoorCase, get, host, listener, prefix, route, table


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case: DoorCase) -> None:
    decision = decide(case.table, case.table.listeners[0], case.request)
    assert (decision.code, decision.status, decision.location) == (case.code, case.status, case.location)
    if case.code == "ROUTED":
        services = {case.table.pools[b.pool].service for b in decision.backends if b.pool}
        assert services == case.backends
        assert decision.path == (case.path or case.request.target)
        assert decision.host == (case.host or case.request.host)


def test_names_of_cases_are_unique() -> None:
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


@pytest.mark.parametrize(("before", "edit", "after"), HEADER_EDITS)
def test_header_edits(before: list[tuple[str, str]], edit: HeaderEdit, after: list[tuple[str, str]]) -> None:
    assert list(edited_headers(before, [None, edit])) == after


def test_shares_follow_weights_and_bad_ones_keep_theirs() -> None:
    backends = doors.to("a=3", "=1", "b=0", "c=4")
    shares = Counter(pick(backends, point / 80).pool for point in range(80))
    assert shares == {"shop/a:80/TCP": 30, "": 10, "shop/c:80/TCP": 40}


def test_the_most_specific_listener_of_a_port() -> None:
    names = ["", "*.com", "*.foo.com", "a.foo.com"]
    listeners = [listener(port=443, name=name or "any", hostname=name) for name in names]
    found = {
        sni: (listener_for(listeners, "gateway/shop/gateway", 443, sni) or listeners[0]).name
        for sni in ["a.foo.com", "b.foo.com", "c.b.foo.com", "b.com", "org"]
    }
    assert found == {
        "a.foo.com": "a.foo.com",
        "b.foo.com": "*.foo.com",
        "c.b.foo.com": "*.foo.com",
        "b.com": "*.com",
        "org": "any",
    }
    assert listener_for(listeners, "gateway/shop/gateway", 80, "org") is None


def test_certificates_by_sni() -> None:
    certificates = {
        "shop/wild": Certificate("wild", "", ("*.foo.com",)),
        "shop/one": Certificate("one", "", ("a.foo.com", "foo.com")),
    }
    door = listener(certificates=("shop/gone", "shop/wild", "shop/one"))
    with_certificates = RouteTable((door,), {}, certificates)
    shown = {
        sni: getattr(certificate_for(with_certificates, door, sni), "chain", None)
        for sni in ["a.foo.com", "b.foo.com", "c.b.foo.com", "foo.com", ""]
    }
    assert shown == {"a.foo.com": "one", "b.foo.com": "wild", "c.b.foo.com": "wild", "foo.com": "one", "": "wild"}
    assert certificate_for(RouteTable(), door, "a.foo.com") is None


_NAMES = st.sampled_from(["", "a.com", "*.com", "*.a.com", "b.a.com"])
_PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab"])
_MATCHES = st.builds(
    Match,
    _PATHS,
    st.sampled_from(["Exact", "Prefix"]),
    st.sampled_from(["", "GET"]),
    st.sampled_from([(), (ValueMatch("v", "1"),)]),
)
_ROUTES = st.lists(_MATCHES.map(lambda match: route(match, "a")), max_size=4)
_TABLES = st.dictionaries(_NAMES, _ROUTES, max_size=4).map(
    lambda hosts: table(listener(*[host(name, *routes) for name, routes in hosts.items()]))
)
_REQUESTS = st.builds(get, _PATHS, st.sampled_from(["a.com", "x.com", "x.a.com", "b.a.com", "org"]))


@given(_TABLES, _REQUESTS)
def test_every_request_has_one_decision_and_it_is_the_first_route_that_matches(
    doors: RouteTable, request: Request
) -> None:
    decision = decide(doors, doors.listeners[0], request)
    assert decision.code in ("ROUTED", "NO_HOST", "NO_ROUTE")
    assert (decision.status == 0) == (decision.code == "ROUTED")
    if decision.virtual_host is not None:
        alone = [
            route
            for route in decision.virtual_host.routes
            if decide(table(listener(host("", route))), listener(host("", route)), request).code == "ROUTED"
        ]
        assert decision.route == next(iter(alone), None)


@given(_TABLES, _REQUESTS, st.randoms())
def test_the_order_of_hosts_does_not_matter(doors: RouteTable, request: Request, random: Random) -> None:
    hosts = list(doors.listeners[0].hosts)
    random.shuffle(hosts)
    assert decide(doors, listener(*hosts), request) == decide(doors, doors.listeners[0], request)


def test_a_prefix_of_nothing_but_slashes_takes_every_path() -> None:
    door = listener(host("", route(prefix("/"), "web")))
    assert decide(table(door), door, get("/anything")).code == "ROUTED"
    assert decide(table(door), door, get("*")).code == "NO_ROUTE"
