"""PW-U08: a NetworkPolicy that selects no pod, or a peer that matches none."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item, strings
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.operators import may_select
from portway.analysis.policies import peers, rules, subjects
from portway.analysis.view import inside


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("NetworkPolicy"):
        selector = policy.get("spec.podSelector")
        known = bundle.workloads_in(policy.namespace) and not _operated(bundle, policy, selector)
        if selector and known and not subjects(bundle, policy):
            yield Finding(
                "PW-U08",
                "warning",
                f"{policy.named} selects no pod of {policy.namespace}",
                policy.where("spec.podSelector"),
                confidence="certain" if bundle.complete else "likely",
                hop="policy",
                effect="it protects nothing",
            )
        yield from _peers(bundle, policy)


def _peers(bundle: Bundle, policy: Item) -> Iterator[Finding]:
    for direction, path, _ in rules(policy):
        field = "from" if direction == "Ingress" else "to"
        for place, peer in inside(policy, (*path, field)):
            alone = isinstance(peer.get("podSelector"), dict) and "namespaceSelector" not in peer
            if not alone or not peer["podSelector"] or not bundle.workloads_in(policy.namespace):
                continue  # other namespaces may well be in nobody's input
            if not _operated(bundle, policy, peer["podSelector"]) and not peers(
                bundle, policy, direction, {field: [peer]}
            ):
                yield Finding(
                    "PW-U08",
                    "warning",
                    f"{policy.named}: a peer of {direction.lower()} matches no pod of {policy.namespace}",
                    policy.where((*place, "podSelector")),
                    confidence="certain" if bundle.complete else "likely",
                    hop="policy",
                    effect="the rule lets nobody through; pods of other namespaces need a namespaceSelector",
                )


def _operated(bundle: Bundle, policy: Item, selector: object) -> bool:
    """Whether an operator may make the pods that a selector means, or they may be in what could not be read."""
    labels = strings(selector.get("matchLabels")) if isinstance(selector, dict) else {}
    return bundle.partial or (not bundle.complete and may_select(bundle, policy.namespace, labels.values()) is not None)


def _example(label: str) -> str:
    return examples.together(
        examples.workload(), examples.policy(f"podSelector: {{matchLabels: {{app: {label}}}}}\ningress: []")
    )


CHECK = Check(
    code="PW-U08",
    title="a NetworkPolicy, or a peer of one, that selects no pod",
    severity="warning",
    hop="policy",
    run=_run,
    cause="A label that no pod has makes a policy protect nothing, and a peer let nobody in. A podSelector alone "
    "speaks of the policy's own namespace.",
    mend="Write labels that pods have.",
    fails=_example("shpo"),
    passes=_example("shop"),
)
