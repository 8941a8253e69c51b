"""Keeps ServiceCIDRs ready, and lets them go when no Service needs them."""

from portway.client import Key
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.kubeapi.errors import Doc
from portway.kubeapi.ipaddress import is_allocators
from portway.reconcile import servicecidrs
from portway.reconcile.objects import is_deleting, name_of
from portway.reconcile.resources import IP_ADDRESSES, SERVICE_CIDRS


class ServiceCIDRController(Controller):
    """Follows ServiceCIDRs, and IPAddresses while one of those is going."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._ranges, self._addresses = self.caches[SERVICE_CIDRS], self.caches[IP_ADDRESSES]
        self._ranges.listeners.append(self._changed)
        self._addresses.listeners.append(self._address_changed)

    def _changed(self, key: Key, *_: object) -> None:
        """One that comes may let another go."""
        self.queue.add(key)
        self._look_at_going()

    def _address_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        if old is None or new is None:
            self._look_at_going()

    def _look_at_going(self) -> None:
        for key, document in self._ranges.objects.items():
            if is_deleting(document):
                self.queue.add(key)

    async def work(self, key: Key) -> float | None:
        """Make it ready, or let it go."""
        document = self._ranges.get(key)
        if document is None:
            return None
        others = [other for name, other in self._ranges.objects.items() if name != key]
        held = map(name_of, filter(is_allocators, self._addresses.objects.values()))
        changes = servicecidrs.reconcile(document, others, held, self.cluster.clock())
        await self.hands.carry_out(changes)
        return servicecidrs.GRACE if is_deleting(document) and not changes else None
