"""PW-H01: a readiness probe on a port that no Service leads to."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Where
from portway.analysis.reach import targets
from portway.analysis.view import container_ports, services

_HANDLERS = (("httpGet", "port"), ("tcpSocket", "port"), ("grpc", "port"))
_HEALTH = re.compile(r"health|read(?:y|i)|live|alive|status|probe|ping|metrics|monitor|admin", re.IGNORECASE)
"""Paths and ports of such names answer for the whole process: that is what they are for."""


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    served: dict[str, set[int]] = {}
    for service in services(bundle):
        for port, workload, number in targets(bundle, service):
            if port.protocol == "TCP":
                served.setdefault(workload.item.named, set()).add(number)
    for workload in bundle.workloads:
        numbers = served.get(workload.item.named, set())
        probed = list(probes(workload, "readinessProbe")) if numbers else []
        elsewhere = not any(number in numbers for number, _ in probed)
        if probed and elsewhere and not _speaks_for_the_pod(workload, {number for number, _ in probed}):
            number, where = probed[0]
            yield Finding(
                "PW-H01",
                "info",
                f"{workload.item.named} is ready when {number} answers, but Services lead to "
                + ", ".join(str(one) for one in sorted(numbers)),
                where,
                confidence="hint",
                hop="pod",
                seen=str(number),
                expected=", ".join(str(one) for one in sorted(numbers)),
                effect="ready says nothing about the port that gets the traffic",
            )


def _speaks_for_the_pod(workload: Workload, numbers: set[int]) -> bool:
    if numbers <= {number for number, _ in probes(workload, "livenessProbe")}:
        return True
    names = [port.name for port in container_ports(workload) if port.number in numbers]
    paths = [workload.item.get((*path, "readinessProbe", "httpGet", "path"), "") for path, _ in workload.containers()]
    return any(_HEALTH.search(str(text)) for text in (*names, *paths))


def probes(workload: Workload, field: str) -> Iterator[tuple[int, Where]]:
    """The numbers of the ports that a probe of a workload's containers asks, with their places."""
    for path, container in workload.containers():
        for handler, port in _HANDLERS:
            place = (*path, field, handler, port)
            value = workload.item.get(place)
            if isinstance(value, str) and container:
                named = (p.number for p in container_ports(workload) if p.name == value and p.path[: len(path)] == path)
                value = next(named, None)
            if isinstance(value, int):
                yield value, workload.item.where(place)


def _example(port: int) -> str:
    probe = f"readinessProbe: {{httpGet: {{port: {port}}}}}"
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"),
        examples.workload("{containerPort: 8080}, {containerPort: 9090}", container=probe),
    )


CHECK = Check(
    code="PW-H01",
    title="a readiness probe on a port that no Service leads to",
    severity="info",
    hop="pod",
    run=_run,
    cause="Readiness decides whether a pod gets traffic. When the probe asks another port, a pod can be ready that "
    "does not serve. A path or port that is named for health, status or metrics, or that liveness asks too, is taken "
    "to speak for the whole pod.",
    mend="Probe the port that Services lead to; ignore this where the probed port speaks for it.",
    fails=_example(9090),
    passes=_example(8080),
)
