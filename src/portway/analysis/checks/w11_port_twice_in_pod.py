"""PW-W11: two containers of a pod declare the same port."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import ContainerPort, container_ports


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        declared: dict[tuple[int, str], list[ContainerPort]] = defaultdict(list)
        for port in container_ports(workload):
            declared[port.number, port.protocol].append(port)
        for (number, protocol), ports in declared.items():
            names = list(dict.fromkeys(port.container for port in ports))
            if len(names) > 1:
                yield Finding(
                    "PW-W11",
                    "error",
                    f"{workload.item.named}: containers {' and '.join(names)} both declare {number}/{protocol}",
                    ports[-1].where("containerPort"),
                    confidence="likely",
                    hop="pod",
                    others=(ports[0].where("containerPort"),),
                    seen=str(number),
                    effect="they share the pod's network: the second one cannot bind and crashes, or gets no traffic",
                    fix=Fix("let one of them listen on another port"),
                    assumptions=("ASSUME_PROCESS_LISTENS",),
                )


def _example(port: int) -> str:
    return examples.workload() + f"      - {{name: proxy, image: proxy, ports: [{{containerPort: {port}}}]}}\n"


CHECK = Check(
    code="PW-W11",
    title="two containers of a pod declare the same port",
    severity="error",
    hop="pod",
    run=_run,
    cause="All containers of a pod share one network. Only one process can listen on a port and protocol.",
    mend="Let one of them listen on another port.",
    rule="Pod networking: one network namespace a pod",
    fails=_example(8080),
    passes=_example(8081),
)
