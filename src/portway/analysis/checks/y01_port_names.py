"""PW-Y01: Service ports without a name that says what is spoken."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import PortView, services

_VAGUE = {"port", "p", "tcp", "udp", "main", "default", "svc", "service"}
_USUAL = {80: "http", 8080: "http", 443: "https", 53: "dns", 5432: "postgres", 6379: "redis", 3306: "mysql"}


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for port in service.ports:
            if not port.name or port.name in _VAGUE or port.name.removeprefix("port-").isdigit():
                yield _finding(port)


def _finding(port: PortView) -> Finding:
    name = _USUAL.get(port.port, "")
    edit = Edit(port.where("name"), "replace" if port.name else "add", name)
    return Finding(
        "PW-Y01",
        "info",
        f"{port.item.named}: port {port.port} has {f'the name {port.name}' if port.name else 'no name'}",
        port.where("name"),
        confidence="hint",
        seen=port.name or "(none)",
        expected="what is spoken on it: http, grpc, postgres …",
        effect="Ingresses, routes and monitors can name a port only by number, and people have to guess",
        fix=Fix(f"name: {name}", (edit,)) if name else None,
    )


CHECK = Check(
    code="PW-Y01",
    title="a Service port without a telling name",
    severity="info",
    hop="service",
    run=_run,
    style=True,
    cause="A port's name says what is spoken on it and survives renumbering.",
    mend="Name it after the protocol or the use.",
    fails=examples.service("{port: 80}"),
    passes=examples.service("{name: http, port: 80}"),
)
