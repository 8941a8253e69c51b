"""Gateways and their routes become listeners of a RouteTable, forwards of layer 4, and reports.

Source: Gateway API 1.6 (apis/v1 *_types.go): conditions, reasons, precedence among routes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.kubeapi import ip
from portway.kubeapi.doorclasses import GATEWAY_CONTROLLER
from portway.routing.attach import Attachment, Parent, Parents, attachments
from portway.routing.backendtls import policy_reports
from portway.routing.clients import insecure
from portway.routing.documents import Doc, Documents, Name, name_of, oldest_first, spec
from portway.routing.listeners import Judged, names
from portway.routing.listenersets import KIND, accepted, by_gateway, orphaned, parents
from portway.routing.ownpools import own, shown
from portway.routing.references import Resolved, backend, pool_key
from portway.routing.reports import (
    Condition,
    GatewayReport,
    ListenerReport,
    ListenerSetReport,
    ParentReport,
    PolicyReport,
    RouteReport,
)
from portway.routing.rules import Precedence, Ruled, rules
from portway.routing.table import Certificate, Listener, ListenerProtocol, Pool, Route, VirtualHost, WeightedBackend

GROUP = "gateway.networking.k8s.io"
L4_KINDS = ("TCPRoute", "UDPRoute")


class Forward(Struct, frozen=True):
    """A TCP or UDP listener: its port leads to endpoints without anybody looking at what is said."""

    gateway: Name
    listener: str
    port: int
    protocol: Literal["TCP", "UDP"]
    backends: tuple[WeightedBackend, ...] = ()
    """Of the oldest route; none: nothing answers."""
    route: str = ""


class Gated(Struct, frozen=True):
    """What Gateway API's documents come to."""

    listeners: tuple[Listener, ...] = ()
    pools: Mapping[str, Pool] = {}
    certificates: Mapping[str, Certificate] = {}
    forwards: tuple[Forward, ...] = ()
    gateways: tuple[GatewayReport, ...] = ()
    listener_sets: tuple[ListenerSetReport, ...] = ()
    routes: tuple[RouteReport, ...] = ()
    policies: tuple[PolicyReport, ...] = ()


class _Placed(Struct, frozen=True):
    """A route at a listener."""

    document: Doc
    hostnames: tuple[str, ...]
    ruled: Ruled


def classes(documents: Documents) -> set[str]:
    """The names of the GatewayClasses that are ours."""
    ours = [c for c in documents.gateway_classes if spec(c).get("controllerName") == GATEWAY_CONTROLLER]
    return {name_of(c)[1] for c in ours if not spec(c).get("parametersRef")}


def gated(documents: Documents) -> Gated:
    """All Gateways of our classes and the routes that name them."""
    ours = classes(documents)
    gateways = {name_of(g): g for g in documents.gateways if spec(g).get("gatewayClassName") in ours}
    known = parents(documents, gateways)
    placed: dict[tuple[Name, str], list[_Placed]] = {}
    reports, pools = [], dict[str, Pool]()
    reached: dict[Name, set[Name]] = {}
    for route in oldest_first(documents.routes):
        found = attachments(documents, route, known)
        if found:
            ruled = _ruled(documents, route)
            pools |= dict(ruled.pools)
            reports.append(_route_report(route, found, ruled))
            for service in ruled.services:
                reached.setdefault(service, set()).update(at.gateway for at in found if at.accepted.status)
            for name, at, hostnames in _places(found, ruled):
                placed.setdefault((name, at), []).append(_Placed(route, hostnames, ruled))
    joined = _with_own_pools(documents, gateways, _joined(known, placed, reports, pools))
    sets = (*joined.listener_sets, *orphaned(documents))
    return replace(joined, listener_sets=sets, policies=policy_reports(documents, reached))


def _with_own_pools(documents: Documents, gateways: Mapping[Name, Doc], joined: Gated) -> Gated:
    by_gateway = {name: shown(documents, gateway) for name, gateway in gateways.items()}
    doors = {door_of(name): one for name, one in by_gateway.items()}
    listeners, pools = own(documents, joined.listeners, joined.pools, doors)
    return replace(
        joined,
        listeners=listeners,
        pools={**joined.pools, **pools},
        certificates={**joined.certificates, **dict(one.certificate for one in doors.values() if one.certificate)},
        gateways=tuple(replace(report, resolved=by_gateway[report.name].condition) for report in joined.gateways),
    )


