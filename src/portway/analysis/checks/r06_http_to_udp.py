"""PW-R06: an Ingress or HTTP route to a Service port that is UDP only."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import find_service, ingress_backends, route_backends


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for backend in (*ingress_backends(bundle), *route_backends(bundle)):
        wanted = "UDP" if backend.item.kind == "UDPRoute" else "TCP"
        service = find_service(bundle, backend.namespace, backend.name)
        key = "port" if isinstance(backend.port, int) else "name"
        ports = [one for one in service.ports if getattr(one, key) == backend.port] if service else []
        if ports and all(one.protocol != wanted for one in ports):
            yield Finding(
                "PW-R06",
                "error",
                f"{backend.item.named} sends {wanted} to {backend.name}:{backend.port}, which is {ports[0].protocol}",
                backend.where(),
                hop="door",
                others=(ports[0].where("protocol"),),
                seen=ports[0].protocol,
                expected=wanted,
                effect="no request reaches it",
                fix=Fix(f"a Service port with protocol {wanted}"),
            )


def _example(protocol: str) -> str:
    return examples.together(
        examples.service(f"{{port: 80, protocol: {protocol}}}"), examples.ingress(examples.backend("number: 80"))
    )


CHECK = Check(
    code="PW-R06",
    title="a route to a Service port of another protocol",
    severity="error",
    hop="door",
    run=_run,
    cause="HTTP, gRPC, TLS and TCP routes are carried over TCP, UDP routes over UDP.",
    mend="Point the route to a port of its protocol.",
    fails=_example("UDP"),
    passes=_example("TCP"),
)
