"""PW-B02: a LoadBalancer that the bundle's pools give no address."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.balancing import Balancing, pending
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix
from portway.analysis.imagined import imagine
from portway.loadbalancer import Refusal

_ELSEWHERE = frozenset(("LB_CLASS_FOREIGN", "LB_PENDING"))
"""Another controller's, or only late: nothing is wrong with it."""


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item, refusal in _refused(bundle):
        if refusal.code not in _ELSEWHERE:
            yield Finding(
                "PW-B02",
                "warning",
                f"{item.named} stays pending ({refusal.code}): {refusal.message}",
                item.where("spec.type"),
                confidence="certain" if bundle.complete else "likely",
                hop="door",
                seen=refusal.code,
                effect="it has no address, and nobody outside reaches it by one",
                fix=Fix(f"portway explain {refusal.code} says what would be right"),
            )


def _refused(bundle: Bundle) -> Iterator[tuple[Item, Refusal]]:
    """LoadBalancers without an address, and why; asked of what the API server would take."""
    known = imagine(bundle).terrain.balancing if any(bundle.of("IPAddressPool")) else Balancing()
    for key, service in known.services.items():
        item = bundle.find("Service", *key)
        if item is not None and not service.addresses:
            yield item, pending(known, key)


def _asking(address: str) -> str:
    return examples.together(
        examples.service("{port: 80, targetPort: 8080}", more=f"type: LoadBalancer\nloadBalancerIP: {address}"),
        examples.workload(),
        examples.pool(),
        examples.pool("", kind="L2Advertisement"),
    )


CHECK = Check(
    code="PW-B02",
    title="load balancer that no IPAddressPool gives an address",
    severity="warning",
    hop="door",
    run=_run,
    cause="What a Service asks for (address, pool, IP families, a shared address) must be what some pool may give it. "
    "Otherwise it stays pending. Asked only where there are IPAddressPools.",
    mend="Ask for what there is, or add it to a pool.",
    rule="MetalLB: IPAddressPool.spec, annotations metallb.io/loadBalancerIPs, address-pool, allow-shared-ip",
    fails=_asking("192.0.2.9"),
    passes=_asking("192.0.2.245"),
)
