"""PW-U09: a NetworkPolicy rule that allows everybody."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import blocks, isolating, rules, subjects
from portway.kubeapi.errors import Doc


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("NetworkPolicy"):
        for direction, path, rule in rules(policy):
            undone = _others(bundle, policy) if direction == "Egress" and _is_open(rule, direction) else ()
            if _is_open(rule, direction) and (direction == "Ingress" or undone):
                names = ", ".join(item.named for item in undone)
                yield Finding(
                    "PW-U09",
                    "info",
                    f"{policy.named}: {direction.lower()} rule {path[-1]} allows everybody on every port",
                    policy.where(path),
                    hop="policy",
                    others=tuple(item.where("spec.egress") for item in undone),
                    effect=f"policies add up: whatever {names or 'others'} say, this opens the pods",
                )


def _is_open(rule: Doc, direction: str) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    world = any(cidr in ("0.0.0.0/0", "::/0") for cidr in blocks(rule, direction))
    return (not peers or world) and not rule.get("ports")


def _others(bundle: Bundle, policy: Item) -> tuple[Item, ...]:
    """Policies that limit the egress of the same pods: alone, egress without a limit is as good as none written."""
    pods = subjects(bundle, policy)
    found = {id(item): item for one in pods for item in isolating(bundle, one, "Egress") if item is not policy}
    return tuple(
        item
        for item in found.values()
        if not any(_is_open(rule, way) for way, _, rule in rules(item) if way == "Egress")
    )


def _example(rule: str) -> str:
    return examples.together(examples.workload(), examples.policy(f"podSelector: {{}}\ningress:\n- {rule}"))


CHECK = Check(
    code="PW-U09",
    title="a NetworkPolicy rule that allows everybody on every port",
    severity="info",
    hop="policy",
    run=_run,
    cause="An empty rule matches all traffic. One such rule undoes the other policies of the same pods. For egress it "
    "is told where there are such others: alone, it says what holds anyway.",
    mend="Name peers or ports.",
    rule="NetworkPolicyIngressRule: empty from and ports match all",
    fails=_example("{}"),
    passes=_example("ports: [{port: 8080}]"),
)
