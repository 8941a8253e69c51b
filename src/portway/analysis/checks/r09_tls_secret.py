"""PW-R09: an Ingress without TLS, and a door whose TLS Secret is not there."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import inside, word


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item in bundle.of("Ingress"):
        listed = list(inside(item, "spec.tls"))
        if not listed:
            text = f"{item.named} serves plain HTTP only"
            where = item.where("spec")
            yield Finding(
                "PW-R09", "info", text, where, confidence="hint", hop="door", expected="spec.tls with a Secret"
            )
        for path, tls in listed:
            yield from _missing(bundle, item, (*path, "secretName"), word(tls.get("secretName")), _OF_INGRESS)
    for item in bundle.of("Gateway", "ListenerSet"):
        for listener, _ in inside(item, "spec.listeners"):
            for path, reference in inside(item, (*listener, "tls", "certificateRefs")):
                if word(reference.get("kind")) in ("", "Secret") and not word(reference.get("group")):
                    name, namespace = word(reference.get("name")), word(reference.get("namespace"))
                    yield from _missing(bundle, item, (*path, "name"), name, _OF_LISTENER, namespace)


_OF_INGRESS = "its hosts are served with the controller's own certificate, or not at all"
_OF_LISTENER = "the listener's ResolvedRefs is False, and it serves nobody without another certificate"


def _missing(
    bundle: Bundle, item: Item, path: tuple[str | int, ...], name: str, effect: str, namespace: str = ""
) -> Iterator[Finding]:
    """A Secret that a door names at a path, where it is known that there is none. `namespace`: empty for its own."""
    home = namespace or item.namespace
    if not name or not bundle.in_scope("Secret", home) or bundle.find("Secret", home, name) or _made(bundle, name):
        return
    yield Finding(
        "PW-R09",
        "warning",
        f"{item.named}: TLS Secret {home}/{name} is not there",
        item.where(path),
        confidence="certain" if bundle.complete else "likely",
        hop="door",
        seen=name,
        effect=effect,
    )


def _made(bundle: Bundle, name: str) -> bool:
    """Whether something here will make it: a cert-manager Certificate, an annotated Ingress or Gateway."""
    certificates = any(word(item.get("spec.secretName")) == name for item in bundle.of("Certificate"))
    return certificates or any(
        note.startswith("cert-manager.io/")
        for item in bundle.of("Ingress", "Gateway", "ListenerSet")
        for note in item.annotations
    )


def _example(more: str) -> str:
    door = examples.ingress(examples.backend("number: 80"), more=more)
    return examples.together(examples.service("{port: 80}"), door)


CHECK = Check(
    code="PW-R09",
    title="an Ingress without TLS, or a door without its Secret",
    severity="warning",
    hop="door",
    run=_run,
    style=True,
    cause="Without TLS, passwords and sessions travel readable. A Secret that is not there leaves an Ingress' hosts "
    "with a certificate that browsers refuse, and a listener of a Gateway or ListenerSet without any.",
    mend="Add spec.tls with a Secret of type kubernetes.io/tls; make the Secret that the listener names.",
    controls=("C-0263",),
    fails=_example(""),
    passes=_example("tls: [{hosts: [shop.example], secretName: shop-tls}]"),
)
