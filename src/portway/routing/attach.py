"""Which listeners a route belongs to: parentRefs, allowedRoutes, hostnames."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.selectors import from_document
from portway.routing.documents import GROUP, Doc, Documents, Name, name_of, spec
from portway.routing.hosts import covers
from portway.routing.listeners import Judged
from portway.routing.reports import Condition

NAMED_BY_HOST = ("HTTPRoute", "GRPCRoute", "TLSRoute")


class Parent(Struct, frozen=True):
    """What a route may name: a Gateway of ours, or a ListenerSet of one."""

    gateway: Name
    document: Doc
    listeners: Sequence[Judged]
    """Its own: a Gateway's are not those of its sets."""
    refusal: Condition | None = None
    """Why a ListenerSet is not let in; it has no listeners then."""


Parents = Mapping[tuple[str, Name], Parent]
"""By kind and name."""


class Attachment(Struct, frozen=True):
    """A parentRef of a route to one of our Gateways or its ListenerSets."""

    gateway: Name
    parent: Doc
    accepted: Condition
    hostnames: Mapping[str, tuple[str, ...]] = {}
    """By `key` of a listener that takes the route: the hostnames under which it does."""


def attachments(documents: Documents, route: Doc, parents: Parents) -> list[Attachment]:
    """One for each parentRef that names one of these."""
    found = []
    for reference in spec(route).get("parentRefs") or ():
        name = (reference.get("namespace") or name_of(route)[0], str(reference["name"]))
        parent = parents.get((reference.get("kind", "Gateway"), name))
        if parent is not None and reference.get("group", GROUP) == GROUP:
            found.append(_attachment(documents, route, reference, parent))
    return found


def _attachment(documents: Documents, route: Doc, reference: Doc, parent: Parent) -> Attachment:
    """Each step leaves fewer listeners; the one that leaves none is the reason."""
    gateway = parent.gateway
    named = [at for at in parent.listeners if _is_meant(reference, at)]
    if not named:
        why = parent.refusal.message if parent.refusal else "no listener has this sectionName and port"
        return Attachment(gateway, reference, _refused("NoMatchingParent", why))
    allowed = [at for at in named if _allows(documents, name_of(parent.document), at, route)]
    if not allowed:
        return Attachment(gateway, reference, _refused("NotAllowedByListeners", _why_not(route, named)))
    hostnames = {at.key: intersection(at.hostname, _hostnames(route)) for at in allowed}
    taken = {name: hosts for name, hosts in hostnames.items() if hosts}
    if not taken:
        why = "no listener's hostname meets one of the route's"
        return Attachment(gateway, reference, _refused("NoMatchingListenerHostname", why))
    return Attachment(gateway, reference, Condition("Accepted", True, "Accepted"), taken)


def _refused(reason: str, message: str) -> Condition:
    return Condition("Accepted", False, reason, message)


def _is_meant(reference: Doc, listener: Judged) -> bool:
    section, port = reference.get("sectionName"), reference.get("port")
    return section in (None, "", listener.name) and port in (None, listener.document["port"])


def _why_not(route: Doc, listeners: Sequence[Judged]) -> str:
    if not any(route.get("kind") in listener.kinds for listener in listeners):
        return f"no listener takes routes of kind {route.get('kind')}"
    return f"no listener takes routes from namespace {name_of(route)[0]}"


def _allows(documents: Documents, owner: Name, listener: Judged, route: Doc) -> bool:
    namespaces = (listener.document.get("allowedRoutes") or {}).get("namespaces") or {}
    known = route.get("kind") in listener.kinds
    return known and lets_in(documents, namespaces, "Same", owner[0], name_of(route)[0])


def lets_in(documents: Documents, allowed: Doc, otherwise: str, own: str, namespace: str) -> bool:
    """Whether `from` (or what holds otherwise) and `selector` let objects of a namespace join one of `own`."""
    match allowed.get("from") or otherwise:
        case "None":
            return False
        case "All":
            return True
        case "Selector":
            selector = allowed.get("selector")
            return selector is not None and from_document(selector).matches(documents.namespaces.get(namespace, {}))
        case _:
            return namespace == own


def _hostnames(route: Doc) -> tuple[str, ...]:
    if route.get("kind") not in NAMED_BY_HOST:
        return ()
    return tuple(name.lower() for name in spec(route).get("hostnames") or ())


def intersection(listener: str, route: Sequence[str]) -> tuple[str, ...]:
    """The hostnames that both a listener (empty: any) and a route (none: any) take; empty when there are none."""
    if not route:
        return (listener,)
    met = (_meet(listener, name) for name in route)
    return tuple(dict.fromkeys(name for name in met if name is not None))


def _meet(listener: str, route: str) -> str | None:
    """The narrower of two patterns, if the wider one takes it."""
    if listener == route or not listener:
        return route
    if covers(listener, route.removeprefix("*.") if _is_deeper(route, listener) else route):
        return route
    if covers(route, listener.removeprefix("*.") if _is_deeper(listener, route) else listener):
        return listener
    return None


def _is_deeper(one: str, other: str) -> bool:
    """Two wildcards, the first below the second: `*.a.b` below `*.b`, but not `*.b` itself."""
    return one.startswith("*.") and other.startswith("*.") and one.endswith(other[1:]) and one != other
