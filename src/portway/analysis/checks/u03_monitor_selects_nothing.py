"""PW-U03: a ServiceMonitor that selects no Service."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.reach import selects
from portway.analysis.view import services, words


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item in bundle.of("ServiceMonitor"):
        anywhere = item.get("spec.namespaceSelector.any") is True
        namespaces = words(item.get("spec.namespaceSelector.matchNames")) or (item.namespace,)
        selector = item.get("spec.selector", {})
        near = [one for one in services(bundle) if anywhere or one.namespace in namespaces]
        if (
            near
            and not bundle.partial
            and isinstance(selector, dict)
            and not any(selects(selector, one.item.labels) for one in near)
        ):
            yield Finding(
                "PW-U03",
                "warning",
                f"{item.named} selects none of the {len(near)} Services of its namespaces",
                item.where("spec.selector"),
                confidence="certain" if bundle.complete else "likely",
                hop="client",
                others=tuple(one.item.where("metadata.labels") for one in near[:3]),
                expected="labels of the Service itself, not of its pods",
                effect="nothing is scraped",
            )


def _example(label: str) -> str:
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: shop}\n"
        f"spec:\n  selector: {{matchLabels: {{app: {label}}}}}\n  endpoints: [{{port: metrics}}]\n"
    )
    text = examples.service("{name: metrics, port: 9100}")
    return examples.together(text.replace("{name: shop}", "{name: shop, labels: {app: shop}}", 1), monitor)


CHECK = Check(
    code="PW-U03",
    title="a ServiceMonitor that selects no Service",
    severity="warning",
    hop="client",
    run=_run,
    cause="A ServiceMonitor selects Services by the Services' own labels, in its own namespace unless it names others.",
    mend="Write labels that the Service has.",
    fails=_example("web"),
    passes=_example("shop"),
)
