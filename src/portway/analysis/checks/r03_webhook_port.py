"""PW-R03: a webhook, APIService or conversion that calls a Service port which is not there."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.reach import find_service
from portway.analysis.view import inside, number, word

_WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item, path, blast in _callers(bundle):
        namespace, name = word(item.get((*path, "namespace"))), word(item.get((*path, "name")))
        port = number(item.get((*path, "port"))) or 443
        service = find_service(bundle, namespace, name)
        if service and service.ports and not any((p.port, p.protocol) == (port, "TCP") for p in service.ports):
            written = item.get((*path, "port")) is not None
            yield Finding(
                "PW-R03",
                "error",
                f"{item.named} calls {namespace}/{name}:{port}{'' if written else ' (the default)'}, a port that "
                f"{service.item.named} does not have",
                item.where((*path, "port") if written else path),
                hop="client",
                others=(service.item.where("spec.ports"),),
                seen=str(port),
                expected=", ".join(one.text for one in service.ports),
                effect=blast,
                fix=Fix(f"port: {service.ports[0].port}"),
            )


def _callers(bundle: Bundle) -> Iterator[tuple[Item, tuple[str | int, ...], str]]:
    for item in bundle.of(*_WEBHOOKS):
        for path, webhook in inside(item, "webhooks"):
            if item.get((*path, "clientConfig", "service", "name")):
                ignored = webhook.get("failurePolicy") == "Ignore"
                blast = "failurePolicy Ignore: everything is admitted unchecked" if ignored else ""
                yield item, (*path, "clientConfig", "service"), blast or "failurePolicy Fail: requests are refused"
    for item in bundle.of("APIService"):
        if item.get("spec.service.name"):
            yield item, ("spec", "service"), "the API group is unavailable"
    for item in bundle.of("CustomResourceDefinition"):
        path = ("spec", "conversion", "webhook", "clientConfig", "service")
        if item.get((*path, "name")):
            yield item, path, "objects of other versions cannot be read"


def _example(port: int) -> str:
    hook = (
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: shop}\n"
        "webhooks:\n- name: shop.example.com\n  failurePolicy: Ignore\n  clientConfig:\n"
        "    service: {namespace: default, name: shop}\n"
    )
    return examples.together(examples.service(f"{{port: {port}, targetPort: 9443}}"), hook)


CHECK = Check(
    code="PW-R03",
    title="a webhook that calls a port which its Service does not have",
    severity="error",
    hop="client",
    run=_run,
    cause="The API server calls webhooks by a Service's port, 443 unless another one is written.",
    mend="Write the Service's port, or let the Service have 443.",
    rule="ServiceReference.port (admissionregistration/v1, apiregistration/v1, apiextensions/v1): 443 by default",
    fails=_example(8443),
    passes=_example(443),
)
