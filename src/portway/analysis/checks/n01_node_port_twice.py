"""PW-N01: a nodePort that two Services want."""

from collections import defaultdict
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import PortView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    wanted: dict[tuple[int, str], list[PortView]] = defaultdict(list)
    for service in services(bundle):
        for port in service.ports if service.has_node_ports else ():
            if port.node_port:
                wanted[port.node_port, port.protocol].append(port)
    for (number, protocol), ports in wanted.items():
        first, *others = ports
        for port in others:
            yield Finding(
                "PW-N01",
                "error",
                f"nodePort {number}/{protocol} of {port.item.named} is {first.item.named}'s already",
                port.where("nodePort"),
                hop="node",
                others=(first.where("nodePort"),),
                seen=str(number),
                expected="a number of its own: nodePorts belong to the whole cluster, whatever the namespace",
                effect="the API server refuses the second Service",
                fix=Fix("another nodePort, or none: then a free one is drawn"),
            )


def _example(port: int) -> str:
    return examples.together(
        examples.service("{port: 80, nodePort: 30080}", name="web", more="type: NodePort"),
        examples.service(f"{{port: 80, nodePort: {port}}}", name="api", more="type: NodePort"),
    )


CHECK = Check(
    code="PW-N01",
    title="a nodePort that two Services want",
    severity="error",
    hop="node",
    run=_run,
    cause="A nodePort is open on every node of the cluster, so that it can belong to one Service only, over all "
    "namespaces and releases.",
    mend="Leave nodePort out where the number does not matter; keep a list of those that do.",
    rule="portallocator (pkg/registry/core/service/portallocator): provided port is already allocated",
    fails=_example(30080),
    passes=_example(30081),
)
