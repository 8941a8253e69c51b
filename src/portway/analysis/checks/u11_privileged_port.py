"""PW-U11: a container port below 1024 for a process that is not root."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload, dig
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import container_ports


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for workload in bundle.workloads:
        for port in container_ports(workload):
            container = dig(workload.item.value, port.path[:-2], {})
            if 0 < port.number < 1024 and _is_not_root(workload, container) and not _may_bind(container):
                yield Finding(
                    "PW-U11",
                    "info",
                    f"{workload.item.named}: port {port.number} in a container that does not run as root",
                    port.where("containerPort"),
                    confidence="hint",
                    hop="pod",
                    seen=str(port.number),
                    expected="a port from 1024 on; the Service can still have this one",
                    effect="where the container runtime does not allow it, the process cannot bind",
                )


def _is_not_root(workload: Workload, container: dict[str, object]) -> bool:
    for context in (container.get("securityContext"), workload.pod_spec.get("securityContext")):
        if isinstance(context, dict) and (context.get("runAsNonRoot") is True or context.get("runAsUser")):
            return True
    return False


def _may_bind(container: dict[str, object]) -> bool:
    added = dig(container, "securityContext.capabilities.add", [])
    return isinstance(added, list) and any(one in added for one in ("NET_BIND_SERVICE", "ALL"))


def _example(port: int) -> str:
    return examples.workload(f"{{containerPort: {port}}}", container="securityContext: {runAsUser: 1000}")


CHECK = Check(
    code="PW-U11",
    title="a port below 1024 in a container that is not root",
    severity="info",
    hop="pod",
    run=_run,
    style=True,
    cause="Ports below 1024 are for root, unless net.ipv4.ip_unprivileged_port_start says otherwise, as containerd and "
    "CRI-O do by default today.",
    mend="Listen on a higher port and map it in the Service, or add NET_BIND_SERVICE.",
    controls=("KSV-0117",),
    fails=_example(80),
    passes=_example(8080),
)
