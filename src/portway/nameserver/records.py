"""Keeps the zone as the API server has it. One change costs what its Service costs, whatever else there is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from portway.client import Api, Key, Reflector
from portway.dns import Zone, decode
from portway.kubeapi import clusterdns
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.nameserver.routes import Routes

_SERVICES = Resource("", "v1", "services")
_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
_CONFIG_MAPS = Resource("", "v1", "configmaps")
_NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)


@asynccontextmanager
async def following(api: Api, zone: Zone) -> AsyncIterator[None]:
    """Inside, `zone` is kept current; entered when everything has been seen once."""
    namespaces = Reflector(api, _NAMESPACES, decode=_exists, on_change=lambda key, _, new: _namespace(zone, key, new))
    services = Reflector(api, _SERVICES, decode=decode.service, on_change=lambda _, old, new: zone.service(old, new))
    slices = Reflector(
        api, _SLICES, decode=decode.endpoint_slice, on_change=lambda _, old, new: zone.endpoint_slice(old, new)
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (namespaces, services, slices)]
        for each in (namespaces.synced, services.synced, slices.synced):
            await each.wait()
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def configuring(api: Api, routes: Routes, forget: Callable[[], None]) -> AsyncIterator[None]:
    """Inside, stub domains are as the ConfigMap kube-dns has them."""

    def change(_: Key, __: Doc | None, new: Doc | None) -> None:
        routes.configure(new)
        forget()

    selector = f"metadata.name={clusterdns.NAME}"
    told = Reflector(api, _CONFIG_MAPS, namespace=clusterdns.NAMESPACE, field_selector=selector, on_change=change)
    task = asyncio.create_task(told.run())
    try:
        yield
    finally:
        task.cancel()


def _exists(_: Doc) -> bool:
    return True


def _namespace(zone: Zone, key: Key, new: bool | None) -> None:
    zone.namespace(key[1], new is not None)
