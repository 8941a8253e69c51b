"""A door as objects of the cluster: a Deployment whose pod runs the engine, and a Service of type LoadBalancer.

TCP and UDP ports need no engine: EndpointSlices of our own lead them from the door's Service straight to the pods
behind the routes, and their labels say which share of the connections a backend of a route gets. Such a port has a
targetPort that no pod has, so that the Service's selector finds nothing for it.

A door that serves all of its ports has externalTrafficPolicy Local, so that X-Forwarded-For can say who the client is.

Every object carries the hash of what was wanted, and is written again only when that changes: what people add to it,
and what the API server filled in, stays.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.kubeapi.shares import share_labels
from portway.model import Share
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.objects import (
    annotations_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES

NAMESPACE = "portway-system"
"""Where the Ingress door lives; a Gateway's lives beside it."""
INGRESS_NAME = "portway-ingress"
LABEL = "portway.dev/door"
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
SERVICE_NAME = "kubernetes.io/service-name"
HASH = "portway.dev/door-hash"
FORWARDED = "forwarded"
"""The targetPort of ports that no pod of the door serves."""
HEALTHZ_PORT = 10254
"""Where `portway gateway` says that it serves."""
_FOLDER = "/run/portway-door"
"""Where an engine's own files are, keys among them: a volume of the pod's, which goes with it, however that ends."""
_ADDRESSES = "metallb.io/loadBalancerIPs"
_GRACE_SECONDS = 40
"""Longer than an engine needs to finish what is under way."""
_LONGEST_NAME = 63
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class DoorPort(Struct, frozen=True, order=True):
    """A port of a door."""

    port: int
    protocol: Literal["TCP", "UDP"] = "TCP"
    forwarded: bool = False
    """It leads to pods behind routes, not to the engine."""

    @property
    def name(self) -> str:
        """Of the Service's port."""
        return f"{self.protocol.lower()}-{self.port}"


class Door(Struct, frozen=True):
    """What a door is to be."""

    door: str
    """`ingress`, `gateway/NAMESPACE/NAME`."""
    namespace: str
    name: str
    """Of its objects."""
    ports: tuple[DoorPort, ...] = ()
    owner: Doc | None = None
    """The ownerReference: with it the objects go."""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    addresses: tuple[str, ...] = ()
    """Those asked for; none: any."""

    @property
    def served(self) -> tuple[DoorPort, ...]:
        """The ports that need the engine."""
        return tuple(port for port in self.ports if not port.forwarded)


class Program(Struct, frozen=True):
    """What runs the engine."""

    argv: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    """Of its environment."""


class Existing(Struct, frozen=True):
    """What there is of a door."""

    deployment: Doc | None = None
    service: Doc | None = None
    slices: Sequence[Doc] = ()
    """Of ours."""


def object_name(gateway: str) -> str:
    """The name of a Gateway's objects: a Service's has to be a label, a Gateway's may be longer."""
    name = f"{gateway}-{INGRESS_NAME.partition('-')[0]}"
    if len(name) <= _LONGEST_NAME and "." not in name and name[0].isalpha():
        return name
    return f"gateway-{gateway.replace('.', '-')[: _LONGEST_NAME - 18]}".rstrip("-") + f"-{_digest(gateway)}"


def reconcile(door: Door, existing: Existing, program: Program, slices: Sequence[Doc]) -> list[Change]:
    """What is to be done. `slices`: `forwards` of it."""
    changes = [
        *_put(SERVICES, _service(door), existing.service),
        *(_put(DEPLOYMENTS, _deployment(door, program), existing.deployment) if door.served else ()),
    ]
    if not door.served:
        changes += _gone(DEPLOYMENTS, [existing.deployment])
    old = {name_of(slice_): slice_ for slice_ in existing.slices}
    for slice_ in slices:
        changes += _put(ENDPOINT_SLICES, slice_, old.pop(name_of(slice_), None))
    return changes + _gone(ENDPOINT_SLICES, old.values())


def remove(existing: Existing) -> list[Change]:
    """Nobody needs the door any more. Its slices go first: they are found by the rest of it."""
    slices = _gone(ENDPOINT_SLICES, existing.slices)
    return slices + _gone(SERVICES, [existing.service]) + _gone(DEPLOYMENTS, [existing.deployment])


def is_of_door(document: Doc) -> bool:
    """Whether this Service or Deployment was made here."""
    return labels_of(document).get(LABEL) == name_of(document) and HASH in annotations_of(document)


def _gone(resource: Resource, documents: Iterable[Doc | None]) -> list[Change]:
    return [
        Delete(resource, namespace_of(document), name_of(document), uid_of(document))
        for document in documents
        if document is not None and not is_deleting(document) and HASH in annotations_of(document)
    ]


