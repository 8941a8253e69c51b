"""PW-N05: a nodePort that is a hostPort, or a port of a pod on the host's network, too."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    on_hosts = {
        (port.host_port, port.protocol): port
        for workload in bundle.workloads
        for port in container_ports(workload)
        if port.host_port
    }
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            if port.node_port and (taken := on_hosts.get((port.node_port, port.protocol))):
                yield Finding(
                    "PW-N05",
                    "error",
                    f"nodePort {port.node_port}/{port.protocol} of {service.item.named} takes the packets of "
                    f"{taken.workload.item.named}, which has that port of the nodes",
                    port.where("nodePort"),
                    hop="node",
                    others=(taken.where("hostPort"),),
                    seen=str(port.node_port),
                    effect="translation comes before the node's own sockets: the pod never sees a packet",
                    fix=Fix("another number for one of them"),
                )


def _example(port: int) -> str:
    return examples.together(
        examples.service(f"{{port: 80, nodePort: {port}}}", more="type: NodePort"),
        examples.workload("{containerPort: 8080, hostPort: 30080}", name="agent", kind="DaemonSet"),
    )


CHECK = Check(
    code="PW-N05",
    title="a nodePort that is a hostPort too",
    severity="error",
    hop="node",
    run=_run,
    cause="A node translates packets to a nodePort before any process on it is asked. A process that listens there "
    "hears nothing.",
    mend="Keep hostPorts and ports of hostNetwork pods out of the nodePort range.",
    rule="kube-proxy: nodePorts are translated in prerouting and output",
    fails=_example(30080),
    passes=_example(30081),
)
