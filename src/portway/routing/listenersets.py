"""ListenerSets: listeners that others add to a Gateway, which says who may.

A Gateway and its sets are one list: its own listeners first, then those of the oldest set, then by namespace and name.
Of two that cannot be told apart the earlier one keeps what it has.

Source: Gateway API 1.6, apis/v1/listenerset_types.go.
"""

from collections.abc import Mapping, Sequence

from portway.routing.attach import Parent, Parents, lets_in
from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, oldest_first, shown, spec
from portway.routing.listeners import Judged, judged, names
from portway.routing.reports import Condition, ListenerSetReport

KIND = "ListenerSet"


def parents(documents: Documents, gateways: Mapping[Name, Doc]) -> dict[tuple[str, Name], Parent]:
    """What routes may name: these Gateways, and every ListenerSet that names one of them."""
    found = {("Gateway", name): Parent(name, gateway, judged(documents, gateway)) for name, gateway in gateways.items()}
    held = {name: [at.document for at in found["Gateway", name].listeners] for name in gateways}
    for document in oldest_first(documents.listener_sets):
        name = _gateway_of(document)
        if name is not None and name in gateways:
            found[KIND, name_of(document)] = parent = _joining(documents, document, gateways[name], held[name])
            held[name] += [at.document for at in parent.listeners if not at.conflicted.status]
    return found


def _gateway_of(document: Doc) -> Name | None:
    reference = spec(document).get("parentRef") or {}
    if (reference.get("group", GROUP), reference.get("kind", "Gateway")) != (GROUP, "Gateway"):
        return None
    return reference.get("namespace") or name_of(document)[0], str(reference.get("name"))


def _joining(documents: Documents, document: Doc, gateway: Doc, held: Sequence[Doc]) -> Parent:
    """A set at its Gateway; `held`: the listeners that are there before it."""
    allowed = (spec(gateway).get("allowedListeners") or {}).get("namespaces") or {}
    if lets_in(documents, allowed, "None", name_of(gateway)[0], name_of(document)[0]):
        return Parent(name_of(gateway), document, judged(documents, document, held))
    why = f"{shown({**gateway, 'kind': 'Gateway'})} does not allow ListenerSets of namespace {name_of(document)[0]}"
    return Parent(name_of(gateway), document, (), Condition("Accepted", False, "NotAllowed", why))


def listeners_of(found: Parents, gateway: Name) -> list[Judged]:
    """The one list of a Gateway and its sets."""
    return [at for parent in found.values() if parent.gateway == gateway for at in parent.listeners]


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
