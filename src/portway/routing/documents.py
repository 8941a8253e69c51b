"""What doors are made of: the documents that matter to them, and small questions about one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from portway.kubeapi.kinds import Resource

Doc = dict[str, Any]
Name = tuple[str, str]
"""(namespace, name)."""

GROUP = "gateway.networking.k8s.io"
ROUTE_KINDS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
RESOURCES: Mapping[str, Resource] = {
    "IngressClass": Resource("networking.k8s.io", "v1", "ingressclasses", namespaced=False),
    "Ingress": Resource("networking.k8s.io", "v1", "ingresses"),
    "GatewayClass": Resource(GROUP, "v1", "gatewayclasses", namespaced=False),
    "Gateway": Resource(GROUP, "v1", "gateways"),
    "ListenerSet": Resource(GROUP, "v1", "listenersets"),
    **{kind: Resource(GROUP, "v1", f"{kind.lower()}s") for kind in ROUTE_KINDS},
    "ReferenceGrant": Resource(GROUP, "v1", "referencegrants"),
    "BackendTLSPolicy": Resource(GROUP, "v1", "backendtlspolicies"),
    "Namespace": Resource("", "v1", "namespaces", namespaced=False),
    "Secret": Resource("", "v1", "secrets"),
    "ConfigMap": Resource("", "v1", "configmaps"),
    "Service": Resource("", "v1", "services"),
}
"""Where the documents are that decide, by kind."""


class Documents(Struct, frozen=True):
    """As the API server has them, in any order."""

    ingress_classes: Sequence[Doc] = ()
    ingresses: Sequence[Doc] = ()
    gateway_classes: Sequence[Doc] = ()
    gateways: Sequence[Doc] = ()
    listener_sets: Sequence[Doc] = ()
    routes: Sequence[Doc] = ()
    """HTTPRoutes, GRPCRoutes, TLSRoutes, TCPRoutes, UDPRoutes; each says its kind."""
    grants: Sequence[Doc] = ()
    """ReferenceGrants."""
    policies: Mapping[Name, Sequence[tuple[Doc, str]]] = {}
    """BackendTLSPolicies by the Service that they are of, oldest first, each with its sectionName."""
    namespaces: Mapping[str, Mapping[str, str]] = {}
    """The labels of each."""
    services: Mapping[Name, Doc] = {}
    secrets: Mapping[Name, Doc] = {}
    """Those of type kubernetes.io/tls are enough."""
    config_maps: Mapping[Name, Doc] = {}
    """Their `ca.crt` is what doors read."""


NAMED = ("Service", "Secret", "ConfigMap")
"""Kinds of which a cluster has many, and doors read those that something names."""


class Asked(Mapping[Name, Doc]):
    """Documents by name, as they are at any moment, without those that are being deleted.

    `names` are those that were asked for, found or not: a change of another one changes nothing.
    """

    def __init__(self, objects: Mapping[Name, Doc]) -> None:
        self._objects = objects
        self.names: set[Name] = set()

    def __getitem__(self, name: Name) -> Doc:
        self.names.add(name)
        document = self._objects[name]
        if is_going(document):
            raise KeyError(name)
        return document

    def __iter__(self) -> Iterator[Name]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)


def is_going(document: Doc) -> bool:
    """Whether it is being deleted."""
    return bool(meta(document).get("deletionTimestamp"))


def documents(found: Mapping[str, Iterable[Doc]], named: Mapping[str, Mapping[Name, Doc]] | None = None) -> Documents:
    """From lists of the API server, by kind; their items need not say their kind. `named`: those of NAMED."""
    by_name = named or {kind: {name_of(one): one for one in found.get(kind, ())} for kind in NAMED}

    def of(kind: str) -> list[Doc]:
        return list(found.get(kind, ()))

    return Documents(
        ingress_classes=of("IngressClass"),
        ingresses=of("Ingress"),
        gateway_classes=of("GatewayClass"),
        gateways=[{"kind": "Gateway", **gateway} for gateway in of("Gateway")],
        listener_sets=[{"kind": "ListenerSet", **set_} for set_ in of("ListenerSet")],
        routes=[{"kind": kind, **route} for kind in ROUTE_KINDS for route in of(kind)],
        grants=of("ReferenceGrant"),
        policies=_by_service([{"kind": "BackendTLSPolicy", **policy} for policy in of("BackendTLSPolicy")]),
        namespaces={name_of(namespace)[1]: meta(namespace).get("labels") or {} for namespace in of("Namespace")},
        services=by_name["Service"],
        secrets=by_name["Secret"],
        config_maps=by_name["ConfigMap"],
    )


def watched(objects: Mapping[str, Mapping[Name, Doc]]) -> tuple[Documents, dict[str, Asked]]:
    """Of all RESOURCES, by kind, as a watch has them, without those that are being deleted; and of those of NAMED what
    is asked for.
    """
    asked = {kind: Asked(objects[kind]) for kind in NAMED}
    lists = {kind: [one for one in objects[kind].values() if not is_going(one)] for kind in RESOURCES.keys() - asked}
    return documents(lists, asked), asked


def authorities_alone(config_map: Doc) -> Doc:
    """A ConfigMap without what doors do not read: others keep much in theirs, and change it often."""
    name = {key: value for key, value in meta(config_map).items() if key in ("namespace", "name", "deletionTimestamp")}
    data = config_map.get("data") or {}
    return {"metadata": name, "data": {key: data[key] for key in ("ca.crt",) if key in data}}


def _by_service(policies: Sequence[Doc]) -> dict[Name, list[tuple[Doc, str]]]:
    found: dict[Name, list[tuple[Doc, str]]] = {}
    for policy in oldest_first(policies):
        for target in spec(policy).get("targetRefs") or ():
            if (target.get("group"), target.get("kind")) == ("", "Service"):
                service = (name_of(policy)[0], str(target.get("name")))
                found.setdefault(service, []).append((policy, target.get("sectionName") or ""))
    return found


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