def _joined(
    known: Parents,
    placed: Mapping[tuple[Name, str], Sequence[_Placed]],
    reports: Iterable[RouteReport],
    pools: Mapping[str, Pool],
) -> Gated:
    groups = by_gateway(known)
    gateway_reports = {name: _report(groups[name], placed) for name in sorted(groups)}
    serving = [
        (name, at, placed.get((name, at.key), ()))
        for name, report in gateway_reports.items()
        for parent in (groups[name] if report.accepted.status else ())
        for at in parent.listeners
        if at.serves
    ]
    return Gated(
        tuple(_listener(name, at, here) for name, at, here in serving if at.document["protocol"] not in ("TCP", "UDP")),
        pools,
        {key: found for _, at, _ in serving for key, found in at.certificates},
        tuple(_forward(name, at, here) for name, at, here in serving if at.document["protocol"] in ("TCP", "UDP")),
        tuple(gateway_reports.values()),
        tuple(
            _set_report(parent, gateway_reports[parent.gateway].accepted, placed)
            for (kind, _), parent in sorted(known.items())
            if kind == KIND
        ),
        tuple(reports),
    )


def _places(found: Sequence[Attachment], ruled: Ruled) -> Iterable[tuple[Name, str, tuple[str, ...]]]:
    """(Gateway, key of a listener, hostnames), each listener once even if several parentRefs lead to it."""
    merged: dict[tuple[Name, str], dict[str, None]] = {}
    for attachment in found if not ruled.is_refused else ():
        for listener, hostnames in attachment.hostnames.items():
            merged.setdefault((attachment.gateway, listener), {}).update(dict.fromkeys(hostnames))
    return [(name, listener, tuple(hostnames)) for (name, listener), hostnames in merged.items()]


# Routes


def _ruled(documents: Documents, route: Doc) -> Ruled:
    return _l4_ruled(documents, route) if route.get("kind") in L4_KINDS else rules(documents, route)


def _l4_ruled(documents: Documents, route: Doc) -> Ruled:
    """The one rule of a TCPRoute or UDPRoute."""
    protocol = "TCP" if route["kind"] == "TCPRoute" else "UDP"
    references = [ref for rule in spec(route).get("rules") or () for ref in rule.get("backendRefs") or ()]
    found = [(ref, backend(documents, route, ref, protocol)) for ref in references]
    backends = tuple(_weighted(reference, resolved, protocol) for reference, resolved in found)
    pools = {pool_key(r.pool, protocol): r.pool for _, r in found if r.pool is not None}
    only: tuple[Precedence, Route] = ((), Route(name="/".join(name_of(route)), backends=backends))
    return Ruled((only,), tuple(pools.items()), unresolved=tuple(r for _, r in found if r.pool is None))


def _weighted(reference: Doc, resolved: Resolved, protocol: str) -> WeightedBackend:
    weight = reference.get("weight")
    key = pool_key(resolved.pool, protocol) if resolved.pool else ""
    return WeightedBackend(key, 1 if weight is None else int(weight), resolved.reason)


def _route_report(route: Doc, found: Sequence[Attachment], ruled: Ruled) -> RouteReport:
    parents = [ParentReport(at.parent, tuple(_parent_conditions(at, ruled))) for at in found]
    return RouteReport(str(route.get("kind")), name_of(route), tuple(parents))


def _parent_conditions(attachment: Attachment, ruled: Ruled) -> Iterable[Condition]:
    said = "; ".join(ruled.unsupported)
    if attachment.accepted.status and ruled.is_refused:
        yield Condition("Accepted", False, "UnsupportedValue", said)
    else:
        yield attachment.accepted
        if attachment.accepted.status and said:
            yield Condition("PartiallyInvalid", True, "UnsupportedValue", f"answered 500: {said}")
    if ruled.unresolved:
        messages = "; ".join(dict.fromkeys(resolved.message for resolved in ruled.unresolved))
        yield Condition("ResolvedRefs", False, ruled.unresolved[0].reason, messages)
    else:
        yield Condition("ResolvedRefs", True, "ResolvedRefs")


# Gateways


def _report(group: Sequence[Parent], placed: Mapping[tuple[Name, str], Sequence[_Placed]]) -> GatewayReport:
    """Of a Gateway, the first of its group; the others are its sets."""
    itself, *sets = group
    condition = _gateway_accepted(itself.document, itself.listeners)
    return GatewayReport(
        itself.gateway,
        condition,
        _listener_reports(itself, placed, condition),
        any(at.serves for parent in group for at in parent.listeners),
        tuple(a["value"] for a in _addresses(itself.document) if a.get("value")),
        sum(accepted(other, condition).status for other in sets),
        insecure(itself.document),
    )


