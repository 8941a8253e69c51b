"""PW-W13: a headless Service whose port and targetPort differ."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import resolve, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        for port in service.ports if service.headless else ():
            numbers: set[int | str | None] = {resolve(port, one) for one in workloads} or {port.target_port}
            if port.target_written and numbers - {port.port, None} and port.target_port != port.port:
                yield Finding(
                    "PW-W13",
                    "warning",
                    f"{service.item.named} is headless: port {port.port} is not mapped to "
                    f"targetPort {port.target_port}",
                    port.where("port"),
                    others=(port.where("targetPort"),),
                    seen=str(port.port),
                    expected=", ".join(sorted(str(number) for number in numbers if number)),
                    effect="clients get the pods' own addresses: who dials the Service's port is refused",
                    fix=Fix("write the pods' port as port, or drop clusterIP: None"),
                )


CHECK = Check(
    code="PW-W13",
    title="headless Service whose port and targetPort differ",
    severity="warning",
    hop="service",
    run=_run,
    cause="A headless Service has no address of its own, so nothing translates ports: its name resolves to the pods, "
    "and clients dial the pods' ports. Only SRV records tell the targetPort.",
    mend="Use the pods' port in the Service, or give it a clusterIP.",
    rule="Service.spec.clusterIP: None; DNS specification 1.1, headless Services",
    fails=examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="clusterIP: None"), examples.workload()
    ),
    passes=examples.together(
        examples.service("{port: 8080, targetPort: 8080}", more="clusterIP: None"), examples.workload()
    ),
)
