"""What Gateways, routes and Ingresses are told: conditions, reasons, counts, complaints."""

from typing import Any

import pytest

from portway.routing.compute import Doors, compute
from portway.routing.documents import Doc
from portway.routing.statuses import HAPROXY_ONLY, DoorState, class_status, gateway_status, route_status
from portway.testing.doordocs import (
    allows,
    backend,
    documents,
    gateway,
    gateway_class,
    grant,
    host_rule,
    http,
    https,
    ingress,
    ingress_path,
    key_pair,
    namespace,
    parent,
    path,
    route,
    rule,
    service,
    tls_secret,
    to_service,
)

NOW = "2026-05-05T05:05:05Z"
L4 = {"rules": [{"backendRefs": [{"name": "db", "port": 80}]}]}


def doors(*given: Doc) -> Doors:
    return compute(documents(*given))


def of_listeners(*listeners: Doc, more: tuple[Doc, ...] = ()) -> dict[str, tuple[int, list[str], dict[str, str]]]:
    """By listener: attached routes, kinds, and reasons of conditions with `!` before those that are False."""
    (report,) = doors(gateway("door", *listeners), *more).gateways
    return {
        at.name: (
            at.attached_routes,
            [kind for _, kind in at.supported_kinds],
            {c.type: c.reason if c.status else f"!{c.reason}" for c in at.conditions},
        )
        for at in report.listeners
    }


GOOD = {
    "Accepted": "Accepted",
    "Programmed": "Programmed",
    "ResolvedRefs": "ResolvedRefs",
    "Conflicted": "!NoConflicts",
}
HTTP_KINDS = ["HTTPRoute", "GRPCRoute"]
BAD_TLS = {**GOOD, "Programmed": "!Invalid"}
A_TLS = tls_secret("a-tls", "a.com")


@pytest.mark.parametrize(
    ("listener", "more", "kinds", "conditions"),
    [
        (http(), (), HTTP_KINDS, GOOD),
        (https("a-tls"), (A_TLS,), HTTP_KINDS, GOOD),
        (http(protocol="TLS", tls={"mode": "Passthrough"}), (), ["TLSRoute"], GOOD),
        (http(protocol="TCP"), (), ["TCPRoute"], GOOD),
        (http(protocol="UDP"), (), ["UDPRoute"], GOOD),
        (http(protocol="INVALID"), (), [], {**GOOD, "Accepted": "!UnsupportedProtocol", "Programmed": "!Invalid"}),
        (
            http(protocol="TLS", tls={"mode": "Terminate", "certificateRefs": [{"name": "a-tls"}]}),
            (A_TLS,),
            ["TLSRoute"],
            GOOD,
        ),
        (http(protocol="TLS"), (), ["TLSRoute"], {**BAD_TLS, "ResolvedRefs": "!InvalidCertificateRef"}),
        (
            http(protocol="TLS", tls={"certificateRefs": [{"name": "gone"}]}),
            (),
            ["TLSRoute"],
            {**BAD_TLS, "ResolvedRefs": "!InvalidCertificateRef"},
        ),
        (
            http(allowedRoutes=allows("Same", "TCPRoute")),
            (),
            [],
            {**GOOD, "Programmed": "!Invalid", "ResolvedRefs": "!InvalidRouteKinds"},
        ),
        (
            http(allowedRoutes=allows("Same", "TCPRoute", "HTTPRoute")),
            (),
            ["HTTPRoute"],
            {**GOOD, "ResolvedRefs": "!InvalidRouteKinds"},
        ),
        (https("gone"), (), HTTP_KINDS, {**BAD_TLS, "ResolvedRefs": "!InvalidCertificateRef"}),
        (
            https("broken"),
            (tls_secret("broken", "a.com", key="no key"),),
            HTTP_KINDS,
            {**BAD_TLS, "ResolvedRefs": "!InvalidCertificateRef"},
        ),
        (
            http(protocol="HTTPS", tls={"certificateRefs": [{"name": "x", "kind": "ConfigMap"}]}),
            (),
            HTTP_KINDS,
            {**BAD_TLS, "ResolvedRefs": "!InvalidCertificateRef"},
        ),
        (
            https("far/b-tls"),
            (tls_secret("far/b-tls", "b.com"),),
            HTTP_KINDS,
            {**BAD_TLS, "ResolvedRefs": "!RefNotPermitted"},
        ),
        (
            https("far/b-tls"),
            (tls_secret("far/b-tls", "b.com"), grant("far/g", "Gateway", "shop", "Secret")),
            HTTP_KINDS,
            GOOD,
        ),
        (https("a-tls", "gone"), (A_TLS,), HTTP_KINDS, {**GOOD, "ResolvedRefs": "!InvalidCertificateRef"}),
    ],
)
def test_one_listener(listener: Doc, more: tuple[Doc, ...], kinds: list[str], conditions: dict[str, str]) -> None:
    assert of_listeners(listener, more=more) == {listener["name"]: (0, kinds, conditions)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_kind": "HTTPRoute"},
        {"from_namespace": "other"},
        {"to_kind": "Service"},
        {"to_name": "another"},
        {"from_group": "example.com"},
        {"to_group": "example.com"},
        {"name": "other/g"},
    ],
)
def test_a_grant_has_to_fit_in_every_part(wrong: dict[str, str]) -> None:
    fields: dict[str, Any] = {
        "name": "far/g",
        "from_kind": "Gateway",
        "from_namespace": "shop",
        "to_kind": "Secret",
        "to_name": "b-tls",
    }
    secret = tls_secret("far/b-tls", "b.com")
    reasons = [
        of_listeners(https("far/b-tls"), more=(secret, grant(**f)))["https"][2] for f in (fields, fields | wrong)
    ]
    assert [reason["ResolvedRefs"] for reason in reasons] == ["ResolvedRefs", "!RefNotPermitted"]


