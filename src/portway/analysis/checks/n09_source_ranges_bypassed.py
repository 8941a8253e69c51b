"""PW-N09: loadBalancerSourceRanges that nodePorts go around."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.view import services, words


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        ranges = words(service.item.get("spec.loadBalancerSourceRanges"))
        if service.type == "LoadBalancer" and ranges and service.has_node_ports:
            where = service.item.where("spec.allocateLoadBalancerNodePorts")
            written = service.item.get("spec.allocateLoadBalancerNodePorts") is not None
            yield Finding(
                "PW-N09",
                "warning",
                f"{service.item.named} lets in {', '.join(ranges)} only, but its nodePorts let in everybody",
                service.item.where("spec.loadBalancerSourceRanges"),
                hop="node",
                seen=", ".join(ranges),
                effect="who reaches a node's address goes around the list by node:nodePort",
                fix=Fix("allocateLoadBalancerNodePorts: false", (Edit(where, "replace" if written else "add", False),)),
            )


def _example(more: str) -> str:
    text = f"type: LoadBalancer\nloadBalancerSourceRanges: [203.0.113.0/24]\n{more}"
    return examples.service("{port: 80}", more=text)


CHECK = Check(
    code="PW-N09",
    title="source ranges that nodePorts go around",
    severity="warning",
    hop="node",
    run=_run,
    cause="loadBalancerSourceRanges guards the load balancer's address. The same Service's nodePorts stay open to "
    "whoever reaches a node.",
    mend="Set allocateLoadBalancerNodePorts: false where the load balancer does not need them, or guard the nodes.",
    rule="Service.spec.loadBalancerSourceRanges; KEP-1864",
    fails=_example(""),
    passes=_example("allocateLoadBalancerNodePorts: false"),
)
