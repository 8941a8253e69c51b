"""PW-R02: a Gateway API route whose backend cannot be used."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import Backend, fate, find_service, route_backends
from portway.analysis.view import inside, word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for backend in route_backends(bundle):
        if not backend.port:
            yield _bad(backend, f"{backend.item.named} names {backend.name} without a port", "port: the Service's port")
            continue
        if backend.namespace != backend.item.namespace and not _granted(bundle, backend):
            text = (
                f"{backend.item.named} sends to {backend.namespace}/{backend.name}, and no ReferenceGrant in "
                f"{backend.namespace} allows it"
            )
            yield _bad(backend, text, f"a ReferenceGrant in {backend.namespace} from {backend.item.kind}s")
        service = find_service(bundle, backend.namespace, backend.name)
        if service and service.ports and service.port(backend.port) is None:
            text = f"{backend.item.named} sends to {backend.name}:{backend.port}, a port that Service does not have"
            yield _bad(backend, text, ", ".join(port.text for port in service.ports))


def _granted(bundle: Bundle, backend: Backend) -> bool:
    return any(_allows(grant, backend) for grant in bundle.of("ReferenceGrant") if grant.namespace == backend.namespace)


def _allows(grant: Item, backend: Backend) -> bool:
    origins = [one for _, one in inside(grant, "spec.from")]
    goals = [one for _, one in inside(grant, "spec.to")]
    comes = any(
        (word(one.get("kind")), word(one.get("namespace"))) == (backend.item.kind, backend.item.namespace)
        for one in origins
    )
    return comes and any(
        word(one.get("kind")) == "Service" and word(one.get("name")) in ("", backend.name) for one in goals
    )


def _bad(backend: Backend, text: str, expected: str) -> Finding:
    what, becomes = fate(backend.item)
    return Finding(
        "PW-R02",
        "error",
        text,
        backend.where(),
        hop="door",
        seen=str(backend.port or "(none)"),
        expected=expected,
        effect=f"its share of the {what} is {becomes}, and the route's ResolvedRefs is False",
        fix=Fix(expected),
    )


def _example(port: str) -> str:
    route = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: shop}\nspec:\n"
        f"  parentRefs: [{{name: gateway}}]\n  rules:\n  - backendRefs: [{{name: shop, port: {port}}}]\n"
    )
    return examples.together(examples.service("{port: 80, targetPort: 8080}"), route)


CHECK = Check(
    code="PW-R02",
    title="a route whose backend cannot be used",
    severity="error",
    hop="door",
    run=_run,
    cause="A backendRef needs the Service's port, and a ReferenceGrant where the Service is in another namespace.",
    mend="Write the Service's port; let the other namespace grant the reference.",
    rule="Gateway API: backendRefs, ReferenceGrant",
    fails=_example("8080"),
    passes=_example("80"),
)
