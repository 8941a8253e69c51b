"""PW-N11: internalTrafficPolicy Local with pods that are not on every node."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        workloads = bundle.selected(service.namespace, service.selector)
        if service.internal_policy == "Local" and workloads and all(one.replicas is not None for one in workloads):
            yield Finding(
                "PW-N11",
                "warning",
                f"{service.item.named}: internalTrafficPolicy Local, and its pods do not run on every node",
                service.item.where("spec.internalTrafficPolicy"),
                confidence="likely",
                hop="node",
                others=tuple(one.item.where("kind") for one in workloads),
                seen="Local",
                effect="clients on other nodes get no answer, though pods are ready; outside clients are not concerned",
                fix=Fix("a DaemonSet, or internalTrafficPolicy: Cluster"),
            )


def _example(kind: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more="internalTrafficPolicy: Local"),
        examples.workload(kind=kind),
    )


CHECK = Check(
    code="PW-N11",
    title="internalTrafficPolicy Local without a pod on every node",
    severity="warning",
    hop="node",
    run=_run,
    cause="Local sends a client to pods of its own node only. Where there is none, packets are dropped. It is often "
    "taken for externalTrafficPolicy.",
    mend="Run a pod on every node with clients; to keep outside clients' addresses use externalTrafficPolicy.",
    rule="KEP-2086",
    fails=_example("Deployment"),
    passes=_example("DaemonSet"),
)
