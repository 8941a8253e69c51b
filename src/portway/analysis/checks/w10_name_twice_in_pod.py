"""PW-W10: a port name twice in one pod."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import ContainerPort, container_ports


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        named: dict[tuple[str, str], list[ContainerPort]] = defaultdict(list)
        for port in container_ports(workload):
            named[port.name, port.protocol].append(port)
        for (name, protocol), ports in named.items():
            if name and len(ports) > 1:
                first, *others = ports
                yield Finding(
                    "PW-W10",
                    "error",
                    f'{workload.item.named}: port name "{name}" ({protocol}) comes {len(ports)} times; only '
                    f"{first.number} of container {first.container} counts",
                    others[0].where("name"),
                    hop="pod",
                    others=(first.where("name"),),
                    seen=", ".join(f"{port.container} {port.number}" for port in ports),
                    effect="a Service with this targetPort never reaches the others",
                    fix=Fix("give each port a name of its own"),
                )


def _example(name: str) -> str:
    sidecar = f"- {{name: proxy, image: proxy, ports: [{{name: {name}, containerPort: 9090}}]}}"
    text = examples.workload("{name: http, containerPort: 8080}")
    return text + f"      {sidecar}\n"


CHECK = Check(
    code="PW-W10",
    title="a port name comes twice in one pod",
    severity="error",
    hop="pod",
    run=_run,
    cause="Names of container ports count for the whole pod, and the first container that has one wins. Kubernetes "
    "refuses a name twice in one container only.",
    mend="Give each port a name of its own.",
    rule="FindPort (pkg/api/v1/pod/util.go): the first match over all containers",
    fails=_example("http"),
    passes=_example("admin"),
)
