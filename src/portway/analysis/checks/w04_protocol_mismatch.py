"""PW-W04: a Service port whose number the pods declare with another protocol only."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import ContainerPort, PortView, container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        declared = [port for one in workloads for port in container_ports(one)]
        for port in service.ports:
            same = [one for one in declared if port.target_port in (one.number, one.name or None)]
            if same and all(one.protocol != port.protocol for one in same):
                yield _finding(port, same)


def _finding(port: PortView, same: list[ContainerPort]) -> Finding:
    other = same[0].protocol
    written = port.item.get((*port.path, "protocol")) is not None
    return Finding(
        "PW-W04",
        "error",
        f"{port.item.named}: port {port.text} leads to {port.target_port}, which the pods declare as {other} only",
        port.where("protocol"),
        hop="endpoint",
        others=tuple(one.where("protocol") for one in same),
        seen=port.protocol,
        expected=other,
        effect="nobody listens there with this protocol: connections are refused",
        fix=Fix(f"protocol: {other}", (Edit(port.where("protocol"), "replace" if written else "add", other),)),
    )


def _example(protocol: str) -> str:
    return examples.together(
        examples.service(f"{{port: 53, targetPort: 5353, protocol: {protocol}}}"),
        examples.workload("{containerPort: 5353, protocol: UDP}"),
    )


CHECK = Check(
    code="PW-W04",
    title="a Service port and its container port differ in protocol",
    severity="error",
    hop="endpoint",
    run=_run,
    cause="A Service forwards its own protocol. Container ports are declared with another one, so most likely nothing "
    "listens for the Service's. Without a protocol, both are TCP.",
    mend="Write the protocol that the process speaks in both places; for both protocols, give the Service two ports.",
    rule="Service.spec.ports[].protocol and containerPort.protocol default to TCP",
    fails=_example("TCP"),
    passes=_example("UDP"),
)
