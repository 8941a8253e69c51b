"""PW-N04: the nodePort range overlaps the nodes' ephemeral ports."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    low, high = settings.ephemeral_ports
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            if port.node_port and low <= port.node_port <= high:
                yield Finding(
                    "PW-N04",
                    "warning",
                    f"{service.item.named}: nodePort {port.node_port} is one of the nodes' ephemeral ports "
                    f"{low}-{high}",
                    port.where("nodePort"),
                    hop="node",
                    seen=str(port.node_port),
                    expected=f"outside {low}-{high}",
                    effect="connections that a node opens from that port fail at random, and nothing logs it",
                    fix=Fix("keep net.ipv4.ip_local_port_range and the nodePort range apart"),
                )


def _example(port: int) -> str:
    return examples.service(f"{{port: 80, nodePort: {port}}}", more="type: NodePort")


CHECK = Check(
    code="PW-N04",
    title="a nodePort among the nodes' ephemeral ports",
    severity="warning",
    hop="node",
    run=_run,
    cause="A node's own connections come from ports of net.ipv4.ip_local_port_range. Where one comes from a nodePort's "
    "number, its answers are taken for new connections to the Service.",
    mend="Set net.ipv4.ip_local_reserved_ports or move one of the ranges; tell lint by ephemeralPortRange.",
    rule="kernel: ip-sysctl, ip_local_port_range (32768-60999)",
    fails=_example(32800),
    passes=_example(30080),
)
