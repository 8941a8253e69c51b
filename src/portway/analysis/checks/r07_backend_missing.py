"""PW-R07: an Ingress or route to a Service that is not there."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.operators import may_name
from portway.analysis.reach import Backend, fate, find_service, ingress_backends, route_backends
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for backend in (*ingress_backends(bundle), *route_backends(bundle)):
        if backend.name and find_service(bundle, backend.namespace, backend.name) is None:
            yield _finding(bundle, backend)


def _finding(bundle: Bundle, backend: Backend) -> Finding:
    maker = None if bundle.complete else may_name(bundle, backend.namespace, backend.name)
    known = maker is None and bundle.in_scope("Service", backend.namespace)
    unknown = "in this input" + (f", but may be made of {maker.named}" if maker else "") + ": unknown"
    there = [service.name for service in services(bundle) if service.namespace == backend.namespace]
    return Finding(
        "PW-R07",
        "error" if known else "info",
        f"{backend.item.named} sends to Service {backend.namespace}/{backend.name}, which is not "
        + ("there" if known else unknown),
        backend.item.where(backend.path),
        confidence="certain" if bundle.complete else "likely" if known else "hint",
        hop="door",
        seen=backend.name,
        expected=", ".join(there[:8]),
        effect=" are ".join(fate(backend.item)) if known else "",
    )


def _example(name: str) -> str:
    return examples.together(examples.service("{port: 80}"), examples.ingress(examples.backend("number: 80", name)))


CHECK = Check(
    code="PW-R07",
    title="a door to a Service that is not there",
    severity="error",
    hop="door",
    run=_run,
    cause="An Ingress or route names a Service that does not exist in its namespace. Where the input has no Services "
    "of that namespace at all, the reference is unknown rather than wrong.",
    mend="Write the Service's name, or give its file as well.",
    fails=_example("shpo"),
    passes=_example("shop"),
)
