"""PW-W08: a Service that selects the pods of two or more workloads."""

from collections.abc import Iterator, Sequence

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import ServiceView, container_ports, resolve, services

_VERSIONS = ("version", "app.kubernetes.io/version", "track", "slot", "color")
_PASSING = frozenset({"Job", "CronJob"})


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        several = len({one.item.kind + one.item.name for one in workloads if one.item.kind != "Pod"}) > 1
        if several and (any(_refuses(service, one) for one in workloads) or not _versions(workloads)):
            yield _finding(service, workloads)


def _finding(service: ServiceView, workloads: tuple[Workload, ...]) -> Finding:
    cannot = [one for one in workloads if _refuses(service, one)]
    names = ", ".join(one.item.named for one in workloads)
    broken = f"; {len(cannot)} of {len(workloads)} cannot serve it" if cannot else ""
    return Finding(
        "PW-W08",
        "error" if cannot and len(cannot) < len(workloads) else "info",
        f"{service.item.named} selects pods of {len(workloads)} workloads: {names}{broken}",
        service.item.where("spec.selector"),
        confidence="likely" if cannot else "hint",
        hop="endpoint",
        others=tuple(one.item.where(one.path("metadata", "labels")) for one in cannot or workloads),
        seen=", ".join(f"{key}={value}" for key, value in service.selector.items()),
        effect=f"about {len(cannot)} of {len(workloads)} new connections reach a pod that does not serve them"
        if cannot
        else "",
        fix=Fix("add a label that only the wanted pods have to their template first, then to the selector"),
    )


def _versions(workloads: Sequence[Workload]) -> bool:
    """Whether they are told apart as versions of one application: both are meant."""
    return any(len({one.labels.get(key) for one in workloads} - {None}) == len(workloads) for key in _VERSIONS)


def _refuses(service: ServiceView, workload: Workload) -> bool:
    """Whether its pods declare ports, and one that the Service leads to is none of them."""
    declared = {(port.number, port.protocol) for port in container_ports(workload)}
    numbers = {(resolve(port, workload), port.protocol) for port in service.ports}
    return workload.item.kind in _PASSING or bool(declared and numbers - declared)


def _example(selector: str) -> str:
    return examples.together(
        examples.service("{port: 443, targetPort: 8443}", selector=selector),
        examples.workload("{containerPort: 8443}", name="webhook", labels="name: operator, part: webhook"),
        examples.workload("{containerPort: 9090}", name="operator", labels="name: operator, part: manager"),
    )


CHECK = Check(
    code="PW-W08",
    title="one Service selects the pods of several workloads",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="Labels that two workloads share let a Service send a part of its connections to the wrong one. With a wrong "
    "port behind it, that part is refused: half of the admission calls, for instance.",
    mend="Give the wanted pods a label of their own and select by it. Ignore it where both are meant: a canary.",
    rule="Service.spec.selector selects pods, whoever made them",
    fails=_example("name: operator"),
    passes=_example("name: operator, part: webhook"),
)
