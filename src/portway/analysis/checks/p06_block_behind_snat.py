"""PW-P06: an ipBlock for clients whose addresses the node hides."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Edit, Finding, Fix
from portway.analysis.policies import blocks, isolating, rules
from portway.analysis.view import services

_EVERYBODY = {"0.0.0.0/0", "::/0"}


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.type not in ("NodePort", "LoadBalancer") or service.external_policy == "Local":
            continue
        for workload in bundle.selected(service.namespace, service.selector):
            for policy in isolating(bundle, workload):
                for direction, path, rule in rules(policy):
                    named = [cidr for cidr in blocks(rule, "Ingress") if cidr not in _EVERYBODY]
                    if direction == "Ingress" and named:
                        where = service.item.where("spec.externalTrafficPolicy")
                        written = service.item.get("spec.externalTrafficPolicy") is not None
                        yield Finding(
                            "PW-P06",
                            "warning",
                            f"{policy.named} lets in {', '.join(named)}, but {service.item.named} hides its clients' "
                            "addresses behind the nodes'",
                            policy.where((*path, "from")),
                            confidence="likely",
                            hop="policy",
                            others=(service.item.where("spec.type"),),
                            seen=", ".join(named),
                            expected="externalTrafficPolicy: Local, or the nodes' addresses in the policy",
                            effect="the allowed clients are dropped, unless the pod is on the node that they dial",
                            fix=Fix(
                                "externalTrafficPolicy: Local (and a pod on each node)",
                                (Edit(where, "replace" if written else "add", "Local"),),
                            ),
                        )


def _example(policy: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more=f"type: NodePort\nexternalTrafficPolicy: {policy}"),
        examples.workload(kind="DaemonSet"),
        examples.policy("podSelector: {}\ningress:\n- from:\n  - ipBlock: {cidr: 203.0.113.0/24}"),
    )


CHECK = Check(
    code="PW-P06",
    title="an ipBlock for clients whose addresses are hidden",
    severity="warning",
    hop="policy",
    run=_run,
    cause="With externalTrafficPolicy Cluster a node that passes a connection on to another node replaces the client's "
    "address by its own. Policies at the pod see the node.",
    mend="Use Local, or guard the nodes' ports elsewhere.",
    rule="Service.spec.externalTrafficPolicy; virtual IPs and source addresses",
    fails=_example("Cluster"),
    passes=_example("Local"),
)
