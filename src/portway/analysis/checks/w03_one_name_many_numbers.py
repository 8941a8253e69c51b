"""PW-W03: a named targetPort that means different numbers in different selected pods."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import container_ports, resolve, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports:
            numbers = {n for one in workloads if (n := resolve(port, one)) is not None}
            if isinstance(port.target_port, int) or len(numbers) < 2:
                continue
            declared = [c for one in workloads for c in container_ports(one) if c.name == port.target_port]
            listed = ", ".join(str(number) for number in sorted(numbers))
            yield Finding(
                "PW-W03",
                "warning",
                f'{service.item.named}: targetPort "{port.target_port}" means {listed}, depending on the pod',
                port.where("targetPort"),
                hop="endpoint",
                others=tuple(one.where("containerPort") for one in declared),
                seen=listed,
                expected="one number, unless a rollout is meant to change it",
                effect="policies and firewalls that name one number let only a part of the traffic through",
            )


def _example(number: int) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: http}", selector="tier: web"),
        examples.workload("{name: http, containerPort: 8080}", name="old", labels="tier: web"),
        examples.workload(f"{{name: http, containerPort: {number}}}", name="new", labels="tier: web"),
    )


CHECK = Check(
    code="PW-W03",
    title="named targetPort that means different numbers in different pods",
    severity="warning",
    hop="endpoint",
    run=_run,
    cause="A name may mean another number in each pod, and a Service follows all of them. A NetworkPolicy "
    "that opens one number does not.",
    mend="Use one number, or name the port in policies as well.",
    rule="FindPort (pkg/api/v1/pod/util.go)",
    fails=_example(9090),
    passes=_example(8080),
)
