"""PW-U01: a Service whose selector selects no pod."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.operators import may_select
from portway.analysis.view import ServiceView, services

# Labels that controllers add to pods at run time, beyond their templates.
_ADDED = frozenset(
    {"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "pod-template-hash", "job-name"}
    | {"controller-revision-hash", "batch.kubernetes.io/job-name"}
)


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        wanted = {key: value for key, value in service.selector.items() if key not in _ADDED}
        if service.type != "ExternalName" and wanted and not bundle.selected(service.namespace, wanted):
            yield _finding(bundle, service, wanted)


def _finding(bundle: Bundle, service: ServiceView, wanted: dict[str, str]) -> Finding:
    maker = None if bundle.complete else may_select(bundle, service.namespace, wanted.values())
    near = _nearest(bundle, service.namespace, wanted) if maker is None else None
    seen = not bundle.partial and (bundle.complete or bool(bundle.workloads_in(service.namespace)))
    known = maker is None and seen
    differs = [
        f"{key}: {near.labels[key]}" for key in wanted if near and near.labels.get(key) not in (None, wanted[key])
    ]
    return Finding(
        "PW-U01",
        "error" if known else "info",
        f"{service.item.named} selects no pod"
        + ("" if known else f" of this input, {_why_unknown(bundle, service, maker)}: unknown")
        + (f"; {near.item.named} comes near" if near else ""),
        service.item.where("spec.selector"),
        confidence="certain" if bundle.complete else "likely" if known else "hint",
        hop="endpoint",
        others=(near.item.where(near.path("metadata", "labels")),) if near else (),
        seen=", ".join(f"{key}={value}" for key, value in service.selector.items()),
        expected=", ".join(f"{key}={value}" for key, value in near.labels.items()) if near else "labels that pods have",
        effect="the Service has no endpoints: connections are refused" if known else "",
        fix=Fix(f"selector: {', '.join(differs)}") if differs else None,
    )


def _why_unknown(bundle: Bundle, service: ServiceView, maker: Item | None) -> str:
    if maker:
        return f"but may select what is made of {maker.named}"
    if bundle.partial:
        return "a part of which could not be read"
    return f"which has none in namespace {service.namespace}"


def _nearest(bundle: Bundle, namespace: str, wanted: dict[str, str]) -> Workload | None:
    """The workload that shares most of the labels, or whose values are nearly the same."""
    scored = [(_score(one, wanted), one) for one in bundle.workloads_in(namespace)]
    best = max(scored, key=lambda pair: pair[0], default=(0, None))
    return best[1] if best[0] else None


def _score(workload: Workload, wanted: dict[str, str]) -> int:
    labels = workload.labels
    same = sum(labels.get(key) == value for key, value in wanted.items())
    close = sum(_alike(labels.get(key, ""), value) for key, value in wanted.items())
    return 2 * same + close


def _alike(one: str, other: str) -> bool:
    return bool(one) and (one in other or other in one or sorted(one) == sorted(other))


def _example(label: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", selector=f"app: {label}"), examples.workload()
    )


CHECK = Check(
    code="PW-U01",
    title="a Service that selects no pod",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="No pod template of the namespace has all labels of the selector. Labels that controllers add by themselves "
    "are left out of account.",
    mend="Make the selector a part of the pods' labels, which are those of the template, not of the Deployment.",
    rule="Service.spec.selector",
    controls=("C-0293",),
    fails=_example("shpo"),
    passes=_example("shop"),
)
