"""PW-N08: one nodePort for TCP and UDP."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import PortView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    seen: dict[int, PortView] = {}
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            first = seen.setdefault(port.node_port, port)
            if port.node_port and first.protocol != port.protocol and first.item is not port.item:
                yield Finding(
                    "PW-N08",
                    "info",
                    f"nodePort {port.node_port} is {first.item.named}'s for {first.protocol} and "
                    f"{port.item.named}'s for {port.protocol}, which Kubernetes allows",
                    port.where("nodePort"),
                    hop="node",
                    others=(first.where("nodePort"),),
                    effect="people who open the number in a firewall open both",
                )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, nodePort: 30080}", name="web", more="type: NodePort"),
        examples.service(f"{{port: 53, protocol: UDP, nodePort: {port}}}", name="dns", more="type: NodePort"),
    )


CHECK = Check(
    code="PW-N08",
    title="one nodePort for TCP and UDP of different Services",
    severity="info",
    hop="node",
    run=_run,
    cause="A nodePort is a number and a protocol: two Services may share the number. Within one Service that is usual, "
    "between two it is easily overlooked.",
    mend="Use another number where it confuses.",
    rule="ServicePort allocation by protocol (KEP-1435 for mixed protocols)",
    fails=_example(30080),
    passes=_example(30053),
)
