"""What doors are made of: the documents that matter to them, and small questions about one."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Doc = dict[str, Any]
Name = tuple[str, str]
"""(namespace, name)."""

GROUP = "gateway.networking.k8s.io"


class Documents(Struct, frozen=True):
    """As the API server has them, in any order."""

    ingress_classes: Sequence[Doc] = ()
    ingresses: Sequence[Doc] = ()
    gateway_classes: Sequence[Doc] = ()
    gateways: Sequence[Doc] = ()
    routes: Sequence[Doc] = ()
    """HTTPRoutes, GRPCRoutes, TLSRoutes, TCPRoutes, UDPRoutes; each says its kind."""
    grants: Sequence[Doc] = ()
    """ReferenceGrants."""
    namespaces: Sequence[Doc] = ()
    services: Mapping[Name, Doc] = {}
    secrets: Mapping[Name, Doc] = {}
    """Those of type kubernetes.io/tls are enough."""


def meta(document: Doc) -> Doc:
    """Its metadata."""
    return document.get("metadata") or {}


def spec(document: Doc) -> Doc:
    """Its spec."""
    return document.get("spec") or {}


def name_of(document: Doc) -> Name:
    """(namespace, name)."""
    return meta(document).get("namespace") or "", meta(document).get("name") or ""


def shown(document: Doc) -> str:
    """`HTTPRoute shop/web`."""
    return f"{document.get('kind', '')} {'/'.join(name_of(document))}"


def annotation(document: Doc, name: str) -> str:
    """An annotation's value; empty when there is none."""
    return str((meta(document).get("annotations") or {}).get(name) or "")


def oldest_first(documents: Sequence[Doc]) -> list[Doc]:
    """By creation; of those made in the same second, by namespace and name (Gateway API's rule for conflicts)."""
    return sorted(documents, key=lambda d: (meta(d).get("creationTimestamp") or "", name_of(d)))
