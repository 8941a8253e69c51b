"""PW-W05: a numeric targetPort that no selected pod declares."""

import re
from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import (
    ContainerPort,
    PortView,
    ServiceView,
    container_ports,
    inside,
    services,
    word,
    words,
)
from portway.analysis.view import service as view_of


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        declared = [port for one in workloads for port in container_ports(one)]
        numbers = {one.number for one in declared} | {one.name for one in declared}
        for port in service.ports:
            unknown = port.target_written and isinstance(port.target_port, int)
            if not unknown or not declared or any(one.number == port.target_port for one in declared):
                continue
            if not any(_speaks_of(one, str(port.target_port)) for one in workloads):
                taken = _taken(bundle, service, workloads)
                left = [one for one in declared if not {one.number, one.name} & taken]
                yield _finding(port, declared, _meant(port, left, alone=len(taken - numbers) == 1))


def _speaks_of(workload: Workload, number: str) -> bool:
    """Whether an argument or variable of its containers has the number: then it is no slip."""
    for path, container in workload.containers():
        texts = [*words(container.get("command")), *words(container.get("args"))]
        texts += [word(one.get("value")) for _, one in inside(workload.item, (*path, "env"))]
        if any(re.search(rf"(?<!\d){number}(?!\d)", text) for text in texts):
            return True
    return False


def _taken(bundle: Bundle, service: ServiceView, workloads: tuple[Workload, ...]) -> set[int | str]:
    """The declared ports that another Service port leads to: none of them is the one that is meant here."""
    taken: set[int | str] = set()
    for other in map(view_of, bundle.within(service.namespace, "Service")):
        if set(bundle.selected(other.namespace, other.selector)) & set(workloads):
            taken.update(port.target_port for port in other.ports)
    return taken


def _finding(port: PortView, declared: list[ContainerPort], meant: ContainerPort | None) -> Finding:
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


def _meant(port: PortView, declared: list[ContainerPort], *, alone: bool) -> ContainerPort | None:
    """The one that has the Service port's number or name, else, where no other Service port leads to something
    undeclared (`alone`), the only one of its protocol.
    """
    same = [one for one in declared if one.protocol == port.protocol]
    by_hint = [one for one in same if one.number == port.port or (port.name and one.name == port.name)]
    if by_hint:
        return by_hint[0]
    return same[0] if alone and len({one.number for one in same}) == 1 else None


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
