"""PW-N03: a fixed nodePort among those that are drawn first."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    first, last = settings.node_ports
    size = last - first + 1
    band = min(max(16, size // 32), 128) if size > 16 else 0
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            if first + band <= port.node_port <= last:
                yield Finding(
                    "PW-N03",
                    "info",
                    f"{service.item.named}: nodePort {port.node_port} may be drawn for another Service first",
                    port.where("nodePort"),
                    hop="node",
                    seen=str(port.node_port),
                    expected=f"{first}-{first + band - 1}, from which none is drawn while others are free",
                    effect="on a cluster where it is taken, the Service is refused",
                    fix=Fix(f"a number from {first} to {first + band - 1}"),
                )


def _example(port: int) -> str:
    return examples.service(f"{{port: 80, nodePort: {port}}}", more="type: NodePort")


CHECK = Check(
    code="PW-N03",
    title="a fixed nodePort among those that are drawn",
    severity="info",
    hop="node",
    run=_run,
    cause="Numbers that nobody wrote are drawn from the upper part of the range. A number that is written there can "
    "have been given away.",
    mend="Choose from the lower part: 30000 to 30085 with the default range.",
    rule="KEP-3668: static and dynamic band of the nodePort range",
    fails=_example(32000),
    passes=_example(30080),
)
