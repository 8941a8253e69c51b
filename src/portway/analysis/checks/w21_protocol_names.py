"""PW-W21: a port's name, appProtocol, protocol and number contradict each other."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import PortView, services

_FAMILIES = {
    "http": "http",
    "http2": "http2",
    "h2c": "http2",
    "grpc": "grpc",
    "https": "tls",
    "tls": "tls",
    "ws": "http",
    "wss": "tls",
    "kubernetes.io/h2c": "http2",
    "kubernetes.io/ws": "http",
    "kubernetes.io/wss": "tls",
    "udp": "udp",
    "tcp": "tcp",
}
_SPEAKS = {"grpc": {"grpc", "http2"}, "http2": {"grpc", "http2", "http"}}
_PLAIN = {80, 8080, 8000}


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for port in service.ports:
            for text, field in _contradictions(port):
                yield Finding(
                    "PW-W21",
                    "info",
                    f"{service.item.named}: {text}",
                    port.where(field),
                    confidence="hint",
                    seen=port.name or str(port.port),
                    effect="meshes, doors and people that go by the name speak the wrong protocol",
                )


def _contradictions(port: PortView) -> Iterator[tuple[str, str]]:
    named = _FAMILIES.get(port.name.partition("-")[0])
    said = _FAMILIES.get(port.app_protocol)
    if named and said and said not in _SPEAKS.get(named, {named}) and named not in ("tcp", "udp"):
        yield f'port name "{port.name}" and appProtocol "{port.app_protocol}" contradict each other', "appProtocol"
    if port.protocol == "UDP" and (named or said) in ("http", "grpc", "tcp", "http2"):
        yield f'port "{port.name or port.app_protocol}" is UDP', "protocol"
    if named == "tls" and port.port in _PLAIN:
        yield f'port "{port.name}" is {port.port}, the usual port of plain HTTP', "port"


CHECK = Check(
    code="PW-W21",
    title="a port's name, appProtocol and protocol contradict each other",
    severity="info",
    hop="service",
    run=_run,
    cause="Meshes and doors choose a protocol by appProtocol or by the name's beginning. Where they differ, one of "
    "them is wrong for somebody.",
    mend="Name the port after what is spoken on it, and set appProtocol to the same.",
    rule="KEP-1422 (appProtocol)",
    fails=examples.service("{name: grpc, port: 9000, appProtocol: http}"),
    passes=examples.service("{name: grpc, port: 9000, appProtocol: kubernetes.io/h2c}"),
)
