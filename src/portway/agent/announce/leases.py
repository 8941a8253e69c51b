"""The Leases of addresses and of announcing nodes, as they are now, and the writes of this node to them.

See `portway.loadbalancer.election` for what they mean. All moments are seconds of one clock of this node that also
runs while it sleeps (CLOCK_BOOTTIME).
"""

import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from portway.client import Api, Key, Reflector, Unreachable
from portway.kubeapi.announcing import (
    ADDRESS,
    DOUBTS,
    LEASES,
    NAMESPACE,
    ROLE,
    AnnouncerLease,
    address_lease,
    announcer_lease,
    node_lease,
)
from portway.kubeapi.errors import ApiError, Doc
from portway.loadbalancer.election import Timing
from portway.model.loadbalancer import Doubt

log = logging.getLogger(__name__)


def now() -> float:
    """This node's clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leases:
    """Follows them; `changed` is called after each change that may matter."""

    def __init__(self, api: Api, me: str, timing: Timing, changed: Callable[[], None]) -> None:
        self._api, self._me, self._timing, self._changed = api, me, timing, changed
        self.reflector: Reflector[AnnouncerLease] = Reflector(
            api, LEASES, namespace=NAMESPACE, label_selector=ROLE, decode=announcer_lease, on_change=self._note
        )
        self._beats: dict[str, float] = {}
        """When each node's beat was last seen to have changed."""
        self._fresh_until = -math.inf
        self._doubts: tuple[Doubt, ...] = ()

    def _note(self, key: Key, old: AnnouncerLease | None, new: AnnouncerLease | None) -> None:
        if new is not None and new.role == "node":
            if old is None or old.renewed != new.renewed:
                self._beats[new.holder] = now()
        else:
            self._changed()

    def of(self, address: str) -> AnnouncerLease | None:
        """An address's Lease."""
        return self.reflector.objects.get((NAMESPACE, address_lease(address)))

    def addresses(self) -> list[str]:
        """All that have a Lease."""
        return [lease.address for lease in self.reflector.objects.values() if lease.role == "address"]

    def mine(self) -> list[str]:
        """The addresses that this node has."""
        return [
            lease.address for lease in self.reflector.objects.values() if lease.address and lease.holder == self._me
        ]

    def holders(self) -> dict[str, tuple[str, ...]]:
        """By address, who has it by its Lease."""
        found = (lease for lease in self.reflector.objects.values() if lease.address and lease.holder)
        return {lease.address: (lease.holder,) for lease in found}

    def dies_in(self, node: str) -> float:
        """Seconds until a node counts as dead if it does not beat; not positive: it is dead."""
        if node == self._me:
            return math.inf
        return self._beats.setdefault(node, now()) + self._timing.expiry - now()

    @property
    def fresh(self) -> bool:
        """Whether this node may still answer for what it holds."""
        return now() < self._fresh_until

    def may_answer(self, address: str) -> bool:
        """Whether an address is ours beyond doubt: nobody can have taken it since we last knew."""
        lease = self.of(address)
        return self.fresh and lease is not None and lease.holder == self._me

    async def beat(self) -> None:
        """Renew this node's. Raises ApiError, Unreachable, TimeoutError."""
        sent = now()
        renewed = {"renewTime": _stamp()}
        try:
            await self._api.patch(LEASES, NAMESPACE, node_lease(self._me), {"spec": renewed})
        except ApiError as error:
            if error.code != 404:
                raise
            await self._api.create(LEASES, self._of_node(renewed))
        if not self.fresh and not await self._read_again():
            return
        self._fresh_until = max(self._fresh_until, sent + self._timing.fence)

    async def doubt(self, found: tuple[Doubt, ...]) -> None:
        """Say so in this node's Lease, if it does not yet. Raises ApiError, Unreachable, TimeoutError."""
        self._doubts = found
        stored = self.reflector.objects.get((NAMESPACE, node_lease(self._me)))
        if (stored.doubts if stored else ()) == found:
            return
        patch = {"metadata": {"annotations": {DOUBTS: self._written_doubts()}}}
        try:
            written = await self._api.patch(LEASES, NAMESPACE, node_lease(self._me), patch)
        except ApiError as error:
            if error.code != 404:
                raise
            written = await self._api.create(LEASES, self._of_node({}))
        self.reflector.note(written)

    def _written_doubts(self) -> str | None:
        return msgspec.json.encode(self._doubts).decode() if self._doubts else None

    def _of_node(self, spec: Doc) -> Doc:
        annotations = {DOUBTS: said} if (said := self._written_doubts()) else {}
        return self._document(node_lease(self._me), "node", annotations, spec)

    async def _read_again(self) -> bool:
        """After a silence others may have taken what was ours: only the server itself knows.

        False when something of ours is not there any more and the watch has not told yet: then silence goes on.
        """
        items, _ = await self._api.list(LEASES, NAMESPACE, label_selector=f"{ROLE}=address")
        for item in items:
            self.reflector.note(item)
        return set(self.mine()) <= {announcer_lease(item).address for item in items}

    async def claim(self, address: str) -> bool:
        """Make an address ours: False when another one was faster, or its holder lives."""
        lease = self.of(address)
        if lease is not None and lease.holder and await self._lives(lease.holder):
            return False
        transitions = lease.transitions + 1 if lease else 0
        spec = {"renewTime": _stamp(), "acquireTime": _stamp(), "leaseTransitions": transitions}
        document = self._document(address_lease(address), "address", {ADDRESS: address}, spec)
        try:
            if lease is None:
                written = await self._api.create(LEASES, document)
            else:
                document["metadata"]["resourceVersion"] = lease.version
                written = await self._api.replace(LEASES, document)
        except ApiError as error:
            if error.code in (404, 409):
                return False
            raise
        self.reflector.note(written)
        return True

    async def _lives(self, node: str) -> bool:
        """Asked of the server: our watch may be what has stopped."""
        try:
            beat = await self._api.get(LEASES, NAMESPACE, node_lease(node))
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        seen = self.reflector.objects.get((NAMESPACE, node_lease(node)))
        self.reflector.note(beat)
        return seen is None or seen.renewed != announcer_lease(beat).renewed

    async def release(self, address: str) -> None:
        """Nobody's, for others to claim."""
        lease = self.of(address)
        if lease is None or lease.holder != self._me:
            return
        patch = {"metadata": {"resourceVersion": lease.version}, "spec": {"holderIdentity": ""}}
        self.reflector.note(await self._api.patch(LEASES, NAMESPACE, address_lease(address), patch))

    async def forget(self, address: str) -> None:
        """There is no such address any more."""
        try:
            await self._api.delete(LEASES, NAMESPACE, address_lease(address))
        except ApiError as error:
            if error.code != 404:
                raise

    def _document(self, name: str, role: str, annotations: dict[str, str], spec: Doc) -> Doc:
        seconds = math.ceil(self._timing.expiry)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": NAMESPACE, "name": name, "labels": {ROLE: role}, "annotations": annotations},
            "spec": {"holderIdentity": self._me, "leaseDurationSeconds": seconds, **spec},
        }


def _stamp() -> str:
    """`metav1.MicroTime`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


FAILURES = (ApiError, Unreachable, TimeoutError)
"""Of requests: they are tried again."""
