"""PW-N16: loadBalancerSourceRanges that leave a family of the Service's addresses open."""

from collections.abc import Iterator, Sequence

from portway.analysis import examples
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding
from portway.analysis.view import ServiceView, services, word, words
from portway.model.address import family_of

_FAMILIES = ("IPv4", "IPv6")


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for service in services(bundle):
        ranges = words(service.item.get("spec.loadBalancerSourceRanges"))
        if service.type != "LoadBalancer" or not ranges:
            continue
        for family in _families(service):
            if not any(family_of(one) == family for one in ranges):
                yield _open(service, ranges, family)


def _families(service: ServiceView) -> Sequence[str]:
    """Those of its addresses, as far as it says so; nearly every cluster's first one is IPv4."""
    if word(service.item.get("spec.ipFamilyPolicy")) in ("PreferDualStack", "RequireDualStack"):
        return _FAMILIES
    return words(service.item.get("spec.ipFamilies")) or _FAMILIES[:1]


def _open(service: ServiceView, ranges: Sequence[str], family: str) -> Finding:
    return Finding(
        "PW-N16",
        "warning",
        f"{service.item.named} has no {family} range: {family} clients come from anywhere",
        service.item.where("spec.loadBalancerSourceRanges"),
        hop="node",
        seen=", ".join(ranges),
        expected=f"an {family} range as well",
        effect=f"its {family} address is open to everybody",
    )


def _example(ranges: str) -> str:
    text = f"type: LoadBalancer\nipFamilyPolicy: PreferDualStack\nloadBalancerSourceRanges: [{ranges}]"
    return examples.service("{port: 80}", more=f"{text}\nallocateLoadBalancerNodePorts: false")


CHECK = Check(
    code="PW-N16",
    title="source ranges of one family, for addresses of two",
    severity="warning",
    hop="node",
    run=_run,
    cause="Nodes hold loadBalancerSourceRanges against each family by itself. A family that none of them is of has no "
    "list at all, and lets in everybody.",
    mend="Give a range of each family that the Service has; one that nobody comes from (192.0.2.1/32, 2001:db8::1/128) "
    "closes a family.",
    rule="Service.spec.loadBalancerSourceRanges; kube-proxy: ranges are kept by family, and none means no filter",
    fails=_example("203.0.113.0/24"),
    passes=_example('203.0.113.0/24, "2001:db8:1::/48"'),
)
