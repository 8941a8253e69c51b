"""PW-R07 and PW-R09 beyond their examples: doors of Gateway API."""

import json

import pytest

from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.finding import Finding
from portway.analysis.lint import lint
from portway.routing.documents import Doc
from portway.testing.checks import bundle_of
from portway.testing.doordocs import (
    backend,
    endpoint_slice,
    gateway,
    host_rule,
    http,
    https,
    ingress,
    ingress_path,
    listener_set,
    route,
    rule,
    service,
    tls_secret,
)

CHECKS = {one.code: one for one in built_in()}


def _found(code: str, *documents: Doc, complete: bool = False) -> list[Finding]:
    text = "\n---\n".join(map(json.dumps, documents))
    return list(lint(bundle_of(text, complete=complete), [CHECKS[code]], Settings()).findings)


HERE = service("there")


@pytest.mark.parametrize(
    ("kind", "what", "fate"),
    [
        ("HTTPRoute", "requests", "answered 500"),
        ("GRPCRoute", "requests", "answered 500"),
        ("TLSRoute", "connections", "refused"),
        ("TCPRoute", "connections", "refused"),
        ("UDPRoute", "datagrams", "refused"),
    ],
)
def test_what_becomes_of_what_a_route_sends_to_nowhere(kind: str, what: str, fate: str) -> None:
    (missing,) = _found("PW-R07", HERE, route("web", "door", rule(to=[backend("gone")]), kind=kind))
    assert missing.effect == f"{what} are {fate}"
    (port,) = _found("PW-R02", HERE, route("web", "door", rule(to=[backend("there", 9)]), kind=kind))
    assert port.effect == f"its share of the {what} is {fate}, and the route's ResolvedRefs is False"


def test_what_becomes_of_what_an_ingress_sends_to_nowhere() -> None:
    (missing,) = _found("PW-R07", HERE, ingress("web", host_rule("a.example", ingress_path("/", "gone"))))
    assert missing.effect == "requests are answered 503"


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        ({"endpointslice.kubernetes.io/managed-by": "doors.portway.dev"}, []),
        ({}, []),
        ({"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}, ["PW-W01"]),
        (None, ["PW-W01"]),
    ],
)
def test_a_port_that_somebodys_slices_lead_is_not_asked_of_pods(
    labels: dict[str, str] | None, codes: list[str]
) -> None:
    """As a Gateway's door has it: its selector's pods serve HTTP, and its TCP ports lead past them."""
    pods = {"metadata": {"labels": {"app": "door"}}, "spec": {"containers": [{"name": "door", "image": "door"}]}}
    run = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "door", "namespace": "shop"}}
    of = service("door", {"name": "db", "port": 5432, "targetPort": "forwarded"}, selector={"app": "door"})
    led = endpoint_slice("door", "10.244.0.9", port=5432, port_name="db")
    led["metadata"]["labels"] |= labels or {}
    found = _found("PW-W01", of, {**run, "spec": {"template": pods}}, *([led] if labels is not None else []))
    assert [one.code for one in found] == codes


SECRET = tls_secret("tls", "a.example")
MADE = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c", "namespace": "shop"}}
ANNOTATED = gateway("door", https("gone"))
ANNOTATED["metadata"]["annotations"] = {"cert-manager.io/cluster-issuer": "ours"}


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([SECRET, gateway("door", https("tls"))], ""),
        ([SECRET, gateway("door", https("gone"))], "Gateway shop/door: TLS Secret shop/gone is not there"),
        ([SECRET, listener_set("set", "door", https("tls", "gone"))], "ListenerSet shop/set: TLS Secret shop/gone is"),
        ([SECRET, listener_set("set", "door", https("other/gone"))], ""),
        (
            [SECRET, tls_secret("other/tls"), listener_set("set", "door", https("other/gone"))],
            "Secret other/gone is not",
        ),
        ([gateway("door", https("gone")), listener_set("set", "door", https("gone"))], ""),
        ([SECRET, gateway("door", http())], ""),
        ([SECRET, {**MADE, "spec": {"secretName": "gone"}}, listener_set("set", "door", https("gone"))], ""),
        ([SECRET, ANNOTATED], ""),
    ],
)
def test_secrets_of_listeners(documents: list[Doc], said: str) -> None:
    found = _found("PW-R09", *documents)
    assert [said in one.message for one in found] == ([True] if said else []), found


def test_the_place_of_a_certificate_and_what_its_absence_does() -> None:
    (one,) = _found("PW-R09", SECRET, listener_set("set", "door", http(), https("tls", "gone")))
    assert one.where.path == "spec.listeners[1].tls.certificateRefs[1].name"
    assert one.effect == "the listener's ResolvedRefs is False, and it serves nobody without another certificate"