def _set_report(
    parent: Parent, gateway: Condition, placed: Mapping[tuple[Name, str], Sequence[_Placed]]
) -> ListenerSetReport:
    condition = accepted(parent, gateway)
    listeners = _listener_reports(parent, placed, gateway)
    return ListenerSetReport(name_of(parent.document), parent.gateway, condition, listeners)


def _listener_reports(
    parent: Parent, placed: Mapping[tuple[Name, str], Sequence[_Placed]], gateway: Condition
) -> tuple[ListenerReport, ...]:
    counts = [(at, len(placed.get((parent.gateway, at.key), ()))) for at in parent.listeners]
    return tuple(_listener_report(at, attached, gateway) for at, attached in counts)


def _addresses(gateway: Doc) -> list[Doc]:
    return spec(gateway).get("addresses") or []


def _gateway_accepted(gateway: Doc, listeners: Sequence[Judged]) -> Condition:
    if reference := (spec(gateway).get("infrastructure") or {}).get("parametersRef"):
        why = f"{reference['kind']} {reference['name']}: no kind of parameters is known here"
        return Condition("Accepted", False, "InvalidParameters", why)
    for address in _addresses(gateway):
        if address.get("type", "IPAddress") != "IPAddress" or ip.parse_exactly(address.get("value") or "::") is None:
            shown = f"{address.get('type', 'IPAddress')} {address.get('value', '')}"
            return Condition("Accepted", False, "UnsupportedAddress", f"{shown} is no IP address")
    bad = [at for at in listeners if not at.accepted.status]
    if bad:
        good = [at for at in listeners if at.accepted.status]
        why = f"not accepted: {names(bad)}; accepted: {names(good) or 'none'}"
        return Condition("Accepted", bool(good), "ListenersNotValid", why)
    return Condition("Accepted", True, "Accepted")


def _listener_report(listener: Judged, attached: int, gateway: Condition) -> ListenerReport:
    programmed = Condition("Programmed", True, "Programmed")
    if not listener.serves:
        reason = listener.conflicted.reason if listener.set and listener.conflicted.status else "Invalid"
        programmed = Condition("Programmed", False, reason, listener.accepted.message or listener.resolved.message)
    elif not gateway.status:
        programmed = Condition("Programmed", False, "Invalid", gateway.message)
    conditions = (listener.accepted, programmed, listener.resolved, listener.conflicted)
    return ListenerReport(listener.name, tuple((GROUP, kind) for kind in listener.kinds), attached, conditions)


# Tables


_PROTOCOLS: dict[str, ListenerProtocol] = {"HTTP": "HTTP", "HTTPS": "HTTPS", "TLS": "TLS"}


def door_of(gateway: Name) -> str:
    """`gateway/NAMESPACE/NAME`."""
    return f"gateway/{'/'.join(gateway)}"


def _listener(gateway: Name, listener: Judged, placed: Sequence[_Placed]) -> Listener:
    return Listener(
        name=f"{'/'.join(gateway)}/{listener.key}",
        door=door_of(gateway),
        port=listener.document["port"],
        protocol=_PROTOCOLS[listener.document["protocol"]],
        hostname=listener.hostname,
        certificates=tuple(dict.fromkeys(key for key, _ in listener.certificates)),
        clients=listener.clients,
        hosts=_virtual_hosts(placed),
    )


def _virtual_hosts(placed: Sequence[_Placed]) -> tuple[VirtualHost, ...]:
    """The routes of each hostname, in Gateway API's order of precedence."""
    by_host: dict[str, list[tuple[Precedence, Route]]] = {}
    for route in placed:
        for hostname in route.hostnames:
            by_host.setdefault(hostname, []).extend(route.ruled.routes)
    return tuple(
        VirtualHost(hostname, routes=tuple(route for _, route in sorted(routes, key=lambda pair: pair[0])))
        for hostname, routes in sorted(by_host.items())
    )


def _forward(gateway: Name, listener: Judged, placed: Sequence[_Placed]) -> Forward:
    """The oldest route has the listener for itself."""
    protocol: Literal["TCP", "UDP"] = "UDP" if listener.document["protocol"] == "UDP" else "TCP"
    port = listener.document["port"]
    if not placed:
        return Forward(gateway, listener.key, port, protocol)
    ((_, route),) = placed[0].ruled.routes
    return Forward(gateway, listener.key, port, protocol, route.backends, route.name)
