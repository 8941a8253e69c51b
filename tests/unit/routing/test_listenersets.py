"""ListenerSets: which join a Gateway, who keeps what two of them ask for, and what everybody is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.routing.compute import Doors, compute
from portway.routing.documents import Doc
from portway.routing.listeners import MOST_PORTS
from portway.routing.reports import Condition, ListenerSetReport
from portway.routing.statuses import DoorState, gateway_status, listener_set_status, programmed
from portway.testing.doordocs import (
    allows,
    documents,
    gateway,
    gateway_class,
    grant,
    http,
    https,
    in_set,
    joined,
    listener_set,
    namespace,
    parent,
    path,
    route,
    rule,
    service,
    tls_secret,
)

NOW = "2026-05-05T05:05:05Z"
ANY = {"allowedListeners": joined("All")}


def doors(*given: Doc) -> Doors:
    return compute(documents(service("web"), namespace("shop"), namespace("team", kind="team"), *given))


def sets(computed: Doors) -> dict[str, str]:
    """Accepted's reason by set, with `!` in front when it is not."""
    return {"/".join(one.name): _shown(one.accepted) for one in computed.listener_sets}


def entries(report: ListenerSetReport) -> dict[str, dict[str, str]]:
    return {at.name: {c.type: _shown(c) for c in at.conditions} for at in report.listeners}


def _shown(condition: Condition) -> str:
    return condition.reason if condition.status else f"!{condition.reason}"


@pytest.mark.parametrize(
    ("allowed", "own", "other"),
    [
        (None, "!NotAllowed", "!NotAllowed"),
        ({}, "!NotAllowed", "!NotAllowed"),
        (joined("None"), "!NotAllowed", "!NotAllowed"),
        (joined("Same"), "Accepted", "!NotAllowed"),
        (joined("All"), "Accepted", "Accepted"),
        (joined("Selector", kind="team"), "!NotAllowed", "Accepted"),
    ],
)
def test_a_gateway_says_who_may_join(allowed: Doc | None, own: str, other: str) -> None:
    computed = doors(
        gateway("door", **({} if allowed is None else {"allowedListeners": allowed})),
        listener_set("own", "door", http("a", 81)),
        listener_set("team/other", "shop/door", http("a", 82)),
    )
    assert sets(computed) == {"shop/own": own, "team/other": other}
    assert {at.name for at in computed.listeners} == {
        "shop/door/http",
        *(["shop/door/shop/own/a"] if own == "Accepted" else []),
        *(["shop/door/team/other/a"] if other == "Accepted" else []),
    }
    assert computed.gateways[0].attached_sets == [own, other].count("Accepted")


def test_a_door_has_so_many_ports_and_no_more() -> None:
    """Sets of others must not take the door from everybody; what is there before keeps what it has."""
    full = MOST_PORTS - 1
    crowd = [
        listener_set(f"s{first:04}", "door", *(http(f"p{n}", 2000 + n) for n in range(first, min(first + 64, full))))
        for first in range(0, full, 64)
    ]
    late = [http("shared", 2000, hostname="a.example"), http("new", 9999), http("dns", 2000, protocol="UDP")]
    computed = doors(gateway("door", **ANY), *crowd, listener_set("tail", "door", *late))
    assert len({at.port for at in computed.listeners}) == MOST_PORTS
    told = {one.name: one for one in computed.listener_sets}["shop", "tail"]
    said = {name: found["Accepted"] for name, found in entries(told).items()}
    assert said == {"shared": "Accepted", "new": "!TooManyListeners", "dns": "!TooManyListeners"}
    assert _shown(told.accepted) == "ListenersNotValid"
    (new,) = [c for at in told.listeners if at.name == "new" for c in at.conditions if c.type == "Accepted"]
    assert new.message == f"its Gateway has {MOST_PORTS} ports, as many as a door serves: name one of those"


def test_sets_of_nobodys_gateways_are_nobodys() -> None:
    computed = doors(
        gateway_class("theirs", "example.com/x"),
        gateway("door", **ANY),
        gateway("foreign", **ANY) | {"spec": {"gatewayClassName": "theirs", "listeners": [http()], **ANY}},
        listener_set("one", "foreign"),
        listener_set("two", "gone"),
        listener_set("three", "door", kind="Service", group=""),
    )
    assert computed.listener_sets == ()


OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
TCP = {"protocol": "TCP"}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (("b", OLD), ("a", NEW), "shop/b"),
        (("b", NEW), ("a", NEW), "shop/a"),
        (("team/a", NEW), ("b", NEW), "shop/b"),
    ],
)
@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (http("x", 81), http("y", 81), "HostnameConflict"),
        (http("x", 81, hostname="a.com"), http("y", 81, hostname="a.com"), "HostnameConflict"),
        (http("x", 81), http("y", 81, **TCP), "ProtocolConflict"),
        (http("x", 81), https("x-tls", name="y", port=81, hostname="a.com"), "ProtocolConflict"),
    ],
)
def test_the_older_set_keeps_a_listener_then_the_earlier_name(
    first: tuple[str, str], second: tuple[str, str], kept: str, one: Doc, other: Doc, why: str
) -> None:
    made = [
        listener_set(name, "shop/door", at, created=created) for (name, created), at in ((first, one), (second, other))
    ]
    computed = doors(gateway("door", **ANY), *made, tls_secret("x-tls", "a.com"))
    lost = next("/".join(r.name) for r in computed.listener_sets if "/".join(r.name) != kept)
    assert sets(computed) == {kept: "Accepted", lost: "!ListenersNotValid"}
    (refused,) = [entries(r) for r in computed.listener_sets if "/".join(r.name) == lost]
    (conditions,) = refused.values()
    assert conditions == {
        "Accepted": f"!{why}",
        "Programmed": f"!{why}",
        "ResolvedRefs": "ResolvedRefs",
        "Conflicted": why,
    }


def test_what_a_gateway_has_is_its_own_and_who_lost_holds_nothing() -> None:
    computed = doors(
        gateway("door", http(), **ANY),
        listener_set("a", "door", http("lost", 80, **TCP)),
        listener_set("b", "door", http("joins", 80, hostname="b.com"), http("lost", 80), http("tcp", 80, **TCP)),
    )
    assert sets(computed) == {"shop/a": "!ListenersNotValid", "shop/b": "ListenersNotValid"}
    assert [at.name for at in computed.listeners] == ["shop/door/http", "shop/door/shop/b/joins"]
    assert computed.forwards == ()
    assert computed.gateways[0].accepted.reason == "Accepted", "the Gateway's own are not touched"
    assert computed.gateways[0].attached_sets == 1


def test_tls_and_https_share_a_port_by_name() -> None:
    passing = http("tls", 443, protocol="TLS", hostname="b.com", tls={"mode": "Passthrough"})
    computed = doors(
        gateway("door", https("a-tls", hostname="a.com"), **ANY),
        tls_secret("a-tls", "a.com"),
        listener_set("more", "door", passing),
    )
    assert sets(computed) == {"shop/more": "Accepted"}


def test_grants_are_for_one_of_them_alone() -> None:
    """One that lets the Gateway's namespace in as Gateways is none for its sets, and the other way round."""
    given = [
        namespace("keys"),
        tls_secret("keys/a-tls", "a.com"),
        gateway("door", https("keys/a-tls", hostname="a.com"), **ANY),
        listener_set("more", "door", https("keys/a-tls", hostname="b.com")),
    ]
    for kind, own, more in (("Gateway", True, False), ("ListenerSet", False, True)):
        computed = doors(*given, grant("keys/g", kind, "shop", "Secret"))
        resolved = [
            next(c.status for c in report.listeners[0].conditions if c.type == "ResolvedRefs")
            for report in (computed.gateways[0], computed.listener_sets[0])
        ]
        assert resolved == [own, more]
        assert sets(computed) == {"shop/more": "Accepted" if more else "!ListenersNotValid"}
        assert computed.gateways[0].programmable


def test_routes_name_a_gateway_or_a_set() -> None:
    same = http("same", 80, hostname="same.com")
    computed = doors(
        gateway("door", http(hostname="own.com", allowedRoutes=allows("All")), **ANY),
        listener_set("team/more", "shop/door", same, http("all", 81, allowedRoutes=allows("All"))),
        route("own", "door", rule(path("/own"), to="web")),
        route("lost", [parent("door", "same")], rule(to="web")),
        route("far", [in_set("team/more")], rule(path("/far"), to="web")),
        route("refused", [in_set("team/more", "same")], rule(to="web")),
        route("team/near", [in_set("more"), parent("shop/door")], rule(path("/near"), to="shop/web")),
    )
    told = {report.name: [_shown(p.conditions[0]) for p in report.parents] for report in computed.routes}
    assert told == {
        ("shop", "own"): ["Accepted"],
        ("shop", "lost"): ["!NoMatchingParent"],
        ("shop", "far"): ["Accepted"],
        ("shop", "refused"): ["!NotAllowedByListeners"],
        ("team", "near"): ["Accepted", "Accepted"],
    }
    at = {listener.name: [r.match.path for h in listener.hosts for r in h.routes] for listener in computed.listeners}
    assert at == {
        "shop/door/http": ["/near", "/own"],
        "shop/door/team/more/same": ["/near"],
        "shop/door/team/more/all": ["/near", "/far"],
    }
    assert [(one.name, one.attached_routes) for one in computed.listener_sets[0].listeners] == [("same", 1), ("all", 2)]
    assert computed.gateways[0].listeners[0].attached_routes == 2


