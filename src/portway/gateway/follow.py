"""Keeps the table as the API server has it: everything anew when a document that decides changes, pools by themselves.

Endpoints change with every pod; what they cost is the pools of their Service, whatever else there is.
"""

import asyncio
from collections.abc import Iterable, Mapping

from portway.client import Api, Key, Reflector
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.routing.compute import Doors, compute
from portway.routing.documents import NAMED, RESOURCES, Asked, Documents, authorities_alone, watched
from portway.routing.pools import with_endpoints
from portway.routing.table import Pool, RouteTable

_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
_TLS_SECRETS = "type=kubernetes.io/tls"


class Following:
    """Reflectors of all that doors are made of, and the table that they come to."""

    def __init__(self, api: Api) -> None:
        self.changed = asyncio.Event()
        self._caches = {kind: self._reflector(api, kind) for kind in RESOURCES}
        self._slices: Reflector[Doc] = Reflector(api, _SLICES, on_change=self._slice_changed)
        self._by_service: dict[Key, dict[Key, Doc]] = {}
        self._stale = True
        self._touched: set[Key] = set()
        """Services whose endpoints have changed since the last table."""
        self._doors: Doors | None = None
        self._asked: dict[str, Asked] = {}
        """What the doors asked for by name; nothing before there was a table."""
        self._used: set[Key] = set()
        """Services that the doors lead to: the endpoints of others are nobody's business here."""
        self._pools: dict[str, Pool] = {}

    def _reflector(self, api: Api, kind: str) -> Reflector[Doc]:
        selector = _TLS_SECRETS if kind == "Secret" else ""
        decode = authorities_alone if kind == "ConfigMap" else _whole

        def changed(name: Key, old: Doc | None, new: Doc | None) -> None:
            asked = self._asked.get(kind)
            if kind not in NAMED or (asked is not None and name in asked.names):
                self._document_changed(old, new)

        return Reflector(api, RESOURCES[kind], field_selector=selector, decode=decode, on_change=changed)

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for reflector in (*self._caches.values(), self._slices):
                group.create_task(reflector.run())

    async def seen(self) -> None:
        """Until everything has been seen once."""
        for reflector in (*self._caches.values(), self._slices):
            await reflector.synced.wait()

    def table(self) -> RouteTable:
        """As things are now. Clears `changed`."""
        self.changed.clear()
        if self._doors is None or self._stale:
            self._doors, self._stale = compute(self._documents()), False
            self._used = {(pool.namespace, pool.service) for pool in self._doors.pools.values()}
            self._pools = {}
            self._fill(self._doors.pools)
        else:
            self._fill({k: p for k, p in self._doors.pools.items() if (p.namespace, p.service) in self._touched})
        self._touched.clear()
        pools = {key: self._pools[key] for key in self._doors.pools}
        return RouteTable(self._doors.listeners, pools, self._doors.certificates)

    def _fill(self, pools: Mapping[str, Pool]) -> None:
        services = self._caches["Service"].objects
        for key, pool in pools.items():
            self._pools[key] = with_endpoints(pool, self._slices_of, services)

    def _slices_of(self, service: Key) -> Iterable[Doc]:
        return self._by_service.get(service, {}).values()

    def _documents(self) -> Documents:
        found, self._asked = watched({kind: cache.objects for kind, cache in self._caches.items()})
        return found

    def _document_changed(self, old: Doc | None, new: Doc | None) -> None:
        if old is None or new is None or _meaning(old) != _meaning(new):
            self._stale = True
            self.changed.set()

    def _slice_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        for document in (old, new):
            if document is not None and (service := _service_of(document)):
                here = self._by_service.setdefault(service, {})
                here.pop(key, None)
                if document is new:
                    here[key] = document
                if service in self._used:
                    self._touched.add(service)
                    self.changed.set()


def _whole(document: Doc) -> Doc:
    return document


def _meaning(document: Doc) -> Doc:
    """Without what changes and means nothing to doors."""
    metadata = {k: v for k, v in document["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**document, "metadata": metadata, "status": None}


def _service_of(document: Doc) -> Key | None:
    metadata = document.get("metadata") or {}
    name = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
    return (metadata.get("namespace") or "", name) if name else None
