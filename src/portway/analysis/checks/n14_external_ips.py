"""PW-N14: externalIPs."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.view import services


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        if service.external_ips:
            yield Finding(
                "PW-N14",
                "warning",
                f"{service.item.named} claims {', '.join(service.external_ips)} by externalIPs, which is deprecated",
                service.item.where("spec.externalIPs"),
                hop="door",
                seen=", ".join(service.external_ips),
                expected="type: LoadBalancer with an address from a pool",
                effect="off by default from 1.40 and removed in 1.43; until then whoever may write Services can take "
                "the traffic of any address (CVE-2020-8554)",
                fix=Fix("type: LoadBalancer, or a Gateway"),
            )


CHECK = Check(
    code="PW-N14",
    title="deprecated externalIPs",
    severity="warning",
    hop="door",
    run=_run,
    cause="externalIPs makes every node answer for addresses that nobody checks.",
    mend="Use a LoadBalancer Service.",
    rule="KEP-5707; Service.spec.externalIPs is deprecated since 1.36",
    controls=("KSV-0108", "CIS-1.2.3", "CVE-2020-8554"),
    fails=examples.service("{port: 80}", more="externalIPs: [203.0.113.7]"),
    passes=examples.service("{port: 80}", more="type: LoadBalancer"),
)
