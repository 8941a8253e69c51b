"""HAProxy's configuration: maps choose what `decide` does, and changes cost what they should."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.routing import decide
from portway.routing.haproxy import Rendered, config_text, plan, ran, render
from portway.routing.haproxy.config import with_endpoints_of
from portway.routing.haproxy.maps import is_mappable, path_entries
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.plan import Plan
from portway.routing.haproxy.words import plain, quoted
from portway.routing.table import (
    Certificate,
    Endpoint,
    HeaderEdit,
    Match,
    Request,
    Route,
    RouteTable,
    Timeouts,
    ValueMatch,
)
from portway.testing.doors import exact, host, listener, prefix, route, table, to, with_endpoints

PLACE = Place("/run/door", ("127.0.0.1",))
WEB = "shop/web:80/TCP"
ONE, TWO = Endpoint("10.0.0.1", 8080), Endpoint("10.0.0.2", 8080)

_PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab"])
_MATCHES = st.builds(Match, _PATHS, st.sampled_from(["Exact", "Prefix"]))


@given(st.lists(_MATCHES, max_size=6), st.sampled_from(["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c/d", "/ab", "/abc"]))
def test_maps_choose_what_the_order_of_the_routes_does(matches: list[Match], path: str) -> None:
    routes = [Route(str(number), match) for number, match in enumerate(matches)]
    if is_mappable(routes):
        entries, prefixes = path_entries("v", [(route, route.name) for route in routes])
        longest = max((key for key, _ in prefixes if f"v|{path}/".startswith(key)), key=len, default="")
        chosen = dict(entries).get(f"v|{path}") or dict(prefixes).get(longest)
        decision = decide(RouteTable(), listener(host("", *routes)), Request(target=path))
        assert chosen == (decision.route.name if decision.route else None)


@pytest.mark.parametrize(
    ("matches", "mappable"),
    [
        ([exact("/a"), prefix("/a/b"), prefix("/a"), prefix("/")], True),
        ([prefix("/b"), prefix("/a")], True),
        ([prefix("/"), prefix("/a")], False),
        ([prefix("/a"), exact("/a")], False),
        ([prefix("/a"), prefix("/a")], True),
        ([prefix("/", method="GET")], False),
        ([prefix("/", headers=(ValueMatch("a", "b"),))], False),
        ([Match("/.*", "RegularExpression")], False),
    ],
)
def test_only_what_maps_can_say_is_in_maps(matches: list[Match], mappable: bool) -> None:
    assert is_mappable([Route(str(number), match) for number, match in enumerate(matches)]) is mappable


def _door(*routes: Route, endpoints: tuple[Endpoint, ...] = (ONE,), name: str = "", **fields: Any) -> RouteTable:
    made = table(listener(host(name, *(routes or (route("/", "web"),))), port=8080, **fields))
    return with_endpoints(made, {WEB: endpoints})


def _steps(old: RouteTable, new: RouteTable) -> Plan | None:
    return plan(render(old, PLACE), render(new, PLACE), PLACE)


def _section(rendered: Rendered) -> str:
    return next(iter(rendered.servers))


def test_endpoints_are_servers_that_come_and_go() -> None:
    section = _section(render(_door(), PLACE))
    steps = _steps(_door(), _door(endpoints=(TWO,)))
    assert steps is not None
    assert [server.add for server in steps.come] == [f"add server {section}/10.0.0.2_8080 10.0.0.2:8080"]
    assert [server.name for server in steps.go] == [f"{section}/10.0.0.1_8080"]
    assert (steps.maps, steps.certificates, steps.replaced, steps.size()) == ((), (), (), 2)


def test_a_table_that_is_the_same_costs_nothing() -> None:
    steps = _steps(_door(), _door())
    assert steps is not None and steps.size() == 0


def test_paths_and_hosts_are_entries_of_maps() -> None:
    more = _door(route("/cart", "web"), route("/", "web"))
    steps = _steps(_door(), more)
    assert steps is not None
    kinds = [" ".join(command.split()[:3]) for command in steps.maps]
    assert kinds == ["add map /run/door/target.map", "add map /run/door/prefix.map"]
    back = _steps(more, _door())
    assert back is not None
    assert [" ".join(command.split()[:3]) for command in back.drops] == [
        "del map /run/door/prefix.map",
        "del map /run/door/target.map",
    ]


def test_wildcards_of_many_labels_are_in_an_order_and_so_replaced_whole() -> None:
    steps = _steps(_door(name="*.foo.com"), _door(name="*.a.foo.com"))
    assert steps is not None and steps.replaced == ("hosts-wild",)


_CERTIFICATES = {"shop/a": Certificate("CHAIN\n", "KEY\n", ("a.com",))}


def test_a_certificate_is_set_and_committed() -> None:
    old = replace(_door(protocol="HTTPS", certificates=("shop/a",)), certificates=_CERTIFICATES)
    new = replace(old, certificates={"shop/a": Certificate("NEWER\n", "KEY2\n", ("a.com",))})
    steps = _steps(old, new)
    assert steps is not None
    assert steps.certificates == (
        "set ssl cert /run/door/certs/shop.a.pem <<\nKEY2\nNEWER\n",
        "commit ssl cert /run/door/certs/shop.a.pem",
    )


def test_a_certificate_that_is_new_is_made_and_shown_and_one_that_goes_is_withdrawn() -> None:
    one = replace(_door(protocol="HTTPS", certificates=("shop/a",)), certificates=_CERTIFICATES)
    certificates = {**_CERTIFICATES, "shop/b": Certificate("B\n", "KEY\n", ("b.com", "*.b.com"))}
    two = replace(_door(protocol="HTTPS", certificates=("shop/a", "shop/b")), certificates=certificates)
    steps, back = _steps(one, two), _steps(two, one)
    assert steps is not None and back is not None
    assert steps.certificates == (
        "new ssl cert /run/door/certs/shop.b.pem",
        "set ssl cert /run/door/certs/shop.b.pem <<\nKEY\nB\n",
        "commit ssl cert /run/door/certs/shop.b.pem",
        "add ssl crt-list /run/door/crt-list-8080 <<\n/run/door/certs/shop.b.pem b.com *.b.com\n",
    )
    assert back.withdrawn == (
        "del ssl crt-list /run/door/crt-list-8080 /run/door/certs/shop.b.pem",
        "del ssl cert /run/door/certs/shop.b.pem",
    )
    swapped = replace(_door(protocol="HTTPS", certificates=("shop/b", "shop/a")), certificates=certificates)
    assert _steps(two, swapped) is None, "the first one is for whoever names no host"


@pytest.mark.parametrize(
    "new",
    [
        _door(route("/", "web", timeouts=Timeouts(request=1.0))),
        _door(route("/", "web", request_headers=HeaderEdit(set=(("A", "b"),)))),
        _door(route(prefix("/", method="GET"), "web")),
        _door(replace(route("/", ""), backends=to("web=1", "=1"))),
        replace(_door(protocol="HTTPS", certificates=("shop/a",)), certificates=_CERTIFICATES),
    ],
    ids=["timeout", "header edit", "condition", "shares", "protocol"],
)
def test_structure_is_a_reload(new: RouteTable) -> None:
    assert _steps(_door(), new) is None


def test_sections_that_nothing_leads_to_stay_until_a_reload() -> None:
    both = _door(route("/slow", "web", timeouts=Timeouts(request=1.0)), route("/", "web"))
    old, new = render(both, PLACE), render(_door(endpoints=(TWO,)), PLACE)
    assert plan(old, new, PLACE) is not None
    left = ran(old, new)
    again = plan(left, render(both, PLACE), PLACE)
    assert again is not None
    assert {server.name.partition("/")[0] for server in again.come} == {_section(new)}, (
        "the other one never lost its own"
    )


@given(st.sets(st.sampled_from([ONE, TWO, Endpoint("fd00::1", 80)])))
def test_endpoints_alone_need_no_second_look_at_routes(endpoints: set[Endpoint]) -> None:
    old, new = _door(), _door(endpoints=tuple(sorted(endpoints)))
    assert with_endpoints_of(render(old, PLACE), old, new) == render(new, PLACE)


def test_other_changes_need_one() -> None:
    for new in (_door(name="a.com"), _door(route("/", "other")), replace(_door(), certificates=_CERTIFICATES)):
        assert with_endpoints_of(render(_door(), PLACE), _door(), new) is None


def test_nothing_in_a_text_is_special() -> None:
    assert quoted('it\'s "$HOME" # \\ {') == "'it'\\''s \"$HOME\" # \\ {'"
    edit = HeaderEdit(set=(("X-Share", "100% 'of' it"),))
    assert "set-header 'X-Share' '100%% '\\''of'\\'' it'" in config_text(
        render(_door(route("/", "web", request_headers=edit)), PLACE)
    )


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\rb"])
def test_control_characters_cannot_be_told(text: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        quoted(text)


@pytest.mark.parametrize("name", ["", "a,b", "a)", "a b", "é"])
def test_names_of_headers_and_parameters_have_to_be_plain(name: str) -> None:
    with pytest.raises(ValueError, match="cannot look for"):
        plain(name)