def test_a_route_at_a_set_that_may_not_join_is_told_why() -> None:
    computed = doors(gateway("door"), listener_set("more", "door"), route("web", [in_set("more")], rule(to="web")))
    (condition, _) = computed.routes[0].parents[0].conditions
    assert (condition.reason, condition.message) == (
        "NoMatchingParent",
        "Gateway shop/door does not allow ListenerSets of namespace shop",
    )


def test_ports_of_tcp_are_forwarded_from_sets_too() -> None:
    computed = doors(
        gateway("door", **ANY),
        listener_set("more", "door", http("db", 5432, **TCP)),
        route("db", [in_set("more", "db")], rule(to="web"), kind="TCPRoute"),
    )
    (forward,) = computed.forwards
    assert (forward.gateway, forward.listener, forward.port) == (("shop", "door"), "shop/more/db", 5432)
    assert [backend.pool for backend in forward.backends] == ["shop/web:80/TCP"]


READY = DoorState([{"ip": "10.0.0.1"}], ready=True)


@pytest.mark.parametrize(
    ("fields", "state", "conditions"),
    [
        (ANY, READY, {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}),
        (ANY, DoorState(), {"Accepted": ("True", "Accepted"), "Programmed": ("False", "ParentNotProgrammed")}),
        ({}, READY, {"Accepted": ("False", "NotAllowed"), "Programmed": ("False", "NotAllowed")}),
        (
            {**ANY, "addresses": [{"type": "Hostname", "value": "x"}]},
            READY,
            {"Accepted": ("False", "ParentNotAccepted"), "Programmed": ("False", "ParentNotProgrammed")},
        ),
    ],
)
def test_statuses(fields: Doc, state: DoorState, conditions: dict[str, tuple[str, str]]) -> None:
    door, more = gateway("door", **fields), listener_set("more", "door", http("a", 81))
    computed = doors(door, more)
    (gateway_report,), (report,) = computed.gateways, computed.listener_sets
    status = listener_set_status(more, report, programmed(gateway_report, state), NOW)
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == conditions
    assert listener_set_status({**more, "status": status}, report, programmed(gateway_report, state), "later") == status
    counted = gateway_status(door, gateway_report, state, NOW).get("attachedListenerSets")
    assert counted == (int(conditions["Accepted"][0] == "True") if fields else None)


def test_a_set_that_outlives_its_gateway_is_told() -> None:
    """One that nobody has looked at yet waits; so does one of a Gateway that others serve."""
    conditions = [{"type": "Accepted", "status": "True", "reason": "Accepted"}]
    fresh, left = listener_set("fresh", "gone"), listener_set("left", "gone") | {"status": {"conditions": conditions}}
    (report,) = doors(gateway("door", **ANY), fresh, left).listener_sets
    status = listener_set_status(left, report, report.accepted, NOW)
    assert {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]} == {
        "Accepted": ("False", "ParentNotAccepted", "Gateway shop/gone does not exist"),
        "Programmed": ("False", "ParentNotProgrammed", "Gateway shop/gone does not exist"),
    }
    again = left | {"status": status}
    assert listener_set_status(again, doors(again).listener_sets[0], report.accepted, "later") == status
    foreign = gateway("gone") | {"spec": {"gatewayClassName": "theirs", "listeners": [http()]}}
    assert doors(gateway_class("theirs", "example.com/x"), foreign, left).listener_sets == ()


_LISTENERS = st.builds(
    lambda port, protocol, host: http("x", port, protocol=protocol, **({"hostname": host} if host else {})),
    st.sampled_from([80, 81]),
    st.sampled_from(["HTTP", "TCP", "UDP"]),
    st.sampled_from(["", "a.com", "b.com"]),
)
_SETS = st.lists(
    st.tuples(st.lists(_LISTENERS, min_size=1, max_size=3), st.sampled_from([OLD, NEW])), min_size=1, max_size=4
)


@given(_SETS)
def test_no_two_that_serve_ask_for_the_same_and_nobody_loses_to_a_later_one(given: list[Any]) -> None:
    made = [
        listener_set(f"s{n}", "door", *({**at, "name": f"l{m}"} for m, at in enumerate(listeners)), created=created)
        for n, (listeners, created) in enumerate(given)
    ]
    computed = doors(gateway("door", **ANY), *made)
    asked = [(at.port, at.protocol, at.hostname) for at in computed.listeners]
    assert len(set(asked)) == len(asked)
    assert len({at.name for at in computed.listeners}) == len(asked)
    served = {(f.port, "UDP" if f.protocol == "UDP" else "TCP") for f in computed.forwards}
    assert not served & {(at.port, "TCP") for at in computed.listeners}
    before = sorted(made, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))
    fewer = doors(gateway("door", **ANY), *before[:-1])
    assert {at.name for at in fewer.listeners} <= {at.name for at in computed.listeners}
