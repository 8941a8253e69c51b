"""The cluster that a bundle would make: what manifests say and what a cluster adds, so that packets can be followed.

A whole cluster is taken as it is. Manifests alone leave things open, which are decided here and named as assumptions:
nodes, where pods run and that they are ready, addresses and nodePorts that the API server would draw. Services are
created by the API's own rules (defaulting, allocation, validation), their endpoints by the EndpointSlice controller's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from msgspec import Struct

from portway.analysis import balancers
from portway.analysis.bundle import Bundle, Item, Workload
from portway.analysis.tables import Tables
from portway.analysis.trace import Pod, Terrain
from portway.analysis.view import word
from portway.forwarding import ServiceKey
from portway.kubeapi import catalogue, decode, decode_policy
from portway.kubeapi.cluster import NODE_PORT_RANGE, SERVICE_CIDRS, Cluster
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.pipeline.create import create
from portway.kubeapi.pipeline.request import Request
from portway.model import Node, PolicySnapshot, Protocol, Snapshot, contains
from portway.reconcile import backends, endpointslices
from portway.reconcile.change import Create
from portway.reconcile.objects import labels_of, name_of, namespace_of, spec_of

T = TypeVar("T")

ASSUMPTIONS = {
    "ASSUME_NODES": "the manifests name no nodes: some were imagined",
    "ASSUME_PLACEMENT": "pods were spread over the nodes in turn",
    "ASSUME_PODS_READY": "pods were taken for running and ready",
    "ASSUME_ALLOCATED": "clusterIPs and nodePorts that are not written were drawn; a cluster will draw others",
    "ASSUME_LOAD_BALANCER": "load balancer addresses were imagined",
    "ASSUME_DEFAULT_NODEPORT_RANGE": "the API server's --service-node-port-range is the default, 30000-32767",
    "ASSUME_CNI_ENFORCES_POLICY": "the cluster's network enforces NetworkPolicies",
    "ASSUME_POD_ADDRESSES": "pods' addresses were imagined, and a policy's block holds some: it matches those pods",
    "ASSUME_TLS_SECRETS": "the certificates that doors name are not in the input: they were taken for good",
    "ASSUME_PROCESS_LISTENS": "a process listens on each port that traffic is sent to",
}
"""What an assumption's code says."""
POD_CIDRS = ("10.244.0.0/16", "fd00:244::/48")
OUTSIDE = ("172.18.0.1", "fd00:18::1")
MOST_REPLICAS = 10
"""More pods of one workload are not imagined: one more says nothing new."""
_OF_DOORS = (
    *("Ingress", "Gateway", "ListenerSet", "ReferenceGrant", "BackendTLSPolicy"),
    *("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"),
)
_NOW = "2000-01-01T00:00:00Z"


class Refusal(Struct, frozen=True):
    """An object that the API server would not take."""

    item: Item
    error: ApiError


class Imagined(Struct, frozen=True):
    """A cluster to walk, and what was taken for granted."""

    terrain: Terrain
    assumptions: tuple[str, ...]
    """Codes of ASSUMPTIONS."""
    refused: tuple[Refusal, ...]
    drawn: frozenset[tuple[str, str, int]]
    """(namespace, Service, port) of the nodePorts that nobody wrote."""
    documents: Mapping[str, tuple[Doc, ...]]
    """Services, Pods, Nodes, EndpointSlices, and of manifests what makes doors, as they are in it, by kind."""


def imagine(bundle: Bundle, nodes: int = 3, node_port_range: tuple[int, int] = NODE_PORT_RANGE) -> Imagined:
    """The cluster of a bundle. `nodes`: how many, where the bundle has none."""
    return _Maker(bundle, nodes, node_port_range).made()


