"""PW-B01: an IPAddressPool whose addresses nobody announces."""

from collections.abc import Iterator

from portway.analysis import examples
from portway.analysis.balancers import advertised, pool_items
from portway.analysis.bundle import Bundle
from portway.analysis.check import Check, Settings
from portway.analysis.finding import Finding, Fix


def _run(bundle: Bundle, settings: Settings) -> Iterator[Finding]:
    for item, pool in pool_items(bundle):
        if not advertised(bundle, pool):
            yield Finding(
                "PW-B01",
                "warning",
                f"no L2Advertisement or BGPAdvertisement is for {item.named}: its addresses are never announced",
                item.where(),
                confidence="certain" if bundle.complete else "likely",
                hop="door",
                effect="Services get an address that nobody answers for: connections from outside time out",
                fix=Fix(f"an L2Advertisement with spec.ipAddressPools: [{item.name}]"),
            )


CHECK = Check(
    code="PW-B01",
    title="pool of addresses (IPAddressPool) without an advertisement",
    severity="warning",
    hop="door",
    run=_run,
    cause="A pool only gives addresses away. Without an L2Advertisement or BGPAdvertisement no node answers for them, "
    "and from a node itself everything seems to work. `portway trace` says LB_NOT_ADVERTISED.",
    mend="Create an advertisement. One without ipAddressPools and ipAddressPoolSelectors is for every pool.",
    rule="MetalLB: L2Advertisement.spec.ipAddressPools, ipAddressPoolSelectors",
    fails=examples.together(
        examples.pool(), examples.pool("ipAddressPools: [office]", kind="L2Advertisement", name="home")
    ),
    passes=examples.together(
        examples.pool(), examples.pool("ipAddressPools: [home]", kind="L2Advertisement", name="home")
    ),
)
