"""PW-P07: egress rules that leave out DNS."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import PolicyPort, directions, isolating, ports, rules, subjects

_DNS = (53, 5353)
"""Policies see the port of the DNS pods, which OpenShift has on 5353."""


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    egress = [item for item in bundle.of("NetworkPolicy") if "Egress" in directions(item)]
    for policy in egress:
        pods = subjects(bundle, policy)
        named = list(rules(policy))
        if not any(direction == "Egress" for direction, _, _ in named) or not pods:
            continue  # a default deny: meant to close everything
        others = [item for item in isolating(bundle, pods[0], "Egress") if set(pods) <= set(subjects(bundle, item))]
        missing = [p for p in ("UDP", "TCP") if not any(_opens_dns(item, p) for item in others)]
        if missing:
            yield Finding(
                "PW-P07",
                "warning",
                f"{policy.named} allows some egress, but no policy of these pods allows DNS over "
                f"{' and '.join(missing)}",
                policy.where("spec.egress"),
                confidence="likely",
                hop="policy",
                others=tuple(one.item.where(one.path("metadata", "labels")) for one in pods[:3]),
                expected="ports 53/UDP and 53/TCP to kube-dns",
                effect="names do not resolve"
                if "UDP" in missing
                else "long answers, which DNS repeats over TCP, are lost",
                fix=Fix("an egress rule for 53/UDP and 53/TCP to namespace kube-system"),
                assumptions=("ASSUME_CNI_ENFORCES_POLICY",),
            )


def _opens_dns(policy: Item, protocol: str) -> bool:
    for direction, path, rule in rules(policy):
        if direction == "Egress":
            opened = [one for one in ports(policy) if one.rule == path]
            if not rule.get("ports") or any(_is_dns(one, protocol) for one in opened):
                return True
    return False


def _is_dns(one: PolicyPort, protocol: str) -> bool:
    return one.protocol == protocol and (any(map(one.opens, _DNS)) or one.port in ("dns", "dns-tcp"))


def _example(more: str) -> str:
    return examples.together(
        examples.workload(),
        examples.policy(f"podSelector: {{}}\npolicyTypes: [Egress]\negress:\n- ports: [{{port: 5432}}{more}]"),
    )


CHECK = Check(
    code="PW-P07",
    title="egress rules that leave out DNS",
    severity="warning",
    hop="policy",
    run=_run,
    cause="A pod that egress policies isolate reaches nothing but what they name. Without port 53 it cannot look up "
    "the very names that the rules were written for.",
    mend="Allow 53/UDP and 53/TCP to the cluster's DNS.",
    fails=_example(""),
    passes=_example(", {port: 53, protocol: UDP}, {port: 53}"),
)