class _Maker:
    """One imagination, step by step."""

    def __init__(self, bundle: Bundle, nodes: int, node_port_range: tuple[int, int]) -> None:
        self._bundle = bundle
        self._count = nodes
        self._cluster = Cluster(node_port_range=node_port_range, pick=lambda _: 0)
        self._assumed: dict[str, None] = {}
        self._refused: list[Refusal] = []
        self._drawn: set[tuple[str, str, int]] = set()

    def made(self) -> Imagined:
        """All of it."""
        documents = {
            "Node": self._nodes,
            "Pod": self._pods,
            "Service": self._services,
            "EndpointSlice": self._slices,
            **self._doors(),
        }
        snapshot = self._snapshot()
        cidrs = self._pod_cidrs(snapshot)
        terrain = Terrain(
            snapshot,
            Tables(snapshot, cidrs),
            network_pods(self._pods),
            OUTSIDE,
            self._policies(snapshot),
            balancing=balancers.balancing_of(self._bundle, self._services, self._nodes, snapshot),
            delivered=_delivered(snapshot),
            pod_cidrs=cidrs,
        )
        return Imagined(terrain, tuple(self._assumed), tuple(self._refused), frozenset(self._drawn), documents)

    def _assume(self, code: str) -> None:
        self._assumed[code] = None

    def _snapshot(self) -> Snapshot:
        services = {_key(doc): one for doc in self._services if (one := _decoded(decode.service, doc))}
        slices = {_key(doc): piece for doc in self._slices if (piece := _decoded(decode.endpoint_slice, doc))}
        nodes = {name_of(doc): decode.node(doc) for doc in self._nodes}
        cidrs = [cidr for item in self._bundle.of("ServiceCIDR") for cidr in decode.service_cidrs(item.value)]
        return Snapshot(services, slices, nodes, tuple(cidrs or (() if self._bundle.complete else SERVICE_CIDRS)))

    def _policies(self, snapshot: Snapshot) -> PolicySnapshot:
        found = policies(self._bundle, self._pods, snapshot.nodes, {name_of(n): labels_of(n) for n in self._nodes})
        if not self._bundle.complete and any(map(_holds_pods, blocks(found))):
            self._assume("ASSUME_POD_ADDRESSES")
        return found

    def _pod_cidrs(self, snapshot: Snapshot) -> tuple[str, ...]:
        if not self._bundle.complete:
            return POD_CIDRS
        return tuple(cidr for node in snapshot.nodes.values() for cidr in node.pod_cidrs)

    @cached_property
    def _nodes(self) -> tuple[Doc, ...]:
        if given := tuple(item.value for item in self._bundle.of("Node")):
            return given
        self._assume("ASSUME_NODES")
        return tuple(_node(number) for number in range(1, self._count + 1))

    @cached_property
    def _pods(self) -> tuple[Doc, ...]:
        if self._bundle.complete:
            return tuple(item.value for item in self._bundle.of("Pod"))
        made = tuple(self._imagined_pods())
        if made:
            self._assume("ASSUME_PLACEMENT")
            self._assume("ASSUME_PODS_READY")
        return made

    def _imagined_pods(self) -> Iterator[Doc]:
        addresses = {name_of(node): 0 for node in self._nodes}
        turn = 0
        for workload in self._bundle.workloads:
            replicas = workload.replicas
            count = len(self._nodes) if replicas is None else min(replicas, MOST_REPLICAS)
            for number in range(1, count + 1):
                index = (number - 1 if replicas is None else turn) % len(self._nodes)
                turn += replicas is not None
                node = self._nodes[index]
                addresses[name_of(node)] += 1
                yield _imagined_pod(workload, number, node, index + 1, addresses[name_of(node)])

    @cached_property
    def _services(self) -> tuple[Doc, ...]:
        items = tuple(self._bundle.of("Service"))
        if self._bundle.complete:
            return tuple(item.value for item in items)
        # Those that name their numbers come first: what is drawn must not take them.
        ordered = sorted(items, key=lambda item: not _names_numbers(item))
        made = {item.key: doc for item in ordered if (doc := self._created(item)) is not None}
        self._balance([doc for doc in made.values() if spec_of(doc).get("type") == "LoadBalancer"])
        if made:
            self._assume("ASSUME_ALLOCATED")
        return tuple(made.values())

    def _doors(self) -> dict[str, tuple[Doc, ...]]:
        """What routes requests, as the API server would have it: nothing that it refuses, and all defaults."""
        if self._bundle.complete:
            return {}
        return {
            kind: tuple(doc for item in self._bundle.of(kind) if (doc := self._created(item)) is not None)
            for kind in _OF_DOORS
        }

    def _created(self, item: Item) -> Doc | None:
        kind = catalogue.by_kind(str(item.value.get("apiVersion")), item.kind) or catalogue.by_kind("v1", item.kind)
        if kind is None:
            return item.value  # of a version that is served no more
        request = Request(
            kind=kind,
            namespace=item.namespace,
            cluster=self._cluster,
            now=_NOW,
            uid=f"{item.kind.lower()}-{item.namespace}-{item.name}",
            suffix="00000",
            field_validation="Ignore",
        )
        try:
            prepared = create(item.draft(), request)
        except ApiError as error:
            self._refused.append(Refusal(item, error))
            return None
        prepared.commit()
        if item.kind == "Service":
            ports = item.draft()["spec"].get("ports") or ()
            self._drawn |= {(*item.key, port["port"]) for port in ports if not port.get("nodePort")}
        return prepared.doc

    def _balance(self, services: list[Doc]) -> None:
        """Addresses of the manifests' own pools, where they have any."""
        if services:
            self._assume("ASSUME_LOAD_BALANCER")
        pooled = balancers.given(self._bundle, services) if balancers.pools(self._bundle) else _somewhere(services)
        for service, addresses in pooled:
            ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
            service["status"] = {"loadBalancer": {"ingress": ingress} if ingress else {}}

    @cached_property
    def _slices(self) -> tuple[Doc, ...]:
        given = tuple(item.value for item in self._bundle.of("EndpointSlice"))
        if self._bundle.complete:
            return given
        nodes = {name_of(node): node for node in self._nodes}
        selected = _by_labels(self._pods)
        made = [doc for service in self._services for doc in _slices_of(service, selected, nodes)]
        return (*given, *made)


