"""An IPAddressPool's counters: how many of its addresses are in use, and how many are left.

Source: MetalLB 0.15, IPAddressPoolStatus.
"""

from portway.kubeapi.errors import Doc
from portway.loadbalancer.usage import FAMILIES, Usage
from portway.reconcile.change import Change, Update
from portway.reconcile.objects import status_of
from portway.reconcile.resources import IP_ADDRESS_POOLS

_MOST = (1 << 63) - 1
"""int64: what a range of IPv6 exceeds easily."""


def reconcile(document: Doc, used: Usage) -> list[Change]:
    """`used`: what Services hold of it now."""
    status: Doc = {f"assigned{family}": used.in_use[family] for family in FAMILIES}
    status |= {f"available{family}": min(_MOST, used.total[family] - used.in_use[family]) for family in FAMILIES}
    if status == status_of(document):
        return []
    return [Update(IP_ADDRESS_POOLS, {**document, "status": status}, "status")]
