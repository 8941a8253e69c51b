"""PW-N02: a nodePort outside the range."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    first, last = settings.node_ports
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            if port.node_port and not first <= port.node_port <= last:
                yield Finding(
                    "PW-N02",
                    "error",
                    f"{service.item.named}: nodePort {port.node_port} is outside {first}-{last}",
                    port.where("nodePort"),
                    hop="node",
                    seen=str(port.node_port),
                    expected=f"{first}-{last}",
                    effect="the API server refuses the Service",
                    fix=Fix("a number in the range, or none: then one is drawn"),
                    assumptions=("ASSUME_DEFAULT_NODEPORT_RANGE",) if (first, last) == (30000, 32767) else (),
                )


def _example(port: int) -> str:
    return examples.service(f"{{port: 80, nodePort: {port}}}", more="type: NodePort")


CHECK = Check(
    code="PW-N02",
    title="a nodePort outside the range",
    severity="error",
    hop="node",
    run=_run,
    cause="nodePorts lie in the range that the API server is told, 30000 to 32767 by default.",
    mend="Use a number in the range. To serve port 80 or 443, put a LoadBalancer or Ingress in front.",
    rule="kube-apiserver --service-node-port-range",
    fails=_example(8080),
    passes=_example(30080),
)
