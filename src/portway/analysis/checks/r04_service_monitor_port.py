"""PW-R04: a ServiceMonitor that names a port which its Services do not have."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import selects
from portway.analysis.view import ServiceView, inside, services, words


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item in bundle.of("ServiceMonitor"):
        chosen = [service for service in services(bundle) if _watches(item, service)]
        for path, endpoint in inside(item, "spec.endpoints"):
            port = endpoint.get("port")
            if chosen and isinstance(port, int | str) and not any(p.name == port for s in chosen for p in s.ports):
                names = ", ".join(dict.fromkeys(p.name or "(no name)" for s in chosen for p in s.ports))
                yield Finding(
                    "PW-R04",
                    "error",
                    f"{item.named} scrapes the port named {port!r}, which none of its {len(chosen)} Services has",
                    item.where((*path, "port")),
                    hop="client",
                    others=tuple(service.item.where("spec.ports") for service in chosen[:3]),
                    seen=str(port),
                    expected=names,
                    effect="nothing is scraped",
                    fix=Fix("the name of a Service port; the pod's own port goes into targetPort"),
                )


def _watches(item: Item, service: ServiceView) -> bool:
    everywhere = item.get("spec.namespaceSelector.any") is True
    namespaces = words(item.get("spec.namespaceSelector.matchNames")) or (item.namespace,)
    selector = item.get("spec.selector", {})
    return (everywhere or service.namespace in namespaces) and selects(
        selector if isinstance(selector, dict) else {}, service.item.labels
    )


def _example(name: str) -> str:
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: shop}\n"
        f"spec:\n  selector: {{}}\n  endpoints: [{{port: {name}}}]\n"
    )
    return examples.together(examples.service("{name: metrics, port: 9100}"), monitor)


CHECK = Check(
    code="PW-R04",
    title="a ServiceMonitor that names a port which no Service has",
    severity="error",
    hop="client",
    run=_run,
    cause="A ServiceMonitor's port is the name of a Service port, not a number and not the container's name.",
    mend="Name the Service's port; without a name use targetPort.",
    rule="monitoring.coreos.com/v1 Endpoint.port",
    fails=_example("http"),
    passes=_example("metrics"),
)
