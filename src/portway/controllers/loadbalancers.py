"""Addresses for Services of type LoadBalancer, and the counters of the pools that they come from."""

from contextlib import suppress

from msgspec import Struct

from portway.client import Key
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.controllers.metrics import BalancerFigures
from portway.kubeapi import decode_loadbalancer
from portway.kubeapi.decode import Undecodable
from portway.kubeapi.errors import Doc
from portway.loadbalancer import Held, Refusal
from portway.loadbalancer.usage import usage
from portway.model.loadbalancer import AddressPool
from portway.reconcile import addresspools, loadbalancers
from portway.reconcile.change import Change, Event, Update
from portway.reconcile.objects import is_deleting, labels_of, name_of, spec_of
from portway.reconcile.resources import IP_ADDRESS_POOLS, NAMESPACES, SERVICES

_COUNTING_PAUSE = 0.2
"""Seconds before a pool's counters are written: Services come together."""


class PoolKey(Struct, frozen=True):
    """A pool whose counters are to be looked at."""

    key: Key


class LoadBalancerController(Controller):
    """Follows Services, pools, and the labels of namespaces. One worker: who asks first is served first."""

    workers = 1

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.held = Held()
        self._pools: dict[Key, AddressPool] = {}
        self._waiting: dict[Key, Refusal] = {}
        """Services that were refused, and why: they ask again when something changes."""
        self._updates = self._errors = 0
        self.caches[SERVICES].listeners.append(self._service_changed)
        self.caches[IP_ADDRESS_POOLS].listeners.append(self._pool_changed)
        self.caches[NAMESPACES].listeners.append(self._namespace_changed)

    def _service_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        (had, old_terms), (has, new_terms) = _held(old), _held(new)
        self._note(key, new)
        if had != has:
            self._count()
        if set(had) - set(has) or old_terms != new_terms:
            self._ask_again()
        if _concerns(new):
            self.queue.add(key)

    def _note(self, key: Key, service: Doc | None) -> None:
        """What the Service holds, as its document says."""
        if service is not None and _concerns(service):
            self.held.put(decode_loadbalancer.balanced_service(service))
        else:
            self.held.drop(key)

    def _pool_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        if new is not None:
            self.queue.add_later(PoolKey(key), _COUNTING_PAUSE)
        if old is not None and new is not None and (spec_of(old), labels_of(old)) == (spec_of(new), labels_of(new)):
            return
        self._pools.pop(key, None)
        if new is not None and not is_deleting(new):
            with suppress(Undecodable):  # nothing can be taken from one that was stored unread
                self._pools[key] = decode_loadbalancer.address_pool(new)
        for service, document in self.caches[SERVICES].objects.items():
            if _concerns(document):
                self.queue.add(service)

    def _namespace_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        if old is None or new is None or labels_of(old) != labels_of(new):
            self._ask_again()

    def _ask_again(self) -> None:
        for key in self._waiting:
            self.queue.add(key)

    def _count(self) -> None:
        for key in self._pools:
            self.queue.add_later(PoolKey(key), _COUNTING_PAUSE)

    async def work(self, key: Key | PoolKey) -> float | None:
        """Give the Service what it may have, or count what the pool gave."""
        self._updates += 1
        try:
            await (self._write_counters(key.key) if isinstance(key, PoolKey) else self._balance(key))
        except Exception:
            self._errors += 1
            raise
        return None

    def figures(self) -> BalancerFigures:
        """For metrics. MetalLB tells pools apart by name only, and so does this."""
        unread = self.caches[IP_ADDRESS_POOLS].objects.keys() - self._pools.keys()
        silent = any(self.caches[kind].reflector.failure for kind in (SERVICES, IP_ADDRESS_POOLS))
        pools = {pool.name: usage(pool, self.held) for pool in self._pools.values()}
        return BalancerFigures(pools, self._updates, self._errors, bool(pools), bool(unread or silent))

    async def _balance(self, key: Key) -> None:
        service = self.caches[SERVICES].get(key)
        told = self._waiting.pop(key, None)
        if service is None:
            return
        namespaces = {name_of(n): labels_of(n) for n in self.caches[NAMESPACES].objects.values()}
        changes, refusal = loadbalancers.reconcile(service, list(self._pools.values()), self.held, namespaces)
        if refusal is not None:
            self._waiting[key] = refusal
        if refusal is not None and refusal == told:
            # It asked again because others changed, and that is no news.
            changes = [change for change in changes if not isinstance(change, Event)]
        self._reserve(key, changes)
        await self.hands.carry_out(changes)

    def _reserve(self, key: Key, changes: list[Change]) -> None:
        """Before the server knows: should its answer be lost, nobody else is given the same address meanwhile."""
        for change in changes:
            if isinstance(change, Update) and change.subresource == "status":
                self._note(key, change.document)

    async def _write_counters(self, key: Key) -> None:
        document, pool = self.caches[IP_ADDRESS_POOLS].get(key), self._pools.get(key)
        if document is not None and pool is not None:
            await self.hands.carry_out(addresspools.reconcile(document, usage(pool, self.held)))


def _held(service: Doc | None) -> tuple[tuple[str, ...], str]:
    """The addresses that it has by us, and the terms on which it shares them."""
    if service is None or not _concerns(service):
        return (), ""
    found = decode_loadbalancer.balanced_service(service)
    return found.addresses, found.granted


def _concerns(service: Doc | None) -> bool:
    """Whether it is balanced, or was and still has our finalizer."""
    if service is None:
        return False
    finalizers = (service.get("metadata") or {}).get("finalizers") or []
    return decode_loadbalancer.is_balanced(service) or loadbalancers.FINALIZER in finalizers
