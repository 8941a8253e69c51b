"""PW-W15: an ExternalName Service with ports, targetPorts or a selector."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix, Where
from portway.analysis.view import ServiceView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.type == "ExternalName":
            yield from _mapped(service)
            if service.selector:
                text = f"{service.item.named} is an ExternalName: its selector selects nothing"
                yield _idle(text, service.item.where("spec.selector"))


def _mapped(service: ServiceView) -> Iterator[Finding]:
    for port in service.ports:
        if port.target_port != port.port:
            text = (
                f"{service.item.named} is an ExternalName: port {port.port} is not mapped to {port.target_port}; "
                "clients dial the other host's own ports"
            )
            yield _idle(text, port.where("targetPort"))


def _idle(text: str, where: Where) -> Finding:
    return Finding(
        "PW-W15",
        "warning",
        text,
        where,
        effect="who dials the Service's port reaches that port of the other host, or nothing",
        fix=Fix("dial the other host's port, or write a Service without selector and an EndpointSlice"),
    )


def _example(port: str) -> str:
    return examples.service(port, name="db", selector="", more="type: ExternalName\nexternalName: db.example.com")


CHECK = Check(
    code="PW-W15",
    title="an ExternalName Service that seems to map ports",
    severity="warning",
    hop="service",
    run=_run,
    cause="An ExternalName Service is a CNAME record and nothing else: no proxy sees its traffic, so that no port is "
    "translated and no pod is selected.",
    mend="Let clients dial the port of the other host.",
    rule="Service.spec.type ExternalName",
    fails=_example("{port: 80, targetPort: 8080}"),
    passes=_example("{port: 8080}"),
)
