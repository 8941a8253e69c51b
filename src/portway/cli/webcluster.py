"""Reads the doors of a cluster once: what Ingress and Gateway API documents come to, with the endpoints of now."""

import asyncio
from collections.abc import Callable, Sequence

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
_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute")
_READ = {
    "IngressClass": INGRESS_CLASSES,
    "Ingress": INGRESSES,
    "GatewayClass": GATEWAY_CLASSES,
    "Gateway": GATEWAYS,
    "HTTPRoute": HTTP_ROUTES,
    "GRPCRoute": GRPC_ROUTES,
    "TLSRoute": TLS_ROUTES,
    "ReferenceGrant": REFERENCE_GRANTS,
    "Namespace": NAMESPACES,
    "Service": SERVICES,
    "Secret": SECRETS,
    "EndpointSlice": ENDPOINT_SLICES,
}


async def read(api: Api) -> RouteTable:
    """The table of all doors of a server."""
    lists = await asyncio.gather(*(_list(api, resource) for resource in _READ.values()))
    found = dict(zip(_READ, lists, strict=True))
    return table_of(lambda kind: found[kind])


def table_of(documents_of: Callable[[str], Sequence[Doc]]) -> RouteTable:
    """The table of all doors, from the documents of each kind."""
    services = {name_of(service): service for service in documents_of("Service")}
    documents = Documents(
        ingress_classes=documents_of("IngressClass"),
        ingresses=documents_of("Ingress"),
        gateway_classes=documents_of("GatewayClass"),
        gateways=documents_of("Gateway"),
        routes=[{**route, "kind": kind} for kind in _ROUTES for route in documents_of(kind)],
        grants=documents_of("ReferenceGrant"),
        namespaces=documents_of("Namespace"),
        services=services,
        secrets={name_of(secret): secret for secret in documents_of("Secret")},
    )
    slices: dict[tuple[str, str], list[Doc]] = {}
    for piece in documents_of("EndpointSlice"):
        name = (piece["metadata"].get("labels") or {}).get(_SERVICE_NAME, "")
        slices.setdefault((name_of(piece)[0], name), []).append(piece)
    return table(compute(documents), lambda name: slices.get(name, ()), services)


async def _list(api: Api, resource: Resource) -> list[Doc]:
    """None where the API server does not know the kind."""
    try:
        return (await api.list(resource))[0]
    except ApiError as error:
        if error.code != 404:
            raise
        return []