def _somewhere(services: Iterable[Doc]) -> Iterator[tuple[Doc, tuple[str, ...]]]:
    for number, service in enumerate(services, 1):
        families = spec_of(service).get("ipFamilies") or ["IPv4"]
        yield service, tuple(f"192.0.2.{number}" if one == "IPv4" else f"2001:db8::{number:x}" for one in families)


def _delivered(snapshot: Snapshot) -> dict[str, str]:
    """To which node each load balancer's address leads: one with a pod of its own, where there is one."""
    first = next(iter(snapshot.nodes), "")
    homes: dict[ServiceKey, str] = {}
    for piece in snapshot.slices.values():
        for endpoint in piece.endpoints:
            if endpoint.ready and endpoint.node_name:
                homes.setdefault((piece.namespace, piece.service), endpoint.node_name)
    return {
        address: homes.get(key, first)
        for key, service in snapshot.services.items()
        for address in (*service.load_balancer_ips, *service.external_ips)
        if first
    }


def policies(
    bundle: Bundle, pods: Iterable[Doc], nodes: Mapping[str, Node], node_labels: Mapping[str, Mapping[str, str]]
) -> PolicySnapshot:
    """What decisions about policies read. Namespaces that only their objects show have the label that all have."""
    namespaces = {name: _namespace(name) for name in bundle.namespaces}
    namespaces |= {item.name: _namespace(item.name, item.value) for item in bundle.of("Namespace")}
    return PolicySnapshot(
        pods={_key(doc): decode_policy.pod(doc) for doc in pods},
        namespaces={name: decode_policy.namespace(doc) for name, doc in namespaces.items()},
        policies={item.key: decode_policy.network_policy(item.value) for item in bundle.of("NetworkPolicy")},
        cluster_policies={
            item.name: decode_policy.cluster_network_policy(item.value) for item in bundle.of("ClusterNetworkPolicy")
        },
        nodes=nodes,
        node_labels=node_labels,
    )


def blocks(found: PolicySnapshot) -> Iterator[str]:
    """The CIDRs that policies speak of."""
    for policy in found.policies.values():
        for rule in (*policy.ingress, *policy.egress):
            yield from (peer.block.cidr for peer in rule.peers if peer.block)
    for cluster in found.cluster_policies.values():
        for each in (*cluster.ingress, *cluster.egress):
            yield from (cidr for peer in each.peers for cidr in peer.networks)


def _holds_pods(block: str) -> bool:
    """Whether it and the addresses of imagined pods have some in common."""
    first = block.partition("/")[0]
    return any(contains(block, cidr.partition("/")[0]) or contains(cidr, first) for cidr in POD_CIDRS)


