"""A snapshot and a node's name become a PolicyTable."""

from portway.model import PolicySnapshot
from portway.policy.inputs import PolicyInputs
from portway.policy.table import PolicyTable


def compile(snapshot: PolicySnapshot, node_name: str) -> PolicyTable:
    """All that the node enforces. `PolicyInputs` follows changes."""
    inputs = PolicyInputs(node_name)
    for name, node in snapshot.nodes.items():
        inputs.put_node(name, node, snapshot.node_labels.get(name, {}))
    for name, namespace in snapshot.namespaces.items():
        inputs.put_namespace(name, namespace)
    for name, cluster_policy in snapshot.cluster_policies.items():
        inputs.put_cluster_policy(name, cluster_policy)
    for key, policy in snapshot.policies.items():
        inputs.put_policy(key, policy)
    for key, pod in snapshot.pods.items():
        inputs.put_pod(key, pod)
    inputs.take()
    return inputs.table
