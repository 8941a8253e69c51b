"""Garbage, namespaces that go, and what every namespace has."""

import asyncio
from collections.abc import Iterator
from functools import partial

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cache import Cache
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.kubeapi import catalogue
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile import garbage, namespaces, serviceaccounts
from portway.reconcile.garbage import Item
from portway.reconcile.objects import is_deleting, meta, namespace_of, uid_of
from portway.reconcile.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS

_FINALIZERS = {garbage.FOREGROUND, garbage.ORPHAN}


class GarbageCollector(Controller):
    """Follows every resource there is. Keys are (resource, key)."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        for cache in self.caches.values():
            cache.listeners.append(partial(self._changed, cache))

    def _changed(self, cache: Cache, key: Key, old: Doc | None, new: Doc | None) -> None:
        if old is not None and (new is None or uid_of(new) != uid_of(old)):
            for item in self._dependents(old):
                self.queue.add((item.resource, key_of(item.document)))
            self._owners_may_go(old)
        if new is not None and (self._is_waiting(new) or self._has_new_owners(old, new)):
            self.queue.add((cache.resource, key))

    def _is_waiting(self, document: Doc) -> bool:
        return is_deleting(document) and not _FINALIZERS.isdisjoint(meta(document).get("finalizers") or [])

    def _has_new_owners(self, old: Doc | None, new: Doc) -> bool:
        """Owners to be looked for: those that are there already need no look."""
        references = meta(new).get("ownerReferences") or []
        if not references or (old is not None and references == meta(old).get("ownerReferences")):
            return False
        return any(not self._is_known(reference, namespace_of(new)) for reference in references)

    def _owners_may_go(self, dependent: Doc) -> None:
        """An owner that waits for its dependents looks again when one is gone."""
        for reference in meta(dependent).get("ownerReferences") or []:
            found = self._owner(reference, namespace_of(dependent))
            if found is not None and self._is_waiting(found[1]):
                self.queue.add((found[0], key_of(found[1])))

    def _owner(self, reference: Doc, namespace: str) -> tuple[Resource, Doc] | None:
        kind = catalogue.by_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        cache = self.caches.get(kind.resource) if kind else None
        if cache is None:
            return None
        scope = namespace if cache.resource.namespaced else ""
        document = cache.get((scope, reference.get("name", "")))
        return (cache.resource, document) if document is not None else None

    def _is_known(self, reference: Doc, namespace: str) -> bool:
        found = self._owner(reference, namespace)
        return found is not None and uid_of(found[1]) == reference.get("uid")

    def _dependents(self, owner: Doc) -> Iterator[Item]:
        for cache in self.caches.values():
            for document in cache.owned_by(owner):
                yield Item(cache.resource, document)

    async def work(self, key: tuple[Resource, Key]) -> float | None:
        """Delete it, or let it go."""
        resource, name = key
        document = self.caches[resource].get(name)
        if document is None:
            return None
        references = meta(document).get("ownerReferences") or []
        missing = [ref for ref in references if not self._is_known(ref, namespace_of(document))]
        gone = {ref["uid"] for ref in missing if not await self._exists(ref, namespace_of(document))}
        dependents = list(self._dependents(document)) if self._is_waiting(document) else []
        changes = garbage.reconcile(Item(resource, document), gone, dependents)
        await self.hands.carry_out(changes)
        # what was disowned or deleted shows in the caches now: the owner may be let go at once
        return 0.0 if changes and self._is_waiting(document) and self.caches[resource].get(name) is document else None

    async def _exists(self, reference: Doc, namespace: str) -> bool:
        """Asked of the server itself: a cache may not have heard of a new owner yet. Unknown kinds are left alone."""
        kind = catalogue.by_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        if kind is None:
            return True
        scope = namespace if kind.namespaced else ""
        try:
            owner = await self.cluster.api.get(kind.resource, scope, reference.get("name", ""))
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return uid_of(owner) == reference.get("uid")


class NamespaceController(Controller):
    """Follows namespaces; asks the server what is in one that goes, looking again until it is empty."""

    _PAUSE = 0.1

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[NAMESPACES].listeners.append(self._changed)

    def _changed(self, key: Key, _: Doc | None, new: Doc | None) -> None:
        if new is not None and is_deleting(new):
            self.queue.add(key)

    async def work(self, key: Key) -> float | None:
        """Empty it, then let it go."""
        namespace = self.caches[NAMESPACES].get(key)
        if namespace is None or not is_deleting(namespace):
            return None
        contents = await self._contents(key[1])
        await self.hands.carry_out(namespaces.reconcile(namespace, contents))
        return self._PAUSE if contents else None

    async def _contents(self, namespace: str) -> list[Item]:
        kinds = [k.resource for k in catalogue.KINDS if k.namespaced and {"list", "delete"} <= set(k.verbs)]
        listed = await asyncio.gather(*(self.cluster.api.list(resource, namespace) for resource in kinds))
        return [Item(r, document) for r, (items, _) in zip(kinds, listed, strict=True) for document in items]


class ServiceAccountController(Controller):
    """Follows namespaces, ServiceAccounts and the ConfigMaps of the CA."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[NAMESPACES].listeners.append(self.add)
        self.caches[SERVICE_ACCOUNTS].listeners.append(self._content_changed)
        self.caches[CONFIG_MAPS].listeners.append(self._content_changed)

    def _content_changed(self, key: Key, _: Doc | None, new: Doc | None) -> None:
        namespace, name = key
        mine = name in (serviceaccounts.DEFAULT, serviceaccounts.ROOT_CA)
        if mine and (new is None or name == serviceaccounts.ROOT_CA):
            self.queue.add(("", namespace))

    async def work(self, key: Key) -> float | None:
        """Make both be there."""
        namespace = self.caches[NAMESPACES].get(key)
        if namespace is None:
            return None
        account = self.caches[SERVICE_ACCOUNTS].get((key[1], serviceaccounts.DEFAULT))
        root_ca = self.caches[CONFIG_MAPS].get((key[1], serviceaccounts.ROOT_CA))
        await self.hands.carry_out(serviceaccounts.reconcile(namespace, account, root_ca, self.cluster.ca))
        return None
