"""An IPAddressPool's counters: how many of its addresses are in use, and how many are left.

Source: MetalLB 0.15, IPAddressPoolStatus.
"""

from collections.abc import Iterable

from portway.kubeapi.errors import Doc
from portway.model import Family, family_of
from portway.model.loadbalancer import AddressPool
from portway.reconcile.change import Change, Update
from portway.reconcile.objects import status_of
from portway.reconcile.resources import IP_ADDRESS_POOLS

_MOST = (1 << 63) - 1
"""int64: what a range of IPv6 exceeds easily."""


def reconcile(document: Doc, pool: AddressPool, in_use: Iterable[str]) -> list[Change]:
    """`in_use`: all addresses that Services hold."""
    mine = [family_of(address) for address in in_use if pool.usable(address)]
    families: tuple[Family, ...] = ("IPv4", "IPv6")
    status: Doc = {f"assigned{family}": mine.count(family) for family in families}
    status |= {f"available{family}": min(_MOST, pool.size(family) - mine.count(family)) for family in families}
    if status == status_of(document):
        return []
    return [Update(IP_ADDRESS_POOLS, {**document, "status": status}, "status")]
