"""ServiceL2Status and ServiceBGPStatus: which node tells of which Service, for people who ask kubectl.

Source: MetalLB 0.15 speaker (internal/k8s/controllers/layer2_status_controller.go, bgp_status_controller.go): labels,
prefixes of names, and who deletes what. Other than there, a name is made of what the object is about, so that a node
that dies between two requests leaves no second one; it belongs to its Node, not to a pod; and two nodes may each have
one of a Service whose addresses they share.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.model.loadbalancer import ServiceKey
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.objects import is_deleting, labels_of, name_of, namespace_of, status_of, uid_of

NAMESPACE = "metallb-system"
L2 = Resource("metallb.io", "v1beta1", "servicel2statuses")
BGP = Resource("metallb.io", "v1beta1", "servicebgpstatuses")
NODE, SERVICE, OF_NAMESPACE = "metallb.io/node", "metallb.io/service-name", "metallb.io/service-namespace"
_KINDS = {L2: ("ServiceL2Status", "l2"), BGP: ("ServiceBGPStatus", "bgp")}


class Teller(Struct, frozen=True):
    """A node, and the uid of its object: what it wrote goes with it."""

    name: str
    uid: str


def layer2(me: Teller, places: Mapping[ServiceKey, Collection[str]]) -> dict[ServiceKey, Doc]:
    """The statuses wanted of a node that answers for Services on these interfaces."""
    return {
        key: _status(me, key) | {"interfaces": [{"name": name} for name in sorted(names)]}
        for key, names in places.items()
    }


def bgp(me: Teller, peers: Mapping[ServiceKey, Collection[str]]) -> dict[ServiceKey, Doc]:
    """The statuses wanted of a node that tells these BGPPeers, by name."""
    return {key: _status(me, key) | {"peers": sorted(names)} for key, names in peers.items()}


def _status(me: Teller, key: ServiceKey) -> Doc:
    return {"node": me.name, "serviceName": key[1], "serviceNamespace": key[0]}


def reconcile(
    resource: Resource,
    me: Teller,
    wanted: Mapping[ServiceKey, Doc],
    stored: Iterable[Doc],
    others: Mapping[ServiceKey, Collection[str]] | None = None,
) -> list[Change]:
    """What makes `stored` speak of this node as it should.

    `others`: at layer 2, the nodes that hold addresses of a Service beside this one, whose statuses stay; those of
    nodes that hold none any more, perhaps dead, go with the first that speaks after them. None: each sees to its own.
    """
    changes: list[Change] = []
    mine: dict[ServiceKey, Doc] = {}
    for document in stored:
        key = _about(document)
        if _is_superfluous(resource, me, document, wanted, others):
            changes.append(Delete(resource, namespace_of(document), name_of(document), uid_of(document)))
        elif labels_of(document).get(NODE) == me.name:
            mine[key] = document
    return [*changes, *_written(resource, me, wanted, mine)]


def _about(document: Doc) -> ServiceKey:
    labels = labels_of(document)
    return labels.get(OF_NAMESPACE, ""), labels.get(SERVICE, "")


def _is_superfluous(
    resource: Resource,
    me: Teller,
    document: Doc,
    wanted: Mapping[ServiceKey, Doc],
    others: Mapping[ServiceKey, Collection[str]] | None,
) -> bool:
    key, node = _about(document), labels_of(document).get(NODE)
    if is_deleting(document):
        return False
    if node == me.name:
        return key not in wanted or name_of(document) != _name(resource, me, key)
    return others is not None and key in wanted and node not in others.get(key, ())


def _written(
    resource: Resource, me: Teller, wanted: Mapping[ServiceKey, Doc], mine: Mapping[ServiceKey, Doc]
) -> Iterator[Change]:
    for key, status in wanted.items():
        document = mine.get(key)
        if document is None:
            yield Create(resource, _document(resource, me, key, status))
        elif status_of(document) != status:
            yield Update(resource, {**document, "status": status}, "status")


def _name(resource: Resource, me: Teller, key: ServiceKey) -> str:
    digest = blake2b("/".join((me.name, *key)).encode(), digest_size=5).hexdigest()
    return f"{_KINDS[resource][1]}-{digest}"


def _document(resource: Resource, me: Teller, key: ServiceKey, status: Doc) -> Doc:
    """A server that keeps statuses apart takes the status only with the next request."""
    owners: Sequence[Doc] = [{"apiVersion": "v1", "kind": "Node", "name": me.name, "uid": me.uid}] if me.uid else []
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": _KINDS[resource][0],
        "metadata": {
            "namespace": NAMESPACE,
            "name": _name(resource, me, key),
            "labels": {NODE: me.name, SERVICE: key[1], OF_NAMESPACE: key[0]},
            "ownerReferences": owners,
        },
        "spec": {},
        "status": status,
    }
