"""PW-W05: a numeric targetPort that no selected pod declares."""

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
            unknown = port.target_written and isinstance(port.target_port, int)
            if unknown and declared and all(one.number != port.target_port for one in declared):
                yield _finding(port, declared)


def _finding(port: PortView, declared: list[ContainerPort]) -> Finding:
    meant = _meant(port, declared)
    told = ", ".join(dict.fromkeys(one.text for one in declared))
    return Finding(
        "PW-W05",
        "warning" if meant else "info",
        f"{port.item.named}: targetPort {port.target_port} is declared by no selected pod"
        + (f"; did you mean {meant.number}?" if meant else ""),
        port.where("targetPort"),
        confidence="likely" if meant else "hint",
        hop="endpoint",
        others=(meant.where("containerPort"),) if meant else (),
        seen=str(port.target_port),
        expected=f"one of: {told}",
        effect="if nothing listens there, connections are refused",
        fix=_fix(port, meant) if meant else None,
        assumptions=("ASSUME_PROCESS_LISTENS",),
    )


def _fix(port: PortView, meant: ContainerPort) -> Fix:
    return Fix(f"targetPort: {meant.number}", (Edit(port.where("targetPort"), "replace", meant.number),))


def _meant(port: PortView, declared: list[ContainerPort]) -> ContainerPort | None:
    """The one that has the Service port's number or name, else the only one of its protocol."""
    same = [one for one in declared if one.protocol == port.protocol]
    by_hint = [one for one in same if one.number == port.port or (port.name and one.name == port.name)]
    if by_hint:
        return by_hint[0]
    return same[0] if len({one.number for one in same}) == 1 else None


def _example(number: int) -> str:
    return examples.together(
        examples.service(f"{{port: 80, targetPort: {number}}}"), examples.workload("{containerPort: 9080}")
    )


CHECK = Check(
    code="PW-W05",
    title="numeric targetPort that no selected pod declares",
    severity="info",
    hop="endpoint",
    run=_run,
    cause="Declaring containerPorts is optional, and traffic reaches a number that nobody declared. Where the pods "
    "declare just one other port, or one with the Service port's number or name, the number is more likely a mistake.",
    mend="Write the port on which the process listens, or declare it.",
    rule="Container.ports is informational (core/v1); only named targetPorts are looked up in it",
    fails=_example(8080),
    passes=_example(9080),
)
