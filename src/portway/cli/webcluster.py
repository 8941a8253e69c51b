"""Reads the doors of a cluster once: what Ingress and Gateway API documents come to, with the endpoints of now."""

import asyncio

from portway.client import Api
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.resources import (
    ENDPOINT_SLICES,
    GATEWAY_CLASSES,
    GATEWAYS,
    GRPC_ROUTES,
    HTTP_ROUTES,
    INGRESS_CLASSES,
    INGRESSES,
    NAMESPACES,
    REFERENCE_GRANTS,
    SECRETS,
    SERVICES,
    TLS_ROUTES,
)
from portway.routing.compute import compute, table
from portway.routing.documents import Documents, name_of
from portway.routing.table import RouteTable

_SERVICE_NAME = "kubernetes.io/service-name"
_ROUTES = (("HTTPRoute", HTTP_ROUTES), ("GRPCRoute", GRPC_ROUTES), ("TLSRoute", TLS_ROUTES))
_READ = (INGRESS_CLASSES, INGRESSES, GATEWAY_CLASSES, GATEWAYS, REFERENCE_GRANTS, NAMESPACES, SERVICES, SECRETS)


async def read(api: Api) -> RouteTable:
    """The table of all doors."""
    lists = await asyncio.gather(*(_list(api, resource) for resource in (*_READ, ENDPOINT_SLICES)))
    classes, ingresses, gateway_classes, gateways, grants, namespaces, services, secrets, slices = lists
    routes = await asyncio.gather(*(_list(api, resource) for _, resource in _ROUTES))
    documents = Documents(
        ingress_classes=classes,
        ingresses=ingresses,
        gateway_classes=gateway_classes,
        gateways=gateways,
        routes=[{"kind": kind, **d} for (kind, _), found in zip(_ROUTES, routes, strict=True) for d in found],
        grants=grants,
        namespaces=namespaces,
        services={name_of(service): service for service in services},
        secrets={name_of(secret): secret for secret in secrets},
    )
    of_service: dict[tuple[str, str], list[Doc]] = {}
    for found in slices:
        name = (found["metadata"].get("labels") or {}).get(_SERVICE_NAME, "")
        of_service.setdefault((name_of(found)[0], name), []).append(found)
    return table(compute(documents), lambda name: of_service.get(name, ()), documents.services)


async def _list(api: Api, resource: Resource) -> list[Doc]:
    """None where the API server does not know the kind."""
    try:
        return (await api.list(resource))[0]
    except ApiError as error:
        if error.code != 404:
            raise
        return []
