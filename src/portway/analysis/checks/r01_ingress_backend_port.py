"""PW-R01: an Ingress backend whose port its Service does not have."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.reach import Backend, find_service, ingress_backends
from portway.analysis.view import PortView, ServiceView


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for backend in ingress_backends(bundle):
        service = find_service(bundle, backend.namespace, backend.name)
        if service and service.ports and backend.port and service.port(backend.port) is None:
            yield _finding(backend, service)


def _finding(backend: Backend, service: ServiceView) -> Finding:
    meant = next((port for port in service.ports if port.target_port == backend.port), None)
    meant = meant or (service.ports[0] if len(service.ports) == 1 else None)
    is_target = meant is not None and meant.target_port == backend.port
    why = f": {backend.port} is the targetPort of {meant.text}" if meant and is_target else ""
    return Finding(
        "PW-R01",
        "error",
        f"{backend.item.named} sends to {service.name}:{backend.port}, a port that {service.item.named} does not "
        f"have{why}",
        backend.where(),
        hop="door",
        others=(service.item.where("spec.ports"),),
        seen=str(backend.port),
        expected=", ".join(port.text for port in service.ports),
        effect="requests for this path are answered 503",
        fix=_fix(backend, meant) if meant else None,
    )


def _fix(backend: Backend, meant: PortView) -> Fix:
    value = meant.port if isinstance(backend.port, int) else meant.name
    if not value:
        return Fix(f"number: {meant.port}")
    field = "number" if isinstance(value, int) else "name"
    return Fix(f"{field}: {value}", (Edit(backend.where(), "replace", value),))


def _example(port: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"),
        examples.ingress(examples.backend(port)),
    )


CHECK = Check(
    code="PW-R01",
    title="an Ingress backend with a port that its Service does not have",
    severity="error",
    hop="door",
    run=_run,
    cause="A backend names the Service's port, by number or by name. Often the targetPort was written instead, which "
    "some controllers used to tolerate.",
    mend="Write the Service's port.",
    rule="Ingress.spec.rules[].http.paths[].backend.service.port",
    fails=_example("number: 8080"),
    passes=_example("number: 80"),
)
