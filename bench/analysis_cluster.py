"""A cluster that runs, as objects: what bench/analysis.py looks at. All kinds of them in proportion to the pods."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PODS_OF_A_NODE = 100
SERVICES_OF_A_NAMESPACE = 50
Doc = dict[str, Any]


def write(path: Path, pods: int, services: int, *, later: bool = False) -> None:
    """As a snapshot; `later`: some time after."""
    items = [one for one in cluster(pods, services) if not later or _still_there(one)]
    path.write_text(json.dumps({"apiVersion": "portway.dev/v1", "kind": "Snapshot", "items": items}))


_GONE = {"NetworkPolicy": 0, "Pod": 1, "Service": 2}
"""Of a thousand applications, whose is gone later: what a policy closed is open, others lost pods and a Service."""


def _still_there(item: Doc) -> bool:
    return _GONE.get(item["kind"], -1) != int(item["metadata"]["name"].split("-")[1]) % 1000


def cluster(pods: int, services: int) -> Iterator[Doc]:
    """Nodes, pods, Services with slices, of which every twentieth has a nodePort; a policy for every tenth Service."""
    nodes = max(4, pods // PODS_OF_A_NODE)
    yield from map(_node, range(nodes))
    for n in range(services):
        yield from _service(n, pods // services, f"ns-{n // SERVICES_OF_A_NAMESPACE}", nodes)


def _node(n: int) -> Doc:
    addresses = [{"type": "InternalIP", "address": f"172.{18 + n // 60000}.{n // 200 % 256}.{n % 200 + 10}"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{n}"}, "status": {"addresses": addresses}}


def _service(n: int, each: int, namespace: str, nodes: int) -> Iterator[Doc]:
    meta = {"namespace": namespace, "name": f"app-{n}"}
    port = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    exposed = n % 20 == 0 and n // 20 < 2768
    spec = {
        "type": "NodePort" if exposed else "ClusterIP",
        "selector": {"app": meta["name"]},
        "ports": [{**port, "nodePort": 30000 + n // 20} if exposed else port],
        "clusterIP": f"10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}",
        "clusterIPs": [f"10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"],
    }
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    pods = [_pod(meta, f"{n * each + m}", m, nodes) for m in range(each)]
    yield from pods
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": meta["name"]}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [_endpoint(pod) for pod in pods],
    }
    if n % 10 == 0:
        yield _policy(n, meta)


def _pod(meta: Doc, count: str, m: int, nodes: int) -> Doc:
    number = int(count)
    address = f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    labels = {"app": meta["name"], "pod-template-hash": "7d9f8b6c5"}
    name = f"{meta['name']}-7d9f8b6c5-{m:05x}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": meta["namespace"], "name": name, "labels": labels},
        "spec": {
            "nodeName": f"node-{number % nodes}",
            "containers": [{"name": "app", "ports": [{"containerPort": 8080}]}],
        },
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


def _endpoint(pod: Doc) -> Doc:
    return {
        "addresses": [pod["status"]["podIP"]],
        "nodeName": pod["spec"]["nodeName"],
        "conditions": {"ready": True},
        "targetRef": {"name": pod["metadata"]["name"]},
    }


def _policy(n: int, meta: Doc) -> Doc:
    """Who comes, among them an address block; of one in thirty, where its pods may go."""
    here: Doc = {"podSelector": {}}
    office = {"ipBlock": {"cidr": f"203.0.{n // 10 % 100}.0/24"}}
    spec: Doc = {"podSelector": {"matchLabels": {"app": meta["name"]}}}
    if n % 300:
        spec |= {"policyTypes": ["Ingress"], "ingress": [{"from": [here, office], "ports": [{"port": 8080}]}]}
    else:
        dns = {"to": [{"namespaceSelector": {}}], "ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]}
        spec |= {"policyTypes": ["Egress"], "egress": [{"to": [here]}, dns]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