@pytest.mark.parametrize(
    ("listeners", "conflicted"),
    [
        ([http("a"), https("a-tls", name="b", port=80)], {"a": "ProtocolConflict", "b": "ProtocolConflict"}),
        ([http("a"), http("b", protocol="TCP")], {"a": "ProtocolConflict", "b": "ProtocolConflict"}),
        (
            [http("a", hostname="x.com"), http("b", hostname="X.com")],
            {"a": "HostnameConflict", "b": "HostnameConflict"},
        ),
        (
            [
                https("a-tls", name="a", hostname="a.com"),
                http("b", 443, protocol="TLS", hostname="a.com", tls={"mode": "Passthrough"}),
                https("a-tls", name="c", hostname="c.com"),
            ],
            {"a": "HostnameConflict", "b": "HostnameConflict"},
        ),
        (
            [
                http("a", 443, protocol="TLS", hostname="a.com", tls={"certificateRefs": [{"name": "a-tls"}]}),
                http("b", 443, protocol="TLS", hostname="b.com", tls={"mode": "Passthrough"}),
            ],
            {},
        ),
        ([http("a", protocol="TCP"), http("b", protocol="UDP")], {}),
        ([http("a"), http("b", hostname="a.com"), http("c", 81)], {}),
    ],
)
def test_listeners_that_cannot_be_told_apart(listeners: list[Doc], conflicted: dict[str, str]) -> None:
    found = {name: reasons for name, (_, _, reasons) in of_listeners(*listeners, more=(A_TLS,)).items()}
    assert {name: r["Conflicted"] for name, r in found.items() if r["Conflicted"] != "!NoConflicts"} == conflicted
    refused = {name: r["Accepted"] for name, r in found.items() if r["Accepted"] != "Accepted"}
    assert refused == {name: f"!{reason}" for name, reason in conflicted.items()}


@pytest.mark.parametrize(
    ("fields", "listeners", "accepted"),
    [
        ({}, [http()], (True, "Accepted")),
        ({}, [http(protocol="INVALID")], (False, "ListenersNotValid")),
        ({}, [http(), http("b", 81, protocol="INVALID")], (True, "ListenersNotValid")),
        ({"addresses": [{"type": "Hostname", "value": "a.com"}]}, [http()], (False, "UnsupportedAddress")),
        ({"addresses": [{"value": "10.0.0"}]}, [http()], (False, "UnsupportedAddress")),
        ({"addresses": [{"type": "IPAddress"}]}, [http()], (True, "Accepted")),
        (
            {"infrastructure": {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "x"}}},
            [http()],
            (False, "InvalidParameters"),
        ),
    ],
)
def test_gateways(fields: Doc, listeners: list[Doc], accepted: tuple[bool, str]) -> None:
    (report,) = doors(gateway("door", *listeners, **fields)).gateways
    assert (report.accepted.status, report.accepted.reason) == accepted
    programmed = {c.status for at in report.listeners for c in at.conditions if c.type == "Programmed"}
    assert accepted[0] or programmed == {False}


