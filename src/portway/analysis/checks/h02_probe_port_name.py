"""PW-H02: a probe that names a port which its container does not define."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import container_ports

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        for path, _ in workload.containers():
            yield from _of_container(workload, path)


def _of_container(workload: Workload, path: tuple[str | int, ...]) -> Iterator[Finding]:
    own = [port for port in container_ports(workload) if port.path[: len(path)] == path]
    for probe in _PROBES:
        for handler in ("httpGet", "tcpSocket"):
            place = (*path, probe, handler, "port")
            name = workload.item.get(place)
            if isinstance(name, str) and not any(port.name == name for port in own):
                others = [port for port in container_ports(workload) if port.name == name]
                elsewhere = f"; container {others[0].container} does" if others else ""
                yield Finding(
                    "PW-H02",
                    "error",
                    f'{workload.item.named}: {probe} asks the port named "{name}", which its container does not define'
                    + elsewhere,
                    workload.item.where(place),
                    hop="pod",
                    others=tuple(port.where("name") for port in others),
                    seen=name,
                    expected=", ".join(port.text for port in own) or "a declared name, or a number",
                    effect="the probe fails: the pod is never ready, or restarted for ever",
                    fix=Fix("a name that the container declares, or the number"),
                )


def _example(name: str) -> str:
    return examples.workload(
        "{name: http, containerPort: 8080}", container=f"readinessProbe: {{httpGet: {{port: {name}}}}}"
    )


CHECK = Check(
    code="PW-H02",
    title="a probe names a port that its container does not define",
    severity="error",
    hop="pod",
    run=_run,
    cause="A probe's port name is looked up in its own container only, not in the pod's others.",
    mend="Declare the name in the container, or write the number.",
    rule="ResolveContainerPort (pkg/probe)",
    fails=_example("web"),
    passes=_example("http"),
)
