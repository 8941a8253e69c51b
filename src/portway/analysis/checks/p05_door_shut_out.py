"""PW-P05: pods behind an outside door that policies close to everybody outside."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item, Workload
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import isolating, rules
from portway.analysis.reach import exposed


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service, how in exposed(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            closing = isolating(bundle, workload)
            if closing and not any(_lets_strangers_in(policy, workload) for policy in closing):
                yield Finding(
                    "PW-P05",
                    "warning",
                    f"{service.item.named} is open to the outside by {how}, but policies let nobody from outside "
                    f"{workload.namespace} into {workload.item.named}",
                    closing[0].where("spec.podSelector"),
                    confidence="likely",
                    hop="policy",
                    others=(service.item.where("spec.type"), workload.item.where(workload.path("metadata", "labels"))),
                    effect="outside clients, and a door in another namespace, time out",
                    fix=Fix("an ingress rule for the door's namespace, or an ipBlock for outside clients"),
                    assumptions=("ASSUME_CNI_ENFORCES_POLICY",),
                )


def _lets_strangers_in(policy: Item, workload: Workload) -> bool:
    """Whether an ingress rule has a peer beyond pods of the namespace itself."""
    for direction, _, rule in rules(policy):
        if direction == "Ingress":
            peers = rule.get("from")
            if not peers:
                return True
            if isinstance(peers, list) and any(
                isinstance(peer, dict) and ("ipBlock" in peer or "namespaceSelector" in peer) for peer in peers
            ):
                return True
    return False


def _example(peer: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="type: NodePort"),
        examples.workload(),
        examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- from:\n  - {peer}"),
    )


CHECK = Check(
    code="PW-P05",
    title="policies that close what a door opens",
    severity="warning",
    hop="policy",
    run=_run,
    cause="A Service of type NodePort or LoadBalancer, an Ingress or a route leads to pods that policies isolate, and "
    "no rule lets in anybody but pods of the same namespace.",
    mend="Let in the door: its namespace by namespaceSelector, or outside clients by ipBlock.",
    rule="NetworkPolicy: an isolated pod admits what a rule names",
    fails=_example("podSelector: {matchLabels: {app: web}}"),
    passes=_example("ipBlock: {cidr: 0.0.0.0/0}"),
)
