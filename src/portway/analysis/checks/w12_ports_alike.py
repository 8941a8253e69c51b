"""PW-W12: Service ports that are alike, or nameless among several."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix, Where
from portway.analysis.view import PortView, ServiceView, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if len(service.ports) > 1:
            yield from _nameless(service)
            yield from _twice(service)


def _nameless(service: ServiceView) -> Iterator[Finding]:
    for port in service.ports:
        if not port.name:
            yield _refused(
                port.where(),
                f"{service.item.named}: port {port.text} has no name, which a Service with several ports needs",
                (),
                "name it",
            )


def _twice(service: ServiceView) -> Iterator[Finding]:
    seen: dict[tuple[int | str, str], PortView] = {}
    for port in service.ports:
        for key, field in (((port.port, port.protocol), "port"), ((port.name, ""), "name")):
            if key[0] and key in seen:
                text = f"{port.port}/{port.protocol}" if field == "port" else f'the name "{port.name}"'
                yield _refused(
                    port.where(field),
                    f"{service.item.named}: {text} comes twice",
                    (seen[key].where(field),),
                    f"another {field}",
                )
            seen.setdefault(key, port)


def _refused(where: Where, message: str, others: tuple[Where, ...], fix: str) -> Finding:
    effect = "the API server refuses the Service"
    return Finding("PW-W12", "error", message, where, others=others, effect=effect, fix=Fix(fix))


CHECK = Check(
    code="PW-W12",
    title="ports of a Service that are alike or have no name",
    severity="error",
    hop="service",
    run=_run,
    cause="In a Service with several ports each needs a name, and name and port with protocol must differ.",
    mend="Name every port, and give each its own number or protocol.",
    rule="ValidateService (pkg/apis/core/validation/validation.go)",
    fails=examples.service("{name: http, port: 80}\n{port: 8080}\n{name: admin, port: 80}"),
    passes=examples.service(
        "{name: http, port: 80}\n{name: alt, port: 8080}\n{name: http-udp, port: 80, protocol: UDP}"
    ),
)
