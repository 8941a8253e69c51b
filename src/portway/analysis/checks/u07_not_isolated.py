"""PW-U07: pods that no NetworkPolicy selects."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.policies import isolating


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    if any(bundle.of("ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy")):
        return  # what those leave open is audit's to say
    for workload in bundle.workloads:
        if workload.pod_spec.get("hostNetwork") is True:
            continue
        open_ways = [way for way in ("Ingress", "Egress") if not isolating(bundle, workload, way)]
        if open_ways:
            ways = " and ".join(way.lower() for way in open_ways)
            yield Finding(
                "PW-U07",
                "info",
                f"{workload.item.named}: no NetworkPolicy limits {ways}",
                workload.item.where(workload.path("metadata", "labels")),
                confidence="certain" if bundle.complete else "likely",
                hop="policy",
                seen=f"{ways} open to all",
                effect="every pod of the cluster can reach it" if "Ingress" in open_ways else "it can reach everything",
                fix=Fix("a policy that selects it; a default deny for the namespace"),
            )


CHECK = Check(
    code="PW-U07",
    title="pods that no NetworkPolicy selects",
    severity="info",
    hop="policy",
    run=_run,
    style=True,
    cause="Without a policy that selects it, a pod takes and makes any connection.",
    mend="Deny by default in each namespace, and allow what is needed.",
    controls=("C-0030", "C-0054", "C-0260", "KSV-0038", "CIS-5.3.2", "NSA"),
    fails=examples.workload(),
    passes=examples.together(examples.workload(), examples.policy("podSelector: {}\npolicyTypes: [Ingress, Egress]")),
)
