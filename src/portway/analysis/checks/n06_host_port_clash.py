"""PW-N06: a hostPort that two workloads, or two replicas of one, want."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix, Where
from portway.analysis.view import ContainerPort, container_ports, word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    wanted: dict[tuple[int, str], list[ContainerPort]] = defaultdict(list)
    for workload in bundle.workloads:
        for port in container_ports(workload):
            if port.host_port:
                wanted[port.host_port, port.protocol].append(port)
    for (number, protocol), ports in wanted.items():
        yield from _between(number, protocol, ports)
        yield from (_alone(port, settings) for port in ports if _too_many(port.workload, settings))


def _between(number: int, protocol: str, ports: list[ContainerPort]) -> Iterator[Finding]:
    first = ports[0]
    for port in ports[1:]:
        if port.workload is not first.workload and not _kept_apart(first.workload, port.workload):
            yield _finding(
                port,
                f"{port.workload.item.named} and {first.workload.item.named} both want {number}/{protocol} of a node",
                (first.where("hostPort"),),
            )


def _kept_apart(one: Workload, other: Workload) -> bool:
    """Whether node selectors differ: then they may well be on different nodes."""
    return one.pod_spec.get("nodeSelector") != other.pod_spec.get("nodeSelector")


def _too_many(workload: Workload, settings: Settings) -> bool:
    """More replicas than nodes; or, on a single node, a rollout that starts the new pod before the old one ends."""
    replicas, nodes = workload.replicas, settings.nodes
    if replicas is None or nodes is None:
        return False
    rolling = word(workload.item.get("spec.strategy.type")) in ("", "RollingUpdate")
    return replicas > nodes or (workload.item.kind == "Deployment" and rolling and replicas == nodes)


def _alone(port: ContainerPort, settings: Settings) -> Finding:
    text = (
        f"{port.workload.item.named}: {port.workload.replicas} replicas want hostPort {port.host_port}, on "
        f"{settings.nodes} nodes, with room for an update"
    )
    return _finding(port, text, ())


def _finding(port: ContainerPort, text: str, others: tuple[Where, ...]) -> Finding:
    return Finding(
        "PW-N06",
        "error",
        text,
        port.where("hostPort"),
        hop="node",
        others=others,
        seen=str(port.host_port),
        effect="a pod that finds no node with the port free stays Pending",
        fix=Fix("a Service instead of the hostPort, or a DaemonSet"),
    )


def _example(port: int) -> str:
    return examples.together(
        examples.workload("{containerPort: 80, hostPort: 8080}", name="web", kind="DaemonSet"),
        examples.workload(f"{{containerPort: 90, hostPort: {port}}}", name="api", kind="DaemonSet"),
    )


CHECK = Check(
    code="PW-N06",
    title="a hostPort that is wanted twice",
    severity="error",
    hop="node",
    run=_run,
    cause="A node has each port once. The scheduler leaves a pod Pending when no node has its hostPorts free; a "
    "rolling update needs one more than there are replicas.",
    mend="Use a Service, or give each workload a port of its own.",
    rule="Scheduler, NodePorts plugin",
    controls=("C-0044", "KSV-0024", "CIS-5.2.13", "NSA"),
    fails=_example(8080),
    passes=_example(8081),
)