def test_gateways_of_other_classes_are_left_alone() -> None:
    found = doors(gateway_class(), gateway_class("other", "example.com/x"), gateway("door", gatewayClassName="other"))
    assert (found.gateways, found.listeners) == ((), ())


def told(given: Doors, name: str = "web") -> list[dict[str, str]]:
    """Of a route, by parent: reasons of its conditions, `!` before those that are False."""
    (report,) = [r for r in given.routes if r.name == ("shop", name)]
    return [{c.type: c.reason if c.status else f"!{c.reason}" for c in p.conditions} for p in report.parents]


WEB = service("web", 80)
FINE = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}


@pytest.mark.parametrize(
    ("parents", "rules", "more", "conditions"),
    [
        ("door", [rule(to="web")], (), FINE),
        ([parent("door", "nope")], [rule(to="web")], (), FINE | {"Accepted": "!NoMatchingParent"}),
        ([parent("door", port=81)], [rule(to="web")], (), FINE | {"Accepted": "!NoMatchingParent"}),
        ([parent("door", "http", port=81)], [rule(to="web")], (), FINE | {"Accepted": "!NoMatchingParent"}),
        ("tls", [rule(to="web")], (), FINE | {"Accepted": "!NotAllowedByListeners"}),
        ("infra/same", [rule(to="web")], (), FINE | {"Accepted": "!NotAllowedByListeners"}),
        ("infra/selected", [rule(to="web")], (), FINE | {"Accepted": "!NotAllowedByListeners"}),
        ("named", [rule(to="web")], (), FINE | {"Accepted": "!NoMatchingListenerHostname"}),
        ("door", [rule(to="gone")], (), FINE | {"ResolvedRefs": "!BackendNotFound"}),
        ("door", [rule(to=[backend("web", 81)])], (), FINE | {"ResolvedRefs": "!BackendNotFound"}),
        ("door", [rule(to=[{"kind": "Pod", "name": "x"}])], (), FINE | {"ResolvedRefs": "!InvalidKind"}),
        ("door", [rule(to=[backend("far/web")])], (), FINE | {"ResolvedRefs": "!RefNotPermitted"}),
        ("door", [rule(to="web"), rule(path("/x"), to="gone")], (), FINE | {"ResolvedRefs": "!BackendNotFound"}),
        (
            "door",
            [rule(to=[backend("far/web")])],
            (service("far/web", 80), grant("far/g", "HTTPRoute", "shop", "Service")),
            FINE,
        ),
        (
            "door",
            [
                rule(
                    to="web",
                    filters=[{"type": "ExtensionRef", "extensionRef": {"group": "", "kind": "X", "name": "x"}}],
                )
            ],
            (),
            FINE | {"Accepted": "!UnsupportedValue"},
        ),
        (
            "door",
            [rule(to="web"), rule(path("[", "RegularExpression"), to="web")],
            (),
            FINE | {"PartiallyInvalid": "UnsupportedValue"},
        ),
    ],
)
def test_routes(parents: Any, rules: list[Doc], more: tuple[Doc, ...], conditions: dict[str, str]) -> None:
    found = doors(
        WEB,
        namespace("infra"),
        namespace("shop"),
        gateway("door"),
        gateway("named", http(hostname="named.com")),
        gateway("tls", http("tls", 443, protocol="TLS", tls={"mode": "Passthrough"})),
        gateway("infra/same"),
        gateway("infra/selected", http(allowedRoutes=allows("Selector", team="other"))),
        route("web", parents, *rules, hostnames=["web.com"]),
        *more,
    )
    assert told(found) == [conditions]


def test_routes_without_a_parent_of_ours_are_not_ours() -> None:
    mesh = [parent("web", kind="Service", group="")]
    assert doors(gateway("door"), route("a", "gone", rule()), route("b", mesh, rule())).routes == ()


def test_a_listener_counts_its_routes_whether_it_works_or_not() -> None:
    found = of_listeners(
        http("http"),
        https("gone", name="https"),
        more=(route("a", "door", rule()), route("b", [parent("door", "http"), parent("door", "https")], rule())),
    )
    assert {name: attached for name, (attached, _, _) in found.items()} == {"http": 2, "https": 2}


