"""PW-U10: liveness and readiness ask the same."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding

_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        for path, container in workload.containers():
            ready, alive = container.get("readinessProbe"), container.get("livenessProbe")
            if not isinstance(ready, dict) or not isinstance(alive, dict):
                continue
            asked = [[probe.get(handler) for handler in _HANDLERS] for probe in (ready, alive)]
            patient = alive.get("failureThreshold", 3) != ready.get("failureThreshold", 3)
            if any(asked[0]) and asked[0] == asked[1] and not patient:
                yield Finding(
                    "PW-U10",
                    "info",
                    f"{workload.item.named}: liveness and readiness ask the same question",
                    workload.item.where((*path, "livenessProbe")),
                    confidence="hint",
                    hop="pod",
                    others=(workload.item.where((*path, "readinessProbe")),),
                    effect="a pod that is only busy is restarted, instead of getting no traffic for a while",
                )


def _example(path: str) -> str:
    probes = (
        "readinessProbe: {httpGet: {path: /ready, port: 8080}}\n"
        f"livenessProbe: {{httpGet: {{path: {path}, port: 8080}}}}"
    )
    return examples.workload(container=probes)


CHECK = Check(
    code="PW-U10",
    title="liveness and readiness ask the same question",
    severity="info",
    hop="pod",
    run=_run,
    style=True,
    cause="Readiness takes a pod out of its Services, liveness restarts it. When both ask the same as patiently, "
    "overload becomes a restart.",
    mend="Let liveness ask less, or more patiently.",
    fails=_example("/ready"),
    passes=_example("/alive"),
)
