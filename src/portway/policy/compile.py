"""A snapshot and a node's name become a PolicyTable."""

from portway.model import PolicySnapshot
from portway.policy.inputs import inputs_of
from portway.policy.table import PolicyTable


def compile(snapshot: PolicySnapshot, node_name: str) -> PolicyTable:
    """All that the node enforces. `PolicyInputs` follows changes."""
    inputs = inputs_of(snapshot, node_name)
    inputs.take()
    return inputs.table
