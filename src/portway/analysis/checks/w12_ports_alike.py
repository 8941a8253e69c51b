"""PW-W12: Service ports that are alike, or nameless among several."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix, Where
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
                _named(port, service),
            )


def _named(port: PortView, service: ServiceView) -> Fix:
    """By protocol and number: nothing can refer to a port of a Service that is refused."""
    name = f"{port.protocol.lower()}-{port.port}"
    taken = [one for one in service.ports if one.name == name or (not one.name and one.port == port.port)]
    if taken != [port] or not service.selector:
        return Fix("name it")
    return Fix(f"name: {name}, or a better one", (Edit(port.where("name"), "add", name),), certain=True)


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
                    Fix(f"another {field}"),
                )
            seen.setdefault(key, port)


def _refused(where: Where, message: str, others: tuple[Where, ...], fix: Fix) -> Finding:
    effect = "the API server refuses the Service"
    return Finding("PW-W12", "error", message, where, others=others, effect=effect, fix=fix)


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
