"""PW-P05: pods behind an outside door that policies close to everybody outside."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import isolating, rules
from portway.analysis.reach import exposed
from portway.analysis.view import inside


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service, how in exposed(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            closing = isolating(bundle, workload)
            doors = ("ipBlock",) if service.exposed else ("ipBlock", "namespaceSelector")
            if closing and not any(_lets_in(policy, doors) for policy in closing):
                yield Finding(
                    "PW-P05",
                    "warning",
                    f"{service.item.named} is open to the outside by {how}, but policies let nobody from there into "
                    f"{workload.item.named}",
                    closing[0].where("spec.podSelector"),
                    confidence="likely",
                    hop="policy",
                    others=(service.item.where("spec.type"), workload.item.where(workload.path("metadata", "labels"))),
                    effect="outside clients, and a door in another namespace, time out",
                    fix=Fix("an ingress rule for the door's namespace, or an ipBlock for outside clients"),
                    assumptions=("ASSUME_CNI_ENFORCES_POLICY",),
                )


def _lets_in(policy: Item, fields: tuple[str, ...]) -> bool:
    """Whether an ingress rule lets in everybody, or peers given by one of these fields.

    Who dials a node or a load balancer has an address and no namespace; an Ingress's door is pods of some namespace.
    """
    for direction, path, rule in rules(policy):
        named = [peer for _, peer in inside(policy, (*path, "from"))]
        if direction == "Ingress" and (
            not rule.get("from") or any(field in peer for peer in named for field in fields)
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
    "no rule lets in who comes that way: an address, or the pods of a door in another namespace.",
    mend="Let in the door: its namespace by namespaceSelector, or outside clients by ipBlock.",
    rule="NetworkPolicy: an isolated pod admits what a rule names",
    fails=_example("podSelector: {matchLabels: {app: web}}"),
    passes=_example("ipBlock: {cidr: 0.0.0.0/0}"),
)
