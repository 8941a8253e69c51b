"""Reports become status documents: with the generation they are about, and times that change only with the status.

What other controllers wrote stays.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from portway.kubeapi.doorclasses import GATEWAY_CONTROLLER
from portway.routing import listenersets
from portway.routing.documents import GROUP, Doc, meta, name_of, spec
from portway.routing.reports import (
    AncestorReport,
    Condition,
    GatewayReport,
    ListenerReport,
    ListenerSetReport,
    ParentReport,
)

FEATURES = (
    "BackendTLSPolicy",
    "BackendTLSPolicySANValidation",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "GRPCRouteRequestHeaderModifier",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayBackendClientCertificate",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayInfrastructurePropagation",
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
    "UDPRoute",
)
"""status.supportedFeatures of the GatewayClass, in the names of Gateway API's pkg/features."""
HAPROXY_ONLY = ("GatewayFrontendClientCertificateValidationInsecureFallback",)
"""Those of them that the built-in router has not, or not whole."""


class DoorState(Struct, frozen=True):
    """What is known of a door that runs."""

    points: Sequence[Doc] = ()
    """status.loadBalancer.ingress of its Service."""
    ready: bool = False
    """Whether a pod of it is; true of a Gateway that needs none."""


def class_status(gateway_class: Doc, now: str, *, builtin: bool = False) -> Doc:
    """The status of a GatewayClass of ours. `now`: RFC 3339; `builtin`: its doors are the built-in router."""
    accepted = Condition("Accepted", True, "Accepted", "Portway serves Gateways of this class")
    if spec(gateway_class).get("parametersRef"):
        accepted = Condition("Accepted", False, "InvalidParameters", "no kind of parameters is known here")
    old = _status(gateway_class)
    return {
        **old,
        "conditions": _conditions(gateway_class, old.get("conditions"), [accepted], now),
        "supportedFeatures": [{"name": name} for name in FEATURES if not (builtin and name in HAPROXY_ONLY)],
    }


def gateway_status(gateway: Doc, report: GatewayReport, door: DoorState, now: str) -> Doc:
    """The status of a Gateway of ours."""
    old = _status(gateway)
    listeners = {listener["name"]: listener for listener in old.get("listeners") or ()}
    resolved = [report.resolved] if report.resolved else []
    conditions = [report.accepted, programmed(report, door), *resolved, *report.warnings]
    status: Doc = {
        **{key: value for key, value in old.items() if key not in _OF_GATEWAYS},
        "conditions": _conditions(gateway, old.get("conditions"), conditions, now),
        "listeners": [_listener(gateway, at, listeners.get(at.name, {}), now) for at in report.listeners],
    }
    if spec(gateway).get("allowedListeners"):
        status["attachedListenerSets"] = report.attached_sets
    addresses = [_address(point) for point in door.points if report.accepted.status]
    return {"addresses": addresses, **status} if addresses else status


_OF_GATEWAYS = ("addresses", "attachedListenerSets", "conditions", "listeners")


def listener_set_status(document: Doc, report: ListenerSetReport, gateway: Condition, now: str) -> Doc:
    """The status of a ListenerSet; `gateway`: what is said of its Gateway's being programmed."""
    old = _status(document)
    listeners = {listener["name"]: listener for listener in old.get("listeners") or ()}
    conditions = [report.accepted, listenersets.programmed(report, gateway)]
    return {
        "conditions": _conditions(document, old.get("conditions"), conditions, now),
        "listeners": [_listener(document, at, listeners.get(at.name, {}), now) for at in report.listeners],
    }


def _address(point: Doc) -> Doc:
    if point.get("ip"):
        return {"type": "IPAddress", "value": point["ip"]}
    return {"type": "Hostname", "value": point.get("hostname") or ""}


