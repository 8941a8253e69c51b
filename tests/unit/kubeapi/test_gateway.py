"""Gateway API's kinds in the API: what is put in, what is refused and with which words."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import strict
from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.errors import Doc
from portway.kubeapi.gateway import defaults, structure
from portway.kubeapi.gateway.rules import RULES, milliseconds
from portway.kubeapi.kinds import Kind
from portway.kubeapi.printing import table
from portway.kubeapi.schema import TYPES

VALIDATION: Doc = {"hostname": "a.com", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
TARGET: Doc = {"group": "", "kind": "Service", "name": "web"}
SPECS: dict[str, Doc] = {
    "BackendTLSPolicy": {"targetRefs": [TARGET], "validation": VALIDATION},
    "GatewayClass": {"controllerName": "example.net/gateway"},
    "Gateway": {"gatewayClassName": "portway", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    "ListenerSet": {
        "parentRef": {"name": "door"},
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    },
    "HTTPRoute": {"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
    "GRPCRoute": {"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
    "TCPRoute": {"rules": [{"backendRefs": [{"name": "db", "port": 5432}]}]},
    "UDPRoute": {"rules": [{"backendRefs": [{"name": "dns", "port": 53}]}]},
    "TLSRoute": {"hostnames": ["a.com"], "rules": [{"backendRefs": [{"name": "web", "port": 443}]}]},
    "ReferenceGrant": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
        "to": [{"group": "", "kind": "Service"}],
    },
}


def kind_of(name: str) -> Kind:
    found = by_kind("gateway.networking.k8s.io/v1", name)
    assert found is not None
    return found


def with_at(document: Doc, path: str, value: Any) -> Doc:
    """A copy with a value at a path: `spec.rules.0.matches`; None takes it out."""
    document = copy.deepcopy(document)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    here: Any = document
    for step in steps:
        here = here[step] if isinstance(step, int) else here.setdefault(step, {})
    if value is None:
        del here[last]
    else:
        here[last] = value
    return document


def made(name: str, path: str = "", value: Any = None) -> Doc:
    document: Doc = {"metadata": {"name": "x", "namespace": "shop"}, "spec": SPECS[name]}
    return with_at(document, path, value) if path else copy.deepcopy(document)


def errors(name: str, document: Doc, old: Doc | None = None) -> list[str]:
    kind_of(name).default(document)
    return [str(error) for error in kind_of(name).validate(document, old)]


@pytest.mark.parametrize("name", SPECS)
def test_a_plain_one_is_fine_and_defaulting_twice_changes_nothing(name: str) -> None:
    document = made(name)
    assert errors(name, document) == []
    again = copy.deepcopy(document)
    kind_of(name).default(again)
    assert again == document


def test_defaults_reach_into_defaults() -> None:
    route = made("HTTPRoute", "spec.parentRefs", [{"name": "gateway"}])
    kind_of("HTTPRoute").default(route)
    assert route["spec"]["parentRefs"] == [{"name": "gateway", "group": "gateway.networking.k8s.io", "kind": "Gateway"}]
    assert route["spec"]["rules"] == [
        {
            "backendRefs": [{"name": "web", "port": 80, "group": "", "kind": "Service", "weight": 1}],
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        }
    ]
    for kind in ("Gateway", "ListenerSet"):
        door = made(kind)
        kind_of(kind).default(door)
        assert door["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
        assert [c["type"] for c in door["status"]["conditions"]] == ["Accepted", "Programmed"]
    assert door["spec"]["parentRef"] == {"name": "door", "group": "gateway.networking.k8s.io", "kind": "Gateway"}
    letting = made("Gateway", "spec.allowedListeners", {})
    kind_of("Gateway").default(letting)
    assert letting["spec"]["allowedListeners"] == {"namespaces": {"from": "None"}}


def test_a_new_object_waits_whatever_status_it_came_with() -> None:
    gateway = made("Gateway") | {"status": {"conditions": []}}
    kind_of("Gateway").prepare_create(gateway)
    assert {c["status"] for c in gateway["status"]["conditions"]} == {"Unknown"}


PATHS = "spec.rules.0.matches"
FILTERS = "spec.rules.0.filters"
REDIRECT = {
    "type": "RequestRedirect",
    "requestRedirect": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
}


def _cors(**fields: Any) -> Doc:
    return {"type": "CORS", "cors": fields}


LISTENER = {"name": "a", "port": 80, "protocol": "HTTP"}
REFUSED: list[tuple[str, str, Any, str]] = [
    ("GatewayClass", "spec.controllerName", "example", "spec.controllerName in body should match"),
    ("GatewayClass", "spec.controllerName", None, "spec.controllerName: Required value"),
    ("GatewayClass", "spec.description", "x" * 65, "spec.description: Too long: may not be more than 64 bytes"),
    ("Gateway", "spec.listeners", [], "spec.listeners in body should have at least 1 items"),
    ("Gateway", "spec.listeners.0.port", 65536, "should be less than or equal to 65535"),
    ("Gateway", "spec.listeners.0.name", "A", "spec.listeners[0].name in body should match"),
    ("Gateway", "spec.listeners", [LISTENER, LISTENER], 'spec.listeners[1]: Duplicate value: {"name":"a"}'),
    (
        "Gateway",
        "spec.listeners",
        [LISTENER, {**LISTENER, "name": "b"}],
        'spec.listeners: Invalid value: "array": Combination of port, protocol and hostname must be unique',
    ),
    (
        "Gateway",
        "spec.listeners.0.tls",
        {"certificateRefs": [{"name": "x"}]},
        "tls must not be specified for protocols",
    ),
    ("Gateway", "spec.listeners.0.protocol", "TLS", "tls mode must be set for protocol TLS"),
    (
        "Gateway",
        "spec.listeners.0",
        {"name": "a", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}},
        "tls mode must be Terminate for protocol HTTPS",
    ),
    (
        "Gateway",
        "spec.listeners.0",
        {"name": "a", "port": 443, "protocol": "HTTPS", "tls": {}},
        'spec.listeners[0].tls: Invalid value: "object": certificateRefs or options must be specified when mode is',
    ),
    (
        "Gateway",
        "spec.listeners.0",
        {"name": "a", "port": 443, "protocol": "TCP", "hostname": "a.com"},
        "hostname must not be specified for protocols ['TCP', 'UDP']",
    ),
    ("Gateway", "spec.addresses", [{"value": "10.0.0.1"}] * 2, "IPAddress values must be unique"),
    ("Gateway", "spec.addresses", [{"type": "Hostname", "value": "a_b"}], "Hostname value must be empty or contain"),
    ("Gateway", "spec.allowedListeners", {"namespaces": {"from": "Any"}}, 'namespaces.from: Unsupported value: "Any"'),
    ("ListenerSet", "spec.parentRef", None, "spec.parentRef: Required value"),
    ("ListenerSet", "spec.parentRef.name", "", "spec.parentRef.name in body should be at least 1 chars long"),
    ("ListenerSet", "spec.listeners", [], "spec.listeners in body should have at least 1 items"),
    ("ListenerSet", "spec.listeners", [LISTENER, LISTENER], 'spec.listeners[1]: Duplicate value: {"name":"a"}'),
    ("ListenerSet", "spec.listeners.0.protocol", "TLS", "tls mode must be set for protocol TLS"),
    (
        "ListenerSet",
        "spec.listeners",
        [LISTENER, {**LISTENER, "name": "b"}],
        'spec.listeners: Invalid value: "array": Combination of port, protocol and hostname must be unique',
    ),
    ("BackendTLSPolicy", "spec.targetRefs", [], "spec.targetRefs in body should have at least 1 items"),
    ("BackendTLSPolicy", "spec.targetRefs.0.group", None, "spec.targetRefs[0].group: Required value"),
    ("BackendTLSPolicy", "spec.targetRefs", [TARGET, TARGET], "sectionName must be unique when targetRefs includes"),
    (
        "BackendTLSPolicy",
        "spec.targetRefs",
        [TARGET, {**TARGET, "sectionName": "https"}],
        "sectionName must be specified when targetRefs includes 2 or more references to the same target",
    ),
    ("BackendTLSPolicy", "spec.validation.hostname", "*.a.com", "spec.validation.hostname in body should match"),
    ("BackendTLSPolicy", "spec.validation.hostname", None, "spec.validation.hostname: Required value"),
    (
        "BackendTLSPolicy",
        "spec.validation.caCertificateRefs",
        None,
        'spec.validation: Invalid value: "object": must specify either CACertificateRefs or WellKnownCACertificates',
    ),
    (
        "BackendTLSPolicy",
        "spec.validation.wellKnownCACertificates",
        "System",
        "must not contain both CACertificateRefs and WellKnownCACertificates",
    ),
    ("BackendTLSPolicy", "spec.validation.wellKnownCACertificates", "Own", "wellKnownCACertificates in body should"),
    (
        "BackendTLSPolicy",
        "spec.validation.subjectAltNames",
        [{"type": "URI", "hostname": "a.com"}],
        "SubjectAltName element must contain URI, if Type is set to URI",
    ),
    (
        "BackendTLSPolicy",
        "spec.validation.subjectAltNames",
        [{"type": "Hostname", "hostname": "a.com", "uri": "spiffe://a/b"}],
        "SubjectAltName element must not contain URI, if Type is not set to URI",
    ),
    (
        "BackendTLSPolicy",
        "spec.validation.subjectAltNames",
        [{"type": "URI", "uri": "a.com"}],
        "subjectAltNames[0].uri in body should match",
    ),
    ("HTTPRoute", "spec.hostnames", ["http://a"], "spec.hostnames[0] in body should match"),
    ("HTTPRoute", "spec.parentRefs", [{"name": "a"}, {"name": "a"}], "sectionName must be unique when parentRefs"),
    (
        "HTTPRoute",
        "spec.parentRefs",
        [{"name": "a"}, {"name": "a", "sectionName": "s"}],
        "sectionName must be specified when parentRefs includes 2 or more",
    ),
    ("HTTPRoute", PATHS, [{"path": {"value": "a"}}], "value must be an absolute path and start with '/'"),
    ("HTTPRoute", PATHS, [{"path": {"value": "/a//b"}}], "must not contain '//' when type one of"),
    ("HTTPRoute", PATHS, [{"path": {"value": "/a/.."}}], "must not end with '/..'"),
    ("HTTPRoute", PATHS, [{"path": {"value": "/a b"}}], "must only contain valid characters"),
    (
        "HTTPRoute",
        PATHS,
        [{"path": {"type": "Glob"}}],
        'Unsupported value: "Glob": supported values: "Exact", "PathPrefix"',
    ),
    ("HTTPRoute", PATHS, [{"method": "get"}], 'spec.rules[0].matches[0].method: Unsupported value: "get"'),
    ("HTTPRoute", PATHS, [{"headers": [{"name": "a", "value": "1"}] * 2}], "headers[1]: Duplicate value"),
    ("HTTPRoute", PATHS, [{"headers": [{"name": "a/", "value": "1"}]}], "headers[0].name in body should match"),
    ("HTTPRoute", FILTERS, [{"type": "RequestRedirect"}], "filter.requestRedirect must be specified for"),
    ("HTTPRoute", FILTERS, [{"type": "URLRewrite", "urlRewrite": {}}] * 2, "URLRewrite filter cannot be repeated"),
    ("HTTPRoute", FILTERS, [REDIRECT], "RequestRedirect filter must not be used together with backendRefs"),
    (
        "HTTPRoute",
        "spec.rules.0",
        {"filters": [REDIRECT], "matches": [{"path": {"type": "Exact"}}]},
        "When using RequestRedirect filter with path.replacePrefixMatch, exactly one PathPrefix match",
    ),
    (
        "HTTPRoute",
        FILTERS,
        [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}],
        "replaceFullPath must be specified when type is set to 'ReplaceFullPath'",
    ),
    ("HTTPRoute", FILTERS, [_cors(allowOrigins=["shop.example"])], "allowOrigins[0] in body should match"),
    ("HTTPRoute", FILTERS, [_cors(allowOrigins=["*", "https://a"])], "AllowOrigins cannot contain '*' alongside other"),
    ("HTTPRoute", FILTERS, [_cors(allowMethods=["*", "GET"])], "AllowMethods cannot contain '*' alongside other"),
    ("HTTPRoute", FILTERS, [_cors(allowHeaders=["*", "X"])], "AllowHeaders cannot contain '*' alongside other"),
    ("HTTPRoute", FILTERS, [_cors(allowMethods=["get"])], 'allowMethods[0]: Unsupported value: "get"'),
    ("HTTPRoute", FILTERS, [_cors(maxAge=0)], "maxAge in body should be greater than or equal to 1"),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.port", None, "Must have port for Service reference"),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.weight", -1, "should be greater than or equal to 0"),
    ("HTTPRoute", "spec.rules.0.timeouts", {"request": "1"}, "spec.rules[0].timeouts.request in body should match"),
    (
        "HTTPRoute",
        "spec.rules.0.timeouts",
        {"request": "1s", "backendRequest": "1m"},
        "backendRequest timeout cannot be longer than request timeout",
    ),
    ("HTTPRoute", "spec.rules.0.matches", [{}] * 65, "must have at most 64 items"),
    ("GRPCRoute", PATHS, [{"method": {}}], "One or both of 'service' or 'method' must be specified"),
    ("TCPRoute", "spec.rules", [SPECS["TCPRoute"]["rules"][0]] * 2, "must have at most 1 item"),
    ("TLSRoute", "spec.hostnames", None, "spec.hostnames: Required value"),
    ("ReferenceGrant", "spec.from", None, "spec.from: Required value"),
    ("ReferenceGrant", "spec.from.0.namespace", "", "should be at least 1 chars long"),
]


@pytest.mark.parametrize(("name", "path", "value", "why"), REFUSED, ids=lambda part: str(part)[:40])
def test_refused(name: str, path: str, value: Any, why: str) -> None:
    found = errors(name, made(name, path, value))
    assert len([text for text in found if why in text]) == 1, found


def test_who_serves_a_class_stays() -> None:
    old, new = made("GatewayClass"), made("GatewayClass", "spec.controllerName", "example.net/other")
    assert errors("GatewayClass", new, old) == [
        'spec.controllerName: Invalid value: "example.net/other": field is immutable'
    ]


def test_a_status_is_looked_at_only_when_it_is_written() -> None:
    route = made("HTTPRoute") | {"status": {"parents": [{"controllerName": "a"}]}}
    kind_of("HTTPRoute").default(route)
    assert kind_of("HTTPRoute").validate(route, None) == []
    assert {e.field for e in kind_of("HTTPRoute").validate_status(route, made("HTTPRoute"))} == {
        "status.parents[0].conditions",
        "status.parents[0].controllerName",
        "status.parents[0].parentRef",
    }


def test_the_tables_name_types_and_fields_that_there_are() -> None:
    named = [
        (type_, field) for table in (defaults.DEFAULTS, structure.RULES) for type_ in table for field in table[type_]
    ]
    named += [(type_, field) for type_, rules in RULES.items() for field, _ in rules if field]
    shared = {"name", "namespace", "filters"}
    assert [(t, f) for t, f in named if f not in TYPES[t].fields and f not in shared] == []


def test_durations() -> None:
    assert [milliseconds(text) for text in ("0s", "1h10m", "500ms", "1m5s10ms")] == [0, 4_200_000, 500, 65_010]


def test_columns() -> None:
    gateway = made("Gateway") | {
        "status": {
            "addresses": [{"value": "10.0.0.1"}, {"value": "fd00::1"}],
            "conditions": [{"type": "Programmed", "status": "True"}],
        }
    }
    shown = table(kind_of("Gateway"), [gateway], 0.0, {}, "None")
    assert [column["name"] for column in shown["columnDefinitions"]] == [
        "Name",
        "Class",
        "Address",
        "Programmed",
        "Age",
    ]
    assert shown["rows"][0]["cells"][:4] == ["x", "portway", "10.0.0.1 fd00::1", "True"]
    listeners = made("ListenerSet") | {"status": {"conditions": [{"type": "Accepted", "status": "True"}]}}
    assert table(kind_of("ListenerSet"), [listeners], 0.0, {}, "None")["rows"][0]["cells"][:3] == ["x", "True", ""]
    route = made("HTTPRoute", "spec.hostnames", ["a.com", "*.b.com"])
    assert table(kind_of("HTTPRoute"), [route], 0.0, {}, "None")["rows"][0]["cells"][1] == '["a.com","*.b.com"]'


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "/", "a", "RequestRedirect"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "path", "type"]), inner),
    max_leaves=4,
)


@given(st.sampled_from(["matches", "filters", "backendRefs", "timeouts"]), _JSON)
def test_whatever_passes_the_decoder_gets_an_answer(field: str, value: Any) -> None:
    document = made("HTTPRoute", f"spec.rules.0.{field}", value) if value is not None else made("HTTPRoute")
    if not strict.check(kind_of("HTTPRoute"), document).mismatch:
        assert all(text.startswith("spec.") for text in errors("HTTPRoute", document))