def _put(resource: Resource, wanted: Doc, existing: Doc | None) -> list[Change]:
    """Created, or brought to what is wanted; one that is going is waited for."""
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    if existing is None:
        return [Create(resource, with_metadata(wanted, annotations={**annotations_of(wanted), HASH: digest}))]
    if HASH not in annotations_of(existing):
        return []  # somebody else's that has the name: the door has to wait until it is gone
    if is_deleting(existing) or annotations_of(existing)[HASH] == digest:
        return []
    annotations = {**annotations_of(existing), **annotations_of(wanted), HASH: digest}
    labels = {**labels_of(existing), **labels_of(wanted)}
    document = with_metadata(existing, labels=labels, annotations=annotations)
    return [Update(resource, {**document, **_contents(wanted, existing)})]


def _contents(wanted: Doc, existing: Doc) -> Doc:
    """All but the head; a Service keeps its addresses, and loses the selector it no longer has."""
    rest = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
    if wanted["kind"] == "Service":
        kept = {key: value for key, value in spec_of(existing).items() if key != "selector"}
        rest["spec"] = {**kept, **rest["spec"]}
    return rest


def _metadata(door: Door) -> Doc:
    labels = {**door.labels, "app.kubernetes.io/managed-by": "portway", LABEL: door.name}
    metadata: Doc = {"namespace": door.namespace, "name": door.name, "labels": labels}
    if door.annotations:
        metadata["annotations"] = dict(door.annotations)
    return metadata | ({"ownerReferences": [door.owner]} if door.owner else {})


def _service(door: Door) -> Doc:
    metadata = _metadata(door)
    if door.addresses:
        asked = {_ADDRESSES: ",".join(door.addresses)}
        metadata["annotations"] = {**metadata.get("annotations", {}), **asked}
    spec: Doc = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "ipFamilyPolicy": "PreferDualStack",
        "ports": [_service_port(port) for port in sorted(door.ports)],
    }
    if door.served:
        spec["selector"] = {LABEL: door.name}
    local = door.served == door.ports  # pods behind forwarded ports are on any node
    spec["externalTrafficPolicy"] = "Local" if local else "Cluster"
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _service_port(port: DoorPort) -> Doc:
    target = FORWARDED if port.forwarded else port.port
    return {"name": port.name, "port": port.port, "protocol": port.protocol, "targetPort": target}


def _deployment(door: Door, program: Program) -> Doc:
    """Its pods know nothing of ports, so that changes of listeners keep them."""
    labels = {**door.labels, LABEL: door.name}
    probe = {"httpGet": {"path": "/healthz", "port": HEALTHZ_PORT}, "periodSeconds": 1, "failureThreshold": 2}
    variables = (*program.variables, ("TMPDIR", _FOLDER))
    container: Doc = {
        "name": "gateway",
        "image": "portway",
        "command": list(program.argv),
        "env": [{"name": name, "value": value} for name, value in variables],
        "readinessProbe": probe,
        "volumeMounts": [{"name": "run", "mountPath": _FOLDER}],
    }
    annotations = {**door.annotations, "portway.dev/runtime": "process"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(door),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {LABEL: door.name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "containers": [container],
                    "volumes": [{"name": "run", "emptyDir": {}}],
                    "terminationGracePeriodSeconds": _GRACE_SECONDS,
                    "affinity": _beside(door),
                },
            },
        },
    }


def _beside(door: Door) -> Doc:
    """On the node where the door is: its address is Local, and would move with it, under open connections."""
    selector = {"matchLabels": {LABEL: door.name}}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {"podAffinity": {_PREFERRED: [{"weight": 100, "podAffinityTerm": term}]}}


def forwards(door: Door, port: DoorPort, share: Share, source: Doc, source_port: Doc) -> Doc:
    """The EndpointSlice that leads a share of a forwarded port to the endpoints of a slice of a Service behind a route.
    `share.group` is any text that tells the route's backends apart.
    """
    endpoints = [{key: value for key, value in e.items() if key != "hints"} for e in source.get("endpoints") or ()]
    contents = {"addressType": source["addressType"], "endpoints": endpoints}
    return _slice(door, port, share, f"{namespace_of(source)}/{name_of(source)}", source_port["port"]) | contents


def leads_nowhere(door: Door, port: DoorPort, share: Share) -> Doc:
    """The same of a backend that has no slices, or is none: without endpoints in both families."""
    return _slice(door, port, share, "", port.port) | {"addressType": "IPv4", "endpoints": []}


def _slice(door: Door, port: DoorPort, share: Share, origin: str, number: int) -> Doc:
    labels = {SERVICE_NAME: door.name, **share_labels(_digest(share.group), share.weight)}
    name = f"{door.name}-{port.name}-{_digest(f'{share.group} {origin}')}"
    metadata: Doc = {"namespace": door.namespace, "name": name, "labels": labels}
    if door.owner:
        metadata["ownerReferences"] = [door.owner]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "ports": [{"name": port.name, "port": number, "protocol": port.protocol}],
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_available(deployment: Doc | None) -> bool:
    """Whether a pod of it is there."""
    return bool(deployment and (deployment.get("status") or {}).get("availableReplicas"))
