"""A cluster with many pods and NetworkPolicies, as documents: what one node's agent is told.

Namespaces of equal size, twenty applications in each; a policy selects one application, lets in another one of its
namespace and a tier of every namespace of one team, on a number and a named port; every third is for both directions
and every fifth knows an address block with a hole.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from portway.kubeapi import decode_policy
from portway.model import Node
from portway.policy import PolicyInputs

NODE = "node-0"
NAMESPACES = 100
NODES = 40
APPLICATIONS = 20
POD_CIDR = "10.1.0.0/16"
"""Of the node."""
Doc = dict[str, Any]


def documents(pods: int, policies: int) -> Iterator[bytes]:
    """All of them as JSON; one pod in NODES is this node's."""
    named = ({"kind": "Namespace", "metadata": _namespace(number)} for number in range(NAMESPACES))
    every = (*named, *map(pod, range(pods)), *map(policy, range(policies)))
    return map(msgspec.json.encode, every)


def inputs(several: Iterator[bytes]) -> PolicyInputs:
    """Decoded, and indexed."""
    made = PolicyInputs(NODE)
    made.put_node(NODE, Node(NODE, ("172.18.0.11",), (POD_CIDR,)), {})
    for document in several:
        put(made, msgspec.json.decode(document))
    return made


def put(into: PolicyInputs, document: Doc) -> None:
    """It came or changed."""
    meta = document["metadata"]
    if document["kind"] == "Pod":
        into.put_pod((meta["namespace"], meta["name"]), decode_policy.pod(document))
    elif document["kind"] == "NetworkPolicy":
        into.put_policy((meta["namespace"], meta["name"]), decode_policy.network_policy(document))
    else:
        into.put_namespace(meta["name"], decode_policy.namespace(document))


def take_away(from_: PolicyInputs, document: Doc) -> None:
    """It went."""
    key = document["metadata"]["namespace"], document["metadata"]["name"]
    from_.put_pod(key, None) if document["kind"] == "Pod" else from_.put_policy(key, None)


def _namespace(number: int) -> Doc:
    name = f"ns{number}"
    return {"name": name, "labels": {"kubernetes.io/metadata.name": name, "team": f"t{number % 10}"}}


def address(number: int) -> str:
    """Of a pod."""
    return f"10.{number % NODES + 1}.{number // NODES // 250}.{number // NODES % 250 + 1}"


def pod(number: int, application: int | None = None) -> Doc:
    """Pods of one number have one name and address, whatever their application."""
    chosen = number // NAMESPACES % APPLICATIONS if application is None else application
    labels = {"app": f"a{chosen}", "tier": f"x{number % 3}", "pod-template-hash": f"{chosen:08x}"}
    ports = [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": f"ns{number % NAMESPACES}", "name": f"p{number}", "labels": labels},
        "spec": {
            "nodeName": f"node-{number % NODES}",
            "containers": [{"name": "main", "image": "web:1", "ports": ports}],
        },
        "status": {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}]},
    }


def policy(number: int, port: int = 80) -> Doc:
    """Policies of one number have one name."""
    peers: list[Doc] = [
        {"podSelector": {"matchLabels": {"app": f"a{number * 7 % APPLICATIONS}"}}},
        {
            "podSelector": {"matchLabels": {"tier": f"x{number % 3}"}},
            "namespaceSelector": {"matchLabels": {"team": f"t{number % 10}"}},
        },
    ]
    if number % 5 == 0:
        block = f"192.{number % 200}"
        peers.append({"ipBlock": {"cidr": f"{block}.0.0/16", "except": [f"{block}.5.0/24"]}})
    ports = [{"protocol": "TCP", "port": port + number % 5}, {"protocol": "TCP", "port": "http"}]
    chosen = {"app": f"a{number // NAMESPACES % APPLICATIONS}"}
    spec: Doc = {"podSelector": {"matchLabels": chosen}, "policyTypes": ["Ingress"]}
    spec["ingress"] = [{"from": peers, "ports": ports}]
    if number % 3 == 0:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": [{"to": peers, "ports": ports}]}
    return _policy(f"ns{number % NAMESPACES}", f"policy{number}", spec)


def wide_policy(namespace: str, application: int, tiers: tuple[str, ...]) -> Doc:
    """One that lets in some tiers of the whole cluster."""
    tier = {"matchExpressions": [{"key": "tier", "operator": "In", "values": list(tiers)}]}
    peer = {"podSelector": tier, "namespaceSelector": {}}
    chosen = {"matchLabels": {"app": f"a{application}"}}
    return _policy(
        namespace, "wide", {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]}
    )


def _policy(namespace: str, name: str, spec: Doc) -> Doc:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }
