"""PW-N07: a nodePort in a Service whose type has none."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.type not in ("NodePort", "LoadBalancer"):
            for port in service.ports:
                if port.node_port:
                    yield Finding(
                        "PW-N07",
                        "error",
                        f"{service.item.named} is of type {service.type} and cannot have nodePort {port.node_port}",
                        port.where("nodePort"),
                        hop="node",
                        others=(service.item.where("spec.type"),),
                        seen=service.type,
                        expected="type: NodePort, or no nodePort",
                        effect="the API server refuses the Service",
                        fix=Fix("type: NodePort, or leave nodePort out"),
                    )
        elif service.headless:
            yield Finding(
                "PW-N07",
                "error",
                f"{service.item.named} is headless and cannot be of type {service.type}",
                service.item.where("spec.clusterIP"),
                hop="node",
                others=(service.item.where("spec.type"),),
                seen="clusterIP: None",
                effect="the API server refuses the Service",
                fix=Fix("leave clusterIP out, or use type: ClusterIP"),
            )


def _example(kind: str) -> str:
    return examples.service("{port: 80, nodePort: 30080}", more=f"type: {kind}")


CHECK = Check(
    code="PW-N07",
    title="a nodePort in a Service whose type has none",
    severity="error",
    hop="node",
    run=_run,
    cause="Only NodePort and LoadBalancer Services have nodePorts, and headless ones are neither.",
    mend="Set the type that you mean.",
    rule="ValidateService: may not be used when `type` is 'ClusterIP'",
    fails=_example("ClusterIP"),
    passes=_example("NodePort"),
)
