"""Snapshots out of documents, and what is judged on them."""

from collections.abc import Iterable
from typing import Any

from portway.kubeapi import decode_policy
from portway.model import Connection, Pod, PolicySnapshot

Document = dict[str, Any]


def snapshot(documents: Iterable[Document]) -> PolicySnapshot:
    """What policies read of Namespaces, Pods and policies; other kinds are left out. Faults are not expected."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document["kind"], []).append(document)
    pods = [decode_policy.pod(each) for each in found.get("Pod", [])]
    namespaces = [decode_policy.namespace(each) for each in found.get("Namespace", [])]
    policies = [decode_policy.network_policy(each) for each in found.get("NetworkPolicy", [])]
    cluster = [decode_policy.cluster_network_policy(each) for each in found.get("ClusterNetworkPolicy", [])]
    assert not [policy for policy in policies if policy.fault]
    assert not [policy for policy in cluster if policy.fault]
    return PolicySnapshot(
        pods={(pod.namespace, pod.name): pod for pod in pods},
        namespaces={namespace.name: namespace for namespace in namespaces},
        policies={(policy.namespace, policy.name): policy for policy in policies},
        cluster_policies={policy.name: policy for policy in cluster},
    )


def connection(client: Pod, server: Pod, port: int = 80, protocol: str = "TCP", family: int = 0) -> Connection:
    """From a pod's address to a pod's; `family` is the index of their addresses."""
    return Connection(client.addresses[family], server.addresses[family], protocol, port)
