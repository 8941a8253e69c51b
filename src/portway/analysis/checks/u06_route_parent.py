"""PW-U06: a route whose parent Gateway, or listener, is not there or does not take it."""

from collections.abc import Iterator

from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import namespace_labels
from portway.analysis.reach import ROUTES, selects
from portway.analysis.view import inside, number, word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for route in bundle.of(*ROUTES):
        for path, parent in inside(route, "spec.parentRefs"):
            if word(parent.get("kind")) not in ("", "Gateway"):
                continue
            namespace = word(parent.get("namespace")) or route.namespace
            gateway = bundle.find("Gateway", namespace, word(parent.get("name")))
            if gateway is None:
                if bundle.in_scope("Gateway", namespace):
                    yield _bad(route, path, f"Gateway {namespace}/{parent.get('name')} is not there")
            elif wrong := _refusal(bundle, route, gateway, word(parent.get("sectionName")), number(parent.get("port"))):
                yield _bad(route, path, wrong)


def _refusal(bundle: Bundle, route: Item, gateway: Item, section: str, port: int) -> str:
    """Why no listener of the Gateway takes the route; empty when one does."""
    listeners = [
        one
        for _, one in inside(gateway, "spec.listeners")
        if (not section or one.get("name") == section) and (not port or one.get("port") == port)
    ]
    if not listeners:
        return f"{gateway.named} has no listener {section or port}"
    if not any(_admits(bundle, route, gateway, one) for one in listeners):
        return f"no listener of {gateway.named} allows routes from namespace {route.namespace}"
    return ""


def _admits(bundle: Bundle, route: Item, gateway: Item, listener: dict[str, object]) -> bool:
    allowed = listener.get("allowedRoutes")
    namespaces = allowed.get("namespaces") if isinstance(allowed, dict) else None
    origin = word(namespaces.get("from")) if isinstance(namespaces, dict) else ""
    if origin == "All":
        return True
    if origin == "Selector" and isinstance(namespaces, dict) and isinstance(namespaces.get("selector"), dict):
        return selects(namespaces["selector"], namespace_labels(bundle, route.namespace))
    return route.namespace == gateway.namespace


def _bad(route: Item, path: tuple[str | int, ...], why: str) -> Finding:
    return Finding(
        "PW-U06",
        "error",
        f"{route.named}: {why}",
        route.where(path),
        hop="door",
        effect="the route serves nothing by this parent",
    )


def _example(section: str) -> str:
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: front}\nspec:\n"
        "  gatewayClassName: portway\n  listeners: [{name: http, port: 80, protocol: HTTP}]\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: shop}\nspec:\n"
        f"  parentRefs: [{{name: front, sectionName: {section}}}]\n"
    )


CHECK = Check(
    code="PW-U06",
    title="a route that its Gateway does not take",
    severity="error",
    hop="door",
    run=_run,
    cause="A route attaches to a Gateway's listener by name or port, and the listener says from which namespaces.",
    mend="Name a listener that is there, and let its allowedRoutes admit the route's namespace.",
    rule="Gateway API: parentRefs, allowedRoutes (Same by default)",
    fails=_example("https"),
    passes=_example("http"),
)
