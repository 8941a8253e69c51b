"""PW-W16: a Service that leads to pods on the host's network."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        for workload in bundle.selected(service.namespace, service.selector):
            if workload.pod_spec.get("hostNetwork") is True:
                collide = workload.replicas is not None and workload.replicas > 1
                yield Finding(
                    "PW-W16",
                    "warning" if collide else "info",
                    f"{service.item.named} leads to {workload.item.named}, whose pods are on the nodes' own network",
                    workload.item.where(workload.path("spec", "hostNetwork")),
                    hop="pod",
                    others=(service.item.where("spec.selector"),),
                    effect="NetworkPolicies do not apply to them, their ports are the nodes' ports"
                    + (", and two of them on one node collide" if collide else ""),
                )


def _example(more: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}"), examples.workload(pod=more, more="replicas: 2")
    )


CHECK = Check(
    code="PW-W16",
    title="a Service leads to pods on the host's network",
    severity="warning",
    hop="pod",
    run=_run,
    cause="A pod with hostNetwork has its node's addresses. Whoever reaches the node reaches the port, without any "
    "Service, and policies that select pods leave it alone. A warning where two of them may meet on one node, which "
    "has the port once.",
    mend="Give the pods a network of their own, or run one on each node (DaemonSet) and guard the nodes' ports.",
    rule="PodSpec.hostNetwork; NetworkPolicy: behaviour for hostNetwork pods is undefined",
    controls=("C-0041", "KSV-0009", "CIS-5.2.5", "NSA"),
    fails=_example("hostNetwork: true"),
    passes=_example(""),
)
