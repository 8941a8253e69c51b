"""PW-R09: an Ingress without TLS, or whose TLS Secret is not there."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
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
            name = word(tls.get("secretName"))
            known = bundle.in_scope("Secret", item.namespace)
            if name and known and bundle.find("Secret", item.namespace, name) is None and not _made(bundle, name):
                yield Finding(
                    "PW-R09",
                    "warning",
                    f"{item.named}: TLS Secret {item.namespace}/{name} is not there",
                    item.where((*path, "secretName")),
                    confidence="certain" if bundle.complete else "likely",
                    hop="door",
                    seen=name,
                    effect="its hosts are served with the controller's own certificate, or not at all",
                )


def _made(bundle: Bundle, name: str) -> bool:
    """Whether something here will make it: a cert-manager Certificate, an annotated Ingress."""
    certificates = any(word(item.get("spec.secretName")) == name for item in bundle.of("Certificate"))
    return certificates or any(
        note.startswith("cert-manager.io/") for item in bundle.of("Ingress") for note in item.annotations
    )


def _example(more: str) -> str:
    door = examples.ingress(examples.backend("number: 80"), more=more)
    return examples.together(examples.service("{port: 80}"), door)


CHECK = Check(
    code="PW-R09",
    title="an Ingress without TLS, or without its Secret",
    severity="warning",
    hop="door",
    run=_run,
    style=True,
    cause="Without TLS, passwords and sessions travel readable. A Secret that is not there leaves its hosts with a "
    "certificate that browsers refuse.",
    mend="Add spec.tls with a Secret of type kubernetes.io/tls.",
    controls=("C-0263",),
    fails=_example(""),
    passes=_example("tls: [{hosts: [shop.example], secretName: shop-tls}]"),
)
