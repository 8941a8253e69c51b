"""Keeps the table as the API server has it: everything anew when a document that decides changes, pools by themselves.

Endpoints change with every pod; what they cost is the pools of their Service, whatever else there is.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from portway.client import Api, Key, Reflector
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.routing.compute import Doors, compute
from portway.routing.documents import GROUP, Documents
from portway.routing.pools import with_endpoints
from portway.routing.table import Pool, RouteTable

_ROUTES = {f"{kind}Route": Resource(GROUP, "v1", f"{kind.lower()}routes") for kind in ("HTTP", "GRPC", "TLS")}
_INGRESS_CLASSES = Resource("networking.k8s.io", "v1", "ingressclasses", namespaced=False)
_INGRESSES = Resource("networking.k8s.io", "v1", "ingresses")
_GATEWAY_CLASSES = Resource(GROUP, "v1", "gatewayclasses", namespaced=False)
_GATEWAYS = Resource(GROUP, "v1", "gateways")
_GRANTS = Resource(GROUP, "v1", "referencegrants")
_NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
_SECRETS = Resource("", "v1", "secrets")
_SERVICES = Resource("", "v1", "services")
_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
_READ = (
    *(_INGRESS_CLASSES, _INGRESSES, _GATEWAY_CLASSES, _GATEWAYS, *_ROUTES.values()),
    *(_GRANTS, _NAMESPACES, _SECRETS, _SERVICES),
)
_TLS_SECRETS = "type=kubernetes.io/tls"


class Following:
    """Reflectors of all that doors are made of, and the table that they come to."""

    def __init__(self, api: Api) -> None:
        self.changed = asyncio.Event()
        self._caches = {resource: self._reflector(api, resource) for resource in _READ}
        self._slices: Reflector[Doc] = Reflector(api, _SLICES, on_change=self._slice_changed)
        self._by_service: dict[Key, dict[Key, Doc]] = {}
        self._stale = True
        self._touched: set[Key] = set()
        """Services whose endpoints have changed since the last table."""
        self._doors: Doors | None = None
        self._pools: dict[str, Pool] = {}

    def _reflector(self, api: Api, resource: Resource) -> Reflector[Doc]:
        selector = _TLS_SECRETS if resource == _SECRETS else ""
        return Reflector(api, resource, field_selector=selector, on_change=self._document_changed)

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
            self._fill(self._doors.pools)
        else:
            self._fill({k: p for k, p in self._doors.pools.items() if (p.namespace, p.service) in self._touched})
        self._touched.clear()
        pools = {key: self._pools[key] for key in self._doors.pools}
        return RouteTable(self._doors.listeners, pools, self._doors.certificates)

    def _fill(self, pools: Any) -> None:
        services = self._caches[_SERVICES].objects
        for key, pool in pools.items():
            self._pools[key] = with_endpoints(pool, self._slices_of, services)

    def _slices_of(self, service: Key) -> Iterable[Doc]:
        return self._by_service.get(service, {}).values()

    def _documents(self) -> Documents:
        routes = [{"kind": kind, **route} for kind, resource in _ROUTES.items() for route in self._all(resource)]
        return Documents(
            ingress_classes=self._all(_INGRESS_CLASSES),
            ingresses=self._all(_INGRESSES),
            gateway_classes=self._all(_GATEWAY_CLASSES),
            gateways=self._all(_GATEWAYS),
            routes=routes,
            grants=self._all(_GRANTS),
            namespaces=self._all(_NAMESPACES),
            services=self._caches[_SERVICES].objects,
            secrets=self._caches[_SECRETS].objects,
        )

    def _all(self, resource: Resource) -> list[Doc]:
        documents = self._caches[resource].objects.values()
        return [document for document in documents if not (document.get("metadata") or {}).get("deletionTimestamp")]

    def _document_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
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
                self._touched.add(service)
        self.changed.set()


def _meaning(document: Doc) -> Doc:
    """Without what changes and means nothing to doors."""
    metadata = {k: v for k, v in document["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**document, "metadata": metadata, "status": None}


def _service_of(document: Doc) -> Key | None:
    metadata = document.get("metadata") or {}
    name = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
    return (metadata.get("namespace") or "", name) if name else None
