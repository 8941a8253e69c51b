"""What Gateways want their clients to show, and who is not served because of it."""

from typing import Any

import pytest

from portway.routing.compute import Doors, compute
from portway.routing.documents import Doc
from portway.routing.statuses import DoorState, gateway_status
from portway.routing.table import ClientValidation
from portway.testing.doordocs import (
    asks,
    authorities,
    documents,
    gateway,
    grant,
    http,
    https,
    key_pair,
    listener_set,
    tls_secret,
)

A_TLS = tls_secret("a-tls", "a.com")
CA = authorities("ca")
PEM = key_pair("ca")[0]
OURS = ClientValidation(PEM)
PASSED = http("passed", 8443, protocol="TLS", tls={"mode": "Passthrough"})
ENDED = http("ended", 9443, protocol="TLS", tls={"certificateRefs": [{"name": "a-tls"}]})


def doors(default: Doc, *more: Doc, per_port: dict[int, Doc] | None = None, listeners: Any = None) -> Doors:
    frontend = {"default": default, "perPort": [{"port": p, "tls": tls} for p, tls in (per_port or {}).items()]}
    at = listeners or (https("a-tls"), http(), PASSED, ENDED)
    return compute(documents(gateway("door", *at, tls={"frontend": frontend}), A_TLS, *more))


def asked(found: Doors) -> dict[str, ClientValidation | None]:
    """By listener that serves."""
    return {at.name.rpartition("/")[2]: at.clients for at in found.listeners}


def reasons(found: Doors, name: str = "https") -> dict[str, str]:
    (report,) = found.gateways
    (conditions,) = [at.conditions for at in report.listeners if at.name == name]
    return {c.type: c.reason if c.status else f"!{c.reason}" for c in conditions}


def test_whoever_ends_tls_asks_its_clients() -> None:
    assert asked(doors(asks("ca"), CA)) == {"https": OURS, "http": None, "passed": None, "ended": OURS}
    assert asked(doors({}, CA)) == dict.fromkeys(("https", "http", "passed", "ended"))


@pytest.mark.parametrize(
    ("per_port", "https_port", "ended"),
    [
        ({443: {}}, None, OURS),
        ({443: asks("other")}, ClientValidation(key_pair("other")[0]), OURS),
        ({9443: asks("other")}, OURS, ClientValidation(key_pair("other")[0])),
        ({443: asks("ca", mode="AllowInsecureFallback")}, ClientValidation(PEM, is_required=False), OURS),
    ],
)
def test_a_ports_own_goes_before_the_default(per_port: dict[int, Doc], https_port: Any, ended: Any) -> None:
    found = asked(doors(asks("ca"), CA, authorities("other"), per_port=per_port))
    assert (found["https"], found["ended"]) == (https_port, ended)


def test_several_authorities_are_one() -> None:
    found = asked(doors(asks("ca", "other"), CA, authorities("other")))
    assert found["https"] == ClientValidation(PEM + key_pair("other")[0])


def test_a_key_that_lies_beside_goes_nowhere() -> None:
    found = asked(doors(asks("ca"), authorities("ca", crt=f"# ours\n{key_pair('ca')[1]}{PEM}")))
    assert found["https"] == OURS


BAD = {"Accepted": "!NoValidCACertificate", "Programmed": "!Invalid", "Conflicted": "!NoConflicts"}


@pytest.mark.parametrize("mode", ["AllowValidOnly", "AllowInsecureFallback"])
@pytest.mark.parametrize(
    ("refs", "more", "reason"),
    [
        (asks("gone"), (), "InvalidCACertificateRef"),
        (asks("ca"), (authorities("ca", crt="no certificate"),), "InvalidCACertificateRef"),
        (asks("ca"), (authorities("ca") | {"data": {}},), "InvalidCACertificateRef"),
        (asks("ca", kind="Service"), (CA,), "InvalidCACertificateKind"),
        (asks("far/ca"), (authorities("far/ca"),), "RefNotPermitted"),
        (asks("far/ca"), (authorities("far/ca"), grant("far/g", "Gateway", "shop", "Secret")), "RefNotPermitted"),
    ],
)
def test_who_cannot_tell_clients_apart_serves_nobody(refs: Doc, more: tuple[Doc, ...], reason: str, mode: str) -> None:
    refs["validation"]["mode"] = mode
    found = doors(refs, *more)
    assert asked(found) == {"http": None, "passed": None}
    assert reasons(found) == {**BAD, "ResolvedRefs": f"!{reason}"}
    assert reasons(found, "http")["Programmed"] == "Programmed"
    (report,) = found.gateways
    assert (report.accepted.status, report.accepted.reason) == (True, "ListenersNotValid")


def test_a_grant_lets_a_gateway_read_a_config_map() -> None:
    found = doors(asks("far/ca"), authorities("far/ca", PEM), grant("far/g", "Gateway", "shop", "ConfigMap"))
    assert asked(found)["https"] == OURS


def test_those_that_are_there_are_trusted_and_no_others() -> None:
    found = doors(asks("gone", "ca"), CA)
    assert asked(found)["https"] == OURS
    assert reasons(found) == {
        "Accepted": "Accepted",
        "Programmed": "Programmed",
        "ResolvedRefs": "!InvalidCACertificateRef",
        "Conflicted": "!NoConflicts",
    }


def test_listeners_that_others_add_ask_the_same() -> None:
    of_gateway = gateway(
        "door",
        https("a-tls"),
        tls={"frontend": {"default": asks("ca")}},
        allowedListeners={"namespaces": {"from": "Same"}},
    )
    added = listener_set("more", "door", https("a-tls", name="added", hostname="b.com"))
    assert asked(compute(documents(of_gateway, added, A_TLS, CA))) == {"https": OURS, "added": OURS}
    refused = compute(documents(of_gateway, added, A_TLS))
    assert asked(refused) == {}
    (report,) = refused.listener_sets
    assert not report.accepted.status


def test_insecure_fallback_is_a_condition_while_it_lasts() -> None:
    insecure = doors(asks("ca", mode="AllowInsecureFallback"), CA)
    assert asked(insecure)["https"] == ClientValidation(PEM, is_required=False)
    (report,) = insecure.gateways
    told = gateway_status(gateway("door"), report, DoorState(), "2026-05-05T05:05:05Z")
    conditions = {c["type"]: (c["status"], c["reason"]) for c in told["conditions"]}
    assert conditions["InsecureFrontendValidationMode"] == ("True", "ConfigurationChanged")
    (report,) = doors(asks("ca"), CA).gateways
    old = {**gateway("door"), "status": told}
    again = gateway_status(old, report, DoorState(), "2026-05-05T05:05:05Z")
    assert "InsecureFrontendValidationMode" not in [c["type"] for c in again["conditions"]]