def programmed(report: GatewayReport, door: DoorState) -> Condition:
    """Whether a Gateway's door can be reached."""
    if not report.accepted.status or not report.programmable:
        return Condition("Programmed", False, "Invalid", report.accepted.message or "no listener can be served")
    given = {point.get("ip") for point in door.points}
    if unmet := [address for address in report.addresses if address not in given]:
        why = f"{', '.join(unmet)} cannot be had: see the Events of its Service"
        return Condition("Programmed", False, "AddressNotUsable", why)
    if not door.points:
        why = "its Service has no address yet: see the Events of its Service"
        return Condition("Programmed", False, "AddressNotAssigned", why)
    if not door.ready:
        return Condition("Programmed", False, "Pending", "no pod of its door is ready yet")
    return Condition("Programmed", True, "Programmed")


def _listener(gateway: Doc, report: ListenerReport, old: Doc, now: str) -> Doc:
    return {
        "name": report.name,
        "supportedKinds": [{"group": group, "kind": kind} for group, kind in report.supported_kinds],
        "attachedRoutes": report.attached_routes,
        "conditions": _conditions(gateway, old.get("conditions"), report.conditions, now),
    }


def route_status(route: Doc, parents: Sequence[ParentReport], now: str) -> Doc:
    """The status of a route: our parents after those of others, in the order of spec.parentRefs."""
    return {"parents": _entries(route, "parent", [(report.parent, report.conditions) for report in parents], now)}


def policy_status(policy: Doc, ancestors: Sequence[AncestorReport], now: str) -> Doc:
    """The status of a BackendTLSPolicy: our Gateways after what others wrote."""
    told = [(report.ancestor, report.conditions) for report in ancestors]
    return {"ancestors": _entries(policy, "ancestor", told, now)[:_MOST_ANCESTORS]}


_MOST_ANCESTORS = 16


def _entries(of: Doc, what: str, told: Iterable[tuple[Doc, Sequence[Condition]]], now: str) -> list[Doc]:
    """Those of other controllers, then ours: a reference and its conditions each."""
    old, ref = _status(of).get(f"{what}s") or [], f"{what}Ref"
    ours = [entry for entry in old if entry.get("controllerName") == GATEWAY_CONTROLLER]
    before = {_identity(of, entry[ref]): entry.get("conditions") for entry in ours}
    mine = [
        {
            ref: reference,
            "controllerName": GATEWAY_CONTROLLER,
            "conditions": _conditions(of, before.get(_identity(of, reference)), conditions, now),
        }
        for reference, conditions in told
    ]
    return [entry for entry in old if entry.get("controllerName") != GATEWAY_CONTROLLER] + mine


def _identity(route: Doc, parent: Doc) -> tuple[Any, ...]:
    return (
        parent.get("group", GROUP),
        parent.get("kind", "Gateway"),
        parent.get("namespace") or name_of(route)[0],
        parent.get("name"),
        parent.get("sectionName"),
        parent.get("port"),
    )


def _status(document: Doc) -> Doc:
    return document.get("status") or {}


def _conditions(of: Doc, old: Iterable[Doc] | None, new: Sequence[Condition], now: str) -> list[Doc]:
    """The new conditions, and old ones of types that are not ours; of ours those that no longer hold go."""
    before = {condition["type"]: condition for condition in old or ()}
    made = [_condition(of, before.get(condition.type, {}), condition, now) for condition in new]
    foreign = [condition for type_, condition in before.items() if type_ not in _OURS]
    return made + foreign


_OURS = (
    *("Accepted", "Programmed", "ResolvedRefs", "Conflicted", "PartiallyInvalid"),
    "InsecureFrontendValidationMode",
)


def _condition(of: Doc, old: Doc, new: Condition, now: str) -> Doc:
    status = "True" if new.status else "False"
    return {
        "type": new.type,
        "status": status,
        "reason": new.reason,
        "message": new.message,
        "observedGeneration": int(meta(of).get("generation") or 0),
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == status else now,
    }
