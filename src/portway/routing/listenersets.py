"""ListenerSets: listeners that others add to a Gateway, which says who may.

A Gateway and its sets are one list: its own listeners first, then those of the oldest set, then by namespace and name.
Of two that cannot be told apart the earlier one keeps what it has.

Source: Gateway API 1.6, apis/v1/listenerset_types.go.
"""

from collections.abc import Mapping

from portway.routing.attach import Parent, Parents, lets_in
from portway.routing.clients import guarded
from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, oldest_first, shown, spec
from portway.routing.listeners import TOO_MANY, Held, judged, names
from portway.routing.reports import Condition, ListenerSetReport

KIND = "ListenerSet"


def parents(documents: Documents, gateways: Mapping[Name, Doc]) -> dict[tuple[str, Name], Parent]:
    """What routes may name: these Gateways, and every ListenerSet that names one of them."""
    held = {name: Held() for name in gateways}
    found = {("Gateway", name): _itself(documents, gateway, held[name]) for name, gateway in gateways.items()}
    for document in oldest_first(documents.listener_sets):
        name = _gateway_of(document)
        if name is not None and name in gateways:
            found[KIND, name_of(document)] = _joining(documents, document, gateways[name], held[name])
    return found


def _itself(documents: Documents, gateway: Doc, held: Held) -> Parent:
    """What it asks for is its own, even while two of its own listeners are in conflict."""
    listeners = guarded(documents, gateway, judged(documents, gateway, Held()))
    for at in listeners:
        held.add(at.document)
    return Parent(name_of(gateway), gateway, listeners)


def _gateway_of(document: Doc) -> Name | None:
    reference = spec(document).get("parentRef") or {}
    if (reference.get("group", GROUP), reference.get("kind", "Gateway")) != (GROUP, "Gateway"):
        return None
    return reference.get("namespace") or name_of(document)[0], str(reference.get("name"))


def _joining(documents: Documents, document: Doc, gateway: Doc, held: Held) -> Parent:
    """A set at its Gateway; `held`: what listeners have that are there before it, and then what it has, too."""
    allowed = (spec(gateway).get("allowedListeners") or {}).get("namespaces") or {}
    if not lets_in(documents, allowed, "None", name_of(gateway)[0], name_of(document)[0]):
        why = f"{shown(gateway)} does not allow ListenerSets of namespace {name_of(document)[0]}"
        return Parent(name_of(gateway), document, (), Condition("Accepted", False, "NotAllowed", why))
    listeners = guarded(documents, gateway, judged(documents, document, held))
    for at in listeners:
        if not at.conflicted.status and at.accepted.reason != TOO_MANY:
            held.add(at.document)
    return Parent(name_of(gateway), document, listeners)


def orphaned(documents: Documents) -> list[ListenerSetReport]:
    """Sets that somebody has accepted, of Gateways that are no more."""
    there = set(map(name_of, documents.gateways))
    return [
        ListenerSetReport(name_of(document), gateway, Condition("Accepted", False, "ParentNotAccepted", why))
        for document in documents.listener_sets
        if (gateway := _gateway_of(document)) is not None and gateway not in there and _is_judged(document)
        for why in [f"Gateway {'/'.join(gateway)} does not exist"]
    ]


def _is_judged(document: Doc) -> bool:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Accepted" and condition["status"] != "Unknown" for condition in conditions)


def by_gateway(found: Parents) -> dict[Name, list[Parent]]:
    """Whose listeners are one list: the Gateway, then its sets."""
    groups: dict[Name, list[Parent]] = {}
    for parent in found.values():
        groups.setdefault(parent.gateway, []).append(parent)
    return groups


def accepted(parent: Parent, gateway: Condition) -> Condition:
    """Whether a set is: it may join, its Gateway (whose condition is given) is accepted, and something of it serves."""
    if parent.refusal is not None:
        return parent.refusal
    if not gateway.status:
        return Condition("Accepted", False, "ParentNotAccepted", "its Gateway is not accepted")
    good = [at for at in parent.listeners if at.serves]
    if len(good) == len(parent.listeners):
        return Condition("Accepted", True, "Accepted")
    bad = [at for at in parent.listeners if not at.serves]
    why = f"cannot be served: {names(bad)}; can be: {names(good) or 'none'}"
    return Condition("Accepted", bool(good), "ListenersNotValid", why)


def programmed(report: ListenerSetReport, gateway: Condition) -> Condition:
    """Likewise, from the Gateway's condition Programmed."""
    if not report.accepted.status:
        unaccepted = report.accepted.reason == "ParentNotAccepted"
        reason = "ParentNotProgrammed" if unaccepted else report.accepted.reason
        return Condition("Programmed", False, reason, report.accepted.message)
    if not gateway.status:
        return Condition("Programmed", False, "ParentNotProgrammed", gateway.message)
    return Condition("Programmed", True, "Programmed")
