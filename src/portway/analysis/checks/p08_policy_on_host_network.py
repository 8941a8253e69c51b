"""PW-P08: a NetworkPolicy that selects pods on the host's network."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.policies import subjects


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for policy in bundle.of("NetworkPolicy"):
        for workload in subjects(bundle, policy):
            if workload.pod_spec.get("hostNetwork") is True:
                yield Finding(
                    "PW-P08",
                    "info",
                    f"{policy.named} selects pods of {workload.item.named}, which are on the host's network",
                    policy.where("spec.podSelector"),
                    hop="policy",
                    others=(workload.item.where(workload.path("spec", "hostNetwork")),),
                    effect="most networks do not enforce it for them",
                )


def _example(pod: str) -> str:
    return examples.together(
        examples.workload(pod=pod),
        examples.policy("podSelector: {matchLabels: {app: shop}}"),
    )


CHECK = Check(
    code="PW-P08",
    title="a NetworkPolicy that selects pods on the host's network",
    severity="info",
    hop="policy",
    run=_run,
    cause="Pods on the host's network have the node's addresses, and Kubernetes leaves open what policies do for them.",
    mend="Guard the node's ports, or give the pods a network of their own.",
    rule="NetworkPolicy: hostNetwork pods",
    fails=_example("hostNetwork: true"),
    passes=_example(""),
)
