"""PW-Y04: a number as targetPort where the pods have a name for it."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import container_ports, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports:
            names = {
                next(
                    (
                        c.name
                        for c in container_ports(one)
                        if (c.number, c.protocol) == (port.target_port, port.protocol)
                    ),
                    "",
                )
                for one in workloads
            }
            if port.target_written and len(names) == 1 and (name := names.pop()):
                yield Finding(
                    "PW-Y04",
                    "info",
                    f'{service.item.named}: targetPort {port.target_port} is called "{name}" by the pods',
                    port.where("targetPort"),
                    confidence="hint",
                    hop="endpoint",
                    seen=str(port.target_port),
                    expected=name,
                    effect="a rollout that changes the number breaks the Service for the time of the rollout",
                    fix=Fix(f"targetPort: {name}", (Edit(port.where("targetPort"), "replace", name),)),
                )


def _example(target: str) -> str:
    return examples.together(
        examples.service(f"{{port: 80, targetPort: {target}}}"),
        examples.workload("{name: http, containerPort: 8080}"),
    )


CHECK = Check(
    code="PW-Y04",
    title="a number as targetPort where the pods have a name for it",
    severity="info",
    hop="endpoint",
    run=_run,
    style=True,
    cause="A named targetPort is resolved by each pod, so that old and new pods may listen on different numbers while "
    "a rollout lasts.",
    mend="Write the name.",
    fails=_example("8080"),
    passes=_example("http"),
)