def test_forwards_of_layer_4_go_to_the_oldest_route() -> None:
    found = doors(
        service("db", 80),
        service("dns", {"port": 53, "protocol": "UDP"}),
        gateway("door", http("a", 5432, protocol="TCP"), http("b", 53, protocol="UDP"), http("c", 1, protocol="TCP")),
        route("young", [parent("door", "a")], rule(to="gone"), kind="TCPRoute", created="2026-02-02T00:00:00Z"),
        route("old", [parent("door", "a")], rule(to=[backend("db", weight=2), backend("gone")]), kind="TCPRoute"),
        route("u", "door", rule(to=[backend("dns", 53)]), kind="UDPRoute"),
    )
    assert [(f.listener, f.protocol, f.port, [(b.pool, b.weight) for b in f.backends]) for f in found.forwards] == [
        ("a", "TCP", 5432, [("shop/db:80/TCP", 2), ("", 1)]),
        ("b", "UDP", 53, [("shop/dns:53/UDP", 1)]),
        ("c", "TCP", 1, []),
    ]
    assert [at.attached_routes for at in found.gateways[0].listeners] == [2, 1, 0]
    assert told(found, "old") == [FINE | {"ResolvedRefs": "!BackendNotFound"}]
    assert found.listeners == ()


def test_a_tcp_route_does_not_reach_a_listener_of_http() -> None:
    found = doors(gateway("door"), route("web", "door", rule(to="web"), kind="TCPRoute"))
    assert told(found)[0]["Accepted"] == "!NotAllowedByListeners"


READY = DoorState([{"ip": "10.0.0.1"}], ready=True)


@pytest.mark.parametrize(
    ("fields", "door", "programmed"),
    [
        ({}, READY, ("True", "Programmed")),
        ({}, DoorState(ready=True), ("False", "AddressNotAssigned")),
        ({}, DoorState([{"ip": "10.0.0.1"}]), ("False", "Pending")),
        ({"addresses": [{"value": "10.0.0.1"}]}, READY, ("True", "Programmed")),
        ({"addresses": [{"value": "10.0.0.2"}]}, READY, ("False", "AddressNotUsable")),
        ({"addresses": [{"type": "Hostname", "value": "a.com"}]}, READY, ("False", "Invalid")),
    ],
)
def test_a_gateway_is_programmed_once_it_has_its_address_and_a_pod(
    fields: Doc, door: DoorState, programmed: tuple[str, str]
) -> None:
    document = gateway("door", **fields)
    (report,) = doors(document).gateways
    status = gateway_status(document, report, door, NOW)
    (condition,) = [c for c in status["conditions"] if c["type"] == "Programmed"]
    assert (condition["status"], condition["reason"]) == programmed


def test_a_gateways_status_says_its_generation_and_keeps_times_and_what_others_wrote() -> None:
    document = gateway("door", generation=3)
    (report,) = doors(document).gateways
    first = gateway_status(document, report, DoorState(), NOW)
    first["conditions"].append({"type": "example.com/Other", "status": "True"})
    first["example"] = 0
    second = gateway_status(document | {"status": first}, report, READY, "2026-06-06T06:06:06Z")
    assert second["addresses"] == [{"type": "IPAddress", "value": "10.0.0.1"}]
    assert {c["type"]: c.get("lastTransitionTime") for c in second["conditions"]} == {
        "Accepted": NOW,
        "Programmed": "2026-06-06T06:06:06Z",
        "example.com/Other": None,
    }
    assert {c["observedGeneration"] for c in second["conditions"] if "observedGeneration" in c} == {3}
    assert {c["observedGeneration"] for at in second["listeners"] for c in at["conditions"]} == {3}
    assert second["example"] == 0
    assert gateway_status(document | {"status": second}, report, READY, "later") == second


def test_a_routes_status_keeps_other_controllers_parents_and_forgets_its_own_former_ones() -> None:
    theirs = {"parentRef": {"name": "x"}, "controllerName": "example.com/x", "conditions": []}
    document = route("web", "door", rule(to="web"))
    (report,) = doors(WEB, gateway("door"), document).routes
    first = route_status(document | {"status": {"parents": [theirs]}}, report.parents, NOW)
    assert [p["controllerName"] for p in first["parents"]] == ["example.com/x", "portway.dev/gateway"]
    assert first["parents"][1]["parentRef"]["name"] == "door"
    assert route_status(document | {"status": first}, report.parents, "later") == first
    assert route_status(document | {"status": first}, [], NOW) == {"parents": [theirs]}


