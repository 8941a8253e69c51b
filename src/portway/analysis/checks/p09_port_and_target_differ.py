"""PW-P09: policies over a Service whose port and targetPort differ, which some networks do not handle."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import isolating
from portway.analysis.reach import targets
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for port, workload, number in targets(bundle, service) if not service.headless else ():
            policies = isolating(bundle, workload) if number != port.port else ()
            if policies:
                yield Finding(
                    "PW-P09",
                    "info",
                    f"{service.item.named}: port {port.port} and targetPort {number} differ, which AWS VPC CNI's "
                    "egress policies do not follow",
                    port.where("port"),
                    confidence="hint",
                    hop="policy",
                    others=(policies[0].where("spec"),),
                    seen=f"{port.port} → {number}",
                    expected="equal numbers on clusters with that network",
                    effect="there, egress rules to these pods are judged before translation",
                )


def _example(port: int) -> str:
    return examples.together(
        examples.service(f"{{port: {port}, targetPort: 8080}}"),
        examples.workload(),
        examples.policy("podSelector: {}"),
    )


CHECK = Check(
    code="PW-P09",
    title="port and targetPort differ under policies",
    severity="info",
    hop="policy",
    run=_run,
    style=True,
    cause="Kubernetes judges policies on the pod's port. AWS VPC CNI judges egress by the Service's, so that its "
    "guide wants both to be equal.",
    mend="On such clusters use one number for both.",
    rule="aws-network-policy-agent, prerequisites",
    fails=_example(80),
    passes=_example(8080),
)
