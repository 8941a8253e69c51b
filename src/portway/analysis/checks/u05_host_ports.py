"""PW-U05: pods that take the nodes' own network or ports."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import container_ports


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        on_host = workload.pod_spec.get("hostNetwork") is True
        if on_host:
            where = workload.item.where(workload.path("spec", "hostNetwork"))
            text = f"{workload.item.named} runs on the nodes' own network"
            effect = "it sees the nodes' loopback and traffic, and its ports are the nodes'"
            yield Finding("PW-U05", "warning", text, where, hop="pod", seen="hostNetwork: true", effect=effect)
        for port in container_ports(workload) if not on_host else ():
            if port.host_port:
                yield Finding(
                    "PW-U05",
                    "info",
                    f"{workload.item.named} takes port {port.host_port}/{port.protocol} of its nodes",
                    port.where("hostPort"),
                    hop="node",
                    seen=str(port.host_port),
                    expected="a Service",
                    effect="one pod a node, reachable by whoever reaches the node",
                )


CHECK = Check(
    code="PW-U05",
    title="pods that take the nodes' network or ports",
    severity="warning",
    hop="node",
    run=_run,
    style=True,
    cause="hostNetwork and hostPort go around Services, and hostNetwork around policies as well.",
    mend="Use a Service, unless it is the node itself that is served.",
    controls=("C-0041", "C-0044", "KSV-0009", "KSV-0024", "CIS-5.2.5", "CIS-5.2.13", "NSA"),
    fails=examples.workload("{containerPort: 80, hostPort: 80}"),
    passes=examples.workload("{containerPort: 80}"),
)
