"""PW-U06: a route or ListenerSet whose parent, or listener, is not there or does not take it."""

from collections.abc import Iterator

from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import namespace_labels
from portway.analysis.reach import ROUTES, selects
from portway.analysis.view import inside, number, word, words
from portway.kubeapi.errors import Doc
from portway.routing.attach import NAMED_BY_HOST, intersection


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for route in bundle.of(*ROUTES):
        for path, parent in inside(route, "spec.parentRefs"):
            if wrong := _wrong(bundle, route, parent):
                yield _bad(route, path, wrong, "the route serves nothing by this parent")
    for item in bundle.of("ListenerSet"):
        parent = item.get("spec.parentRef")
        if isinstance(parent, dict) and (wrong := _wrong(bundle, item, parent)):
            yield _bad(item, ("spec", "parentRef"), wrong, "its listeners do not exist")


def _wrong(bundle: Bundle, item: Item, reference: Doc) -> str:
    """Why the parent that is named does not take a route or ListenerSet; empty when it does, or cannot be known."""
    kind = word(reference.get("kind")) or "Gateway"
    namespace = word(reference.get("namespace")) or item.namespace
    if kind not in ("Gateway", "ListenerSet"):
        return ""
    parent = bundle.find(kind, namespace, word(reference.get("name")))
    if parent is None:
        return f"{kind} {namespace}/{reference.get('name')} is not there" if bundle.in_scope(kind, namespace) else ""
    if item.kind == "ListenerSet":
        allowed = _lets_in(bundle, parent.get("spec.allowedListeners"), "None", parent, item)
        return "" if allowed else f"{parent.named} does not allow ListenerSets from namespace {item.namespace}"
    return _refusal(bundle, item, parent, word(reference.get("sectionName")), number(reference.get("port")))


def _refusal(bundle: Bundle, route: Item, parent: Item, section: str, port: int) -> str:
    """Why no listener of the parent takes the route; empty when one does."""
    listeners = [
        one
        for _, one in inside(parent, "spec.listeners")
        if (not section or one.get("name") == section) and (not port or one.get("port") == port)
    ]
    if not listeners:
        return f"{parent.named} has no listener {section or port}"
    allowed = [one for one in listeners if _lets_in(bundle, one.get("allowedRoutes"), "Same", parent, route)]
    if not allowed:
        return f"no listener of {parent.named} allows routes from namespace {route.namespace}"
    hostnames = [name.lower() for name in words(route.get("spec.hostnames"))] if route.kind in NAMED_BY_HOST else []
    if not any(intersection(word(one.get("hostname")).lower(), hostnames) for one in allowed):
        return f"no listener of {parent.named} has a hostname that meets {', '.join(hostnames)}"
    return ""


def _lets_in(bundle: Bundle, allowed: object, otherwise: str, parent: Item, item: Item) -> bool:
    """`namespaces` of allowedRoutes or allowedListeners; `otherwise`: what holds when nothing is said."""
    namespaces = allowed.get("namespaces") if isinstance(allowed, dict) else None
    origin = (word(namespaces.get("from")) if isinstance(namespaces, dict) else "") or otherwise
    if origin in ("All", "None"):
        return origin == "All"
    if origin == "Selector" and isinstance(namespaces, dict) and isinstance(namespaces.get("selector"), dict):
        return selects(namespaces["selector"], namespace_labels(bundle, item.namespace))
    return item.namespace == parent.namespace


def _bad(item: Item, path: tuple[str | int, ...], why: str, effect: str) -> Finding:
    return Finding("PW-U06", "error", f"{item.named}: {why}", item.where(path), hop="door", effect=effect)


def _example(section: str) -> str:
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: front}\nspec:\n"
        "  gatewayClassName: portway\n  listeners: [{name: http, port: 80, protocol: HTTP}]\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: shop}\nspec:\n"
        f"  parentRefs: [{{name: front, sectionName: {section}}}]\n"
    )


CHECK = Check(
    code="PW-U06",
    title="a route or ListenerSet that its Gateway does not take",
    severity="error",
    hop="door",
    run=_run,
    cause="A route attaches to a listener of a Gateway or ListenerSet by name or port, and the listener says from "
    "which namespaces. Which ListenerSets join, the Gateway says.",
    mend="Name a parent and a listener that are there, and let allowedRoutes or allowedListeners admit the namespace.",
    rule="Gateway API: parentRefs, allowedRoutes (Same by default), allowedListeners (None by default)",
    fails=_example("https"),
    passes=_example("http"),
)
