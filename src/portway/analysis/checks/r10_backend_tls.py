"""PW-R10: a BackendTLSPolicy that has no effect, or leaves no way to its Service."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item, dig
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import inside, objects, word
from portway.kubeapi.errors import Doc

_CLEAR = "the Service is spoken to as if there were no policy: in the clear"
_NO_WAY = "requests to its Services are answered 500"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("BackendTLSPolicy"):
        for path, target in inside(policy, "spec.targetRefs"):
            if wrong := _target(bundle, policy, target):
                yield _bad(bundle, policy, path, wrong, _CLEAR)
        for path, reference in inside(policy, "spec.validation.caCertificateRefs"):
            if wrong := _authority(bundle, policy, reference):
                yield _bad(bundle, policy, path, wrong, _NO_WAY)


def _target(bundle: Bundle, policy: Item, target: Doc) -> str:
    """Why a target is none; empty when it is one, or cannot be known."""
    if target.get("group") or target.get("kind") != "Service":
        return ""
    name, section = word(target.get("name")), word(target.get("sectionName"))
    service = bundle.find("Service", policy.namespace, name)
    if service is None:
        missing = bundle.in_scope("Service", policy.namespace)
        return f"Service {policy.namespace}/{name} is not there" if missing else ""
    ports = [word(port.get("name")) for _, port in objects(service.get("spec.ports"))]
    return f"{service.named} has no port named {section}" if section and section not in ports else ""


def _authority(bundle: Bundle, policy: Item, reference: Doc) -> str:
    """Why a reference leads to no certificate; empty when it does, or cannot be known."""
    if reference.get("group") or reference.get("kind") != "ConfigMap":
        return ""
    name = word(reference.get("name"))
    found = bundle.find("ConfigMap", policy.namespace, name)
    if found is None:
        made = any(item.name == name for item in bundle.of("Bundle"))  # trust-manager's
        missing = bundle.in_scope("ConfigMap", policy.namespace) and not made
        return f"ConfigMap {policy.namespace}/{name} is not there" if missing else ""
    return "" if dig(found.value, ("data", "ca.crt")) else f"{found.named} has no ca.crt"


def _bad(bundle: Bundle, policy: Item, path: tuple[str | int, ...], why: str, effect: str) -> Finding:
    return Finding(
        "PW-R10",
        "error",
        f"{policy.named}: {why}",
        policy.where(path),
        confidence="certain" if bundle.complete else "likely",
        hop="door",
        effect=effect,
    )


def _example(section: str) -> str:
    policy = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: shop}\nspec:\n"
        f'  targetRefs: [{{group: "", kind: Service, name: shop, sectionName: {section}}}]\n'
        "  validation: {hostname: shop.internal, wellKnownCACertificates: System}\n"
    )
    return examples.together(examples.service("{name: https, port: 443}"), policy)


CHECK = Check(
    code="PW-R10",
    title="a BackendTLSPolicy whose Service, port or ConfigMap is not there",
    severity="error",
    hop="door",
    run=_run,
    cause="A policy counts for the Service, and the port by its name, that targetRefs name in its own namespace. Who "
    "may have signed the pods' certificates stands in a ConfigMap's key ca.crt.",
    mend="Name a Service and port that are there, and a ConfigMap with ca.crt.",
    rule="Gateway API: BackendTLSPolicy targetRefs, caCertificateRefs",
    fails=_example("tls"),
    passes=_example("https"),
)
