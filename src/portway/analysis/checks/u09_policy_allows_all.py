"""PW-U09: a NetworkPolicy rule that allows everybody."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import blocks, rules


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("NetworkPolicy"):
        for direction, path, rule in rules(policy):
            peers = rule.get("from" if direction == "Ingress" else "to")
            world = any(cidr in ("0.0.0.0/0", "::/0") for cidr in blocks(rule, direction))
            if (not peers and not rule.get("ports")) or (world and not rule.get("ports")):
                yield Finding(
                    "PW-U09",
                    "info",
                    f"{policy.named}: {direction.lower()} rule {path[-1]} allows everybody on every port",
                    policy.where(path),
                    hop="policy",
                    effect="policies add up: whatever others say, this opens the pods",
                )


def _example(rule: str) -> str:
    return examples.together(examples.workload(), examples.policy(f"podSelector: {{}}\ningress:\n- {rule}"))


CHECK = Check(
    code="PW-U09",
    title="a NetworkPolicy rule that allows everybody on every port",
    severity="info",
    hop="policy",
    run=_run,
    cause="An empty rule matches all traffic. One such rule undoes the other policies of the same pods.",
    mend="Name peers or ports.",
    rule="NetworkPolicyIngressRule: empty from and ports match all",
    fails=_example("{}"),
    passes=_example("ports: [{port: 8080}]"),
)