def _namespace(name: str, given: Doc | None = None) -> Doc:
    """With the label kubernetes.io/metadata.name, which the API server sets."""
    metadata = (given or {}).get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
    return {"metadata": {**metadata, "name": name, "labels": labels}}


def _node(number: int) -> Doc:
    addresses = [f"172.18.0.{10 + number}", f"fd00:18::{10 + number}"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node-{number}", "labels": {"kubernetes.io/hostname": f"node-{number}"}},
        "spec": {
            "podCIDR": f"10.244.{number}.0/24",
            "podCIDRs": [f"10.244.{number}.0/24", f"fd00:244:0:{number:x}::/64"],
        },
        "status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]},
    }


def _imagined_pod(workload: Workload, number: int, node: Doc, subnet: int, host: int) -> Doc:
    template = workload.template
    single = workload.item.kind == "Pod"
    name = workload.item.name if single else f"{workload.item.name}-{number}"
    addresses = [f"10.244.{subnet}.{host + 1}", f"fd00:244:0:{subnet:x}::{host + 1:x}"]
    if workload.pod_spec.get("hostNetwork") is True:
        addresses = [entry["address"] for entry in node["status"]["addresses"]]
    metadata: dict[str, Any] = {
        **(template.get("metadata") if isinstance(template.get("metadata"), dict) else {}),  # type: ignore[dict-item]
        "name": name,
        "namespace": workload.namespace,
        "labels": dict(workload.labels),
        "uid": f"pod-{workload.namespace}-{workload.item.kind}-{name}",
    }
    if workload.item.kind == "StatefulSet":
        metadata["name"] = f"{workload.item.name}-{number - 1}"
        metadata["labels"] = {**workload.labels, "statefulset.kubernetes.io/pod-name": metadata["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**workload.pod_spec, "nodeName": name_of(node)},
        "status": {
            "phase": "Running",
            "podIP": addresses[0],
            "podIPs": [{"ip": address} for address in addresses],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _names_numbers(item: Item) -> bool:
    ports = item.get("spec.ports", [])
    named = isinstance(ports, list) and any(isinstance(p, dict) and p.get("nodePort") for p in ports)
    return named or word(item.get("spec.clusterIP")) not in ("", "None")


def _by_labels(pods: Iterable[Doc]) -> Mapping[tuple[str, str, str], list[Doc]]:
    found: dict[tuple[str, str, str], list[Doc]] = {}
    for pod in pods:
        for label in labels_of(pod).items():
            found.setdefault((namespace_of(pod), *label), []).append(pod)
    return found


def _slices_of(
    service: Doc, selected: Mapping[tuple[str, str, str], list[Doc]], nodes: Mapping[str, Doc]
) -> Iterator[Doc]:
    selector: dict[str, str] = spec_of(service).get("selector") or {}
    if not selector:
        return
    candidates = selected.get((namespace_of(service), *next(iter(selector.items()))), [])
    pods = [pod for pod in candidates if selector.items() <= labels_of(pod).items()]
    changes = endpointslices.reconcile(service, pods, [], nodes, most=1000)
    for number, change in enumerate(change for change in changes if isinstance(change, Create)):
        metadata = {**change.document["metadata"], "name": f"{name_of(service)}-{number}"}
        yield {**change.document, "metadata": metadata}


def _decoded(read: Callable[[Any], T], document: Doc) -> T | None:
    """None for a document that no node could read either."""
    try:
        return read(document)
    except decode.Undecodable:
        return None


def _key(document: Doc) -> tuple[str, str]:
    return namespace_of(document), name_of(document)


def network_pods(documents: Iterable[Doc]) -> dict[tuple[str, str], Pod]:
    """Pods as the network sees them, by (namespace, name)."""
    return {_key(document): _pod(document) for document in documents}


def _pod(pod: Doc) -> Pod:
    status, spec = pod.get("status") or {}, spec_of(pod)
    # the address of a pod that finished may be another's by now
    ended = status.get("phase") in ("Succeeded", "Failed")
    addresses = () if ended else tuple(entry["ip"] for entry in status.get("podIPs") or [])
    declared: set[tuple[Protocol, int]] = {
        (p.get("protocol") or "TCP", p.get("containerPort") or 0) for p in backends.declared_ports(pod)
    }
    return Pod(*_key(pod), spec.get("nodeName") or "", addresses, frozenset(declared))
