"""PW-P03: a NetworkPolicy names a port that its pods do not define."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import peers, ports, subjects
from portway.analysis.view import container_ports


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("NetworkPolicy"):
        for one in ports(policy):
            if not isinstance(one.port, str):
                continue
            ingress = one.direction == "Ingress"
            rule = policy.get(one.rule, {})
            pods = subjects(bundle, policy) if ingress else peers(bundle, policy, "Egress", rule)
            lacking = [
                workload
                for workload in pods or ()
                if not any((p.name, p.protocol) == (one.port, one.protocol) for p in container_ports(workload))
            ]
            if pods and len(lacking) == len(pods):
                declared = ", ".join(dict.fromkeys(p.text for each in pods for p in container_ports(each)))
                yield Finding(
                    "PW-P03",
                    "error",
                    f'{policy.named} opens the port named "{one.port}" ({one.protocol}), which none of its pods define',
                    one.where(),
                    hop="policy",
                    others=tuple(each.item.where(each.path("spec", "containers")) for each in lacking[:3]),
                    seen=one.port,
                    expected=f"a name that the pods declare: {declared or 'none'}",
                    effect="the rule opens nothing",
                    fix=Fix("a declared name, or the number"),
                )


def _example(name: str) -> str:
    return examples.together(
        examples.workload("{name: http, containerPort: 8080}"),
        examples.policy(f"podSelector: {{matchLabels: {{app: shop}}}}\ningress:\n- ports: [{{port: {name}}}]"),
    )


CHECK = Check(
    code="PW-P03",
    title="a NetworkPolicy names a port that its pods do not define",
    severity="error",
    hop="policy",
    run=_run,
    cause="A named port means, in each pod that receives, the container port of that name and protocol. Pods without "
    "it are not opened, silently.",
    mend="Name the container port, or write its number.",
    rule="NetworkPolicyPort.port",
    fails=_example("web"),
    passes=_example("http"),
)