def test_a_class_of_ours_is_accepted_unless_it_has_parameters() -> None:
    status = class_status(gateway_class(), NOW)
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("Accepted", "True")]
    names = [feature["name"] for feature in status["supportedFeatures"]]
    assert names == sorted(names)
    fewer = [feature["name"] for feature in class_status(gateway_class(), NOW, builtin=True)["supportedFeatures"]]
    assert set(names) - set(fewer) == set(HAPROXY_ONLY) and len(fewer) == len(names) - len(HAPROXY_ONLY)
    odd = gateway_class(parametersRef={"group": "", "kind": "ConfigMap", "name": "x", "namespace": "y"})
    assert [c["reason"] for c in class_status(odd, NOW)["conditions"]] == ["InvalidParameters"]
    assert doors(odd, gateway("door")).gateways == ()


NGINX = "nginx.ingress.kubernetes.io/"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, None),
        (
            {"rules": [host_rule("", ingress_path("/", "gone"))]},
            ("ServiceNotFound", "Service shop/gone does not exist"),
        ),
        (
            {"rules": [host_rule("", ingress_path("/", to_service("web", 81)))]},
            ("PortNotFound", "Service shop/web has no TCP port 81"),
        ),
        (
            {"rules": [host_rule("", ingress_path("/", to_service("web", "http")))]},
            ("PortNotFound", "Service shop/web has no TCP port http"),
        ),
        (
            {"defaultBackend": {"resource": {"kind": "Bucket", "name": "b"}}},
            ("ResourceBackend", "resource backends are not supported: Bucket b"),
        ),
        ({"tls": [{"secretName": "x"}]}, ("SecretNotFound", "spec.tls[0]: Secret shop/x does not exist")),
        (
            {"tls": [{"secretName": "bad"}]},
            ("SecretInvalid", "spec.tls[0]: Secret shop/bad: its tls.key does not belong to its tls.crt"),
        ),
        (
            {"annotations": {f"{NGINX}auth-url": "x"}},
            ("UnsupportedAnnotation", f"annotation {NGINX}auth-url is not known here and does nothing"),
        ),
        (
            {"annotations": {f"{NGINX}proxy-body-size": "big"}},
            ("UnsupportedAnnotation", f"annotation {NGINX}proxy-body-size: 'big' is no size such as 8m"),
        ),
        (
            {"annotations": {f"{NGINX}rewrite-target": "/$1"}},
            (
                "UnsupportedAnnotation",
                f"annotation {NGINX}rewrite-target: of groups only $2 of a path like /shop(/|$)(.*) is known here",
            ),
        ),
        (
            {"annotations": {f"{NGINX}ssl-redirect": "yes"}},
            ("UnsupportedAnnotation", f"annotation {NGINX}ssl-redirect: 'yes' is neither true nor false"),
        ),
        (
            {"annotations": {f"{NGINX}proxy-read-timeout": "30s"}},
            (
                "UnsupportedAnnotation",
                f"annotation {NGINX}proxy-read-timeout: '30s' is no number of seconds such as 30",
            ),
        ),
        (
            {"annotations": {f"{NGINX}backend-protocol": "GRPCS"}},
            (
                "UnsupportedAnnotation",
                f"annotation {NGINX}backend-protocol: 'GRPCS' is none of HTTP, HTTPS, GRPC, and does nothing",
            ),
        ),
        (
            {
                "annotations": {f"{NGINX}use-regex": "true"},
                "rules": [host_rule("", ingress_path("/b([", "web"), ingress_path("/[a-z]+", "web"))],
            },
            (
                "UnsupportedAnnotation",
                f"annotation {NGINX}use-regex: path '/b([' is no regular expression, and taken as it is written",
            ),
        ),
    ],
)
def test_ingresses_are_told_what_is_wrong(fields: Doc, complaint: tuple[str, str] | None) -> None:
    rules = fields.pop("rules", [host_rule("", ingress_path("/", "web"))])
    bad = tls_secret("bad", "a.com", key=_key_of_another())
    found = doors(WEB, bad, ingress("a", *rules, **fields))
    assert [(c.reason, c.message) for c in found.complaints] == ([complaint] if complaint else [])


def _key_of_another() -> str:

    return key_pair("another.com")[1]


def test_without_an_ingress_of_ours_there_is_no_door() -> None:
    assert doors(ingress("a", class_name="other")).listeners == ()
    assert [at.name for at in doors(ingress("a")).listeners] == ["ingress/http"]
