"""PW-B04: two controllers that both give LoadBalancers their addresses."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.bundle import Bundle, Item
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix

_SERVICELB = "svccontroller.k3s.cattle.io/svcname"


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    pool = next(bundle.of("IPAddressPool"), None)
    for item, name, mend in _others(bundle) if pool else ():
        assert pool is not None
        yield Finding(
            "PW-B04",
            "warning",
            f"{item.named} is {name}'s, which gives LoadBalancers addresses, and so does {pool.named}",
            item.where(),
            hop="door",
            others=(pool.where(),),
            effect="both write status.loadBalancer: addresses change back and forth, or are announced by nobody",
            fix=Fix(mend),
        )


def _others(bundle: Bundle) -> Iterator[tuple[Item, str, str]]:
    for item in bundle.of("DaemonSet"):
        if _SERVICELB in item.labels:
            yield item, "k3s' ServiceLB", "k3s server --disable=servicelb, or loadBalancerClass at each Service"
    for item in bundle.of("CiliumLoadBalancerIPPool"):
        yield item, "Cilium", "one of both, or loadBalancerClass at each Service"


def _beside(labels: str) -> str:
    metadata = f"{{name: svclb-shop, namespace: kube-system, labels: {{{labels}}}}}"
    daemon = f"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {metadata}\n"
    return examples.together(daemon, examples.pool(), examples.pool("", kind="L2Advertisement"))


CHECK = Check(
    code="PW-B04",
    title="two controllers give LoadBalancers addresses",
    severity="warning",
    hop="door",
    run=_run,
    cause="A Service of type LoadBalancer without loadBalancerClass is for whichever controller comes first. k3s "
    "brings ServiceLB, which gives the nodes' own addresses; MetalLB and Portway give those of IPAddressPools.",
    mend="Switch one of them off, or tell Services apart by spec.loadBalancerClass.",
    rule="Service.spec.loadBalancerClass",
    fails=_beside(f"{_SERVICELB}: shop"),
    passes=_beside("app: another"),
)
