"""Reads the doors of a cluster once: what Ingress and Gateway API documents come to, with the endpoints of now."""

import asyncio
from collections.abc import Callable, Sequence

from portway.client import Api
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.resources import ENDPOINT_SLICES
from portway.routing.compute import compute, table
from portway.routing.documents import RESOURCES, documents, name_of
from portway.routing.table import RouteTable

_SERVICE_NAME = "kubernetes.io/service-name"
_READ = {**RESOURCES, "EndpointSlice": ENDPOINT_SLICES}


async def read(api: Api) -> RouteTable:
    """The table of all doors of a server."""
    lists = await asyncio.gather(*(_list(api, resource) for resource in _READ.values()))
    found = dict(zip(_READ, lists, strict=True))
    return table_of(lambda kind: found[kind])


def table_of(documents_of: Callable[[str], Sequence[Doc]]) -> RouteTable:
    """The table of all doors, from the documents of each kind."""
    given = documents({kind: documents_of(kind) for kind in RESOURCES})
    slices: dict[tuple[str, str], list[Doc]] = {}
    for piece in documents_of("EndpointSlice"):
        name = (piece["metadata"].get("labels") or {}).get(_SERVICE_NAME, "")
        slices.setdefault((name_of(piece)[0], name), []).append(piece)
    return table(compute(given), lambda name: slices.get(name, ()), given.services)


async def _list(api: Api, resource: Resource) -> list[Doc]:
    """None where the API server does not know the kind."""
    try:
        return (await api.list(resource))[0]
    except ApiError as error:
        if error.code != 404:
            raise
        return []
