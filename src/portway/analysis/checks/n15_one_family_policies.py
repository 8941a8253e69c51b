"""PW-N15: a Service with IPv6 whose policies name IPv4 addresses only."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import blocks, isolating, rules
from portway.analysis.reach import exposed
from portway.analysis.view import ServiceView, word, words


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service, _ in exposed(bundle):
        if not _has_ipv6(service):
            continue
        for workload in bundle.selected(service.namespace, service.selector):
            for policy in isolating(bundle, workload):
                cidrs = [c for way, _, rule in rules(policy) if way == "Ingress" for c in blocks(rule, "Ingress")]
                if cidrs and not any(":" in cidr for cidr in cidrs):
                    yield Finding(
                        "PW-N15",
                        "info",
                        f"{policy.named} names IPv4 addresses only, and {service.item.named} is reached by IPv6 too",
                        policy.where("spec.ingress"),
                        confidence="likely",
                        hop="policy",
                        others=(service.item.where("spec.ipFamilyPolicy"),),
                        seen=", ".join(cidrs),
                        effect="the same clients are turned away when they come by IPv6",
                    )


def _has_ipv6(service: ServiceView) -> bool:
    policy = word(service.item.get("spec.ipFamilyPolicy"))
    return policy in ("PreferDualStack", "RequireDualStack") or "IPv6" in words(service.item.get("spec.ipFamilies"))


def _example(cidrs: str) -> str:
    peers = "".join(f"\n  - ipBlock: {{cidr: {cidr}}}" for cidr in cidrs.split())
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="type: NodePort\nipFamilyPolicy: PreferDualStack"),
        examples.workload(),
        examples.policy(f"podSelector: {{}}\ningress:\n- from:{peers}"),
    )


CHECK = Check(
    code="PW-N15",
    title="policies that name IPv4 addresses for a Service with IPv6",
    severity="info",
    hop="policy",
    run=_run,
    cause="An ipBlock of one family says nothing of the other, and clients choose which one they come by.",
    mend="Name the clients' IPv6 ranges as well.",
    fails=_example("203.0.113.0/24"),
    passes=_example("203.0.113.0/24 2001:db8::/32"),
)
