"""PW-N13: a LoadBalancer with settings that have no effect, or that controllers refuse."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import ServiceView, number, services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        yield from _health_port(service)
        protocols = sorted({port.protocol for port in service.ports})
        if service.type == "LoadBalancer" and len(protocols) > 1:
            yield Finding(
                "PW-N13",
                "info",
                f"{service.item.named} wants {' and '.join(protocols)} on one load balancer, which not all of them can",
                service.item.where("spec.ports"),
                confidence="hint",
                hop="door",
                seen=", ".join(protocols),
                effect="some clouds leave the address pending, or serve one protocol only",
            )


def _health_port(service: ServiceView) -> Iterator[Finding]:
    local = service.type == "LoadBalancer" and service.external_policy == "Local"
    if (port := number(service.item.get("spec.healthCheckNodePort"))) and not local:
        yield Finding(
            "PW-N13",
            "error",
            f"{service.item.named} has healthCheckNodePort {port}, which needs type LoadBalancer and "
            "externalTrafficPolicy Local",
            service.item.where("spec.healthCheckNodePort"),
            hop="door",
            others=(service.item.where("spec.type"),),
            seen=str(port),
            effect="the API server refuses the Service",
            fix=Fix("leave it out, or set externalTrafficPolicy: Local"),
        )


def _example(policy: str) -> str:
    more = f"type: LoadBalancer\nexternalTrafficPolicy: {policy}\nhealthCheckNodePort: 30100"
    return examples.service("{port: 80}", more=more)


CHECK = Check(
    code="PW-N13",
    title="load balancer settings that do not go together",
    severity="error",
    hop="door",
    run=_run,
    cause="healthCheckNodePort tells a load balancer which nodes have local pods; with policy Cluster all have. "
    "Protocols together on one address are possible since 1.26, if the load balancer can.",
    mend="Set what the Service's type and policy use.",
    rule="ValidateService; KEP-1435",
    fails=_example("Cluster"),
    passes=_example("Local"),
)
