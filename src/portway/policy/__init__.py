"""NetworkPolicy and ClusterNetworkPolicy: who may talk to whom, and what a node must hold to enforce it.

`judge` answers for one connection, slowly and plainly, with who decided; the compiled `PolicyTable` is what the node's
rules read. Both are pure.
"""

from portway.policy.judge import judge
from portway.policy.reason import Reason
from portway.policy.table import PolicyChange, PolicyTable

__all__ = ["PolicyChange", "PolicyTable", "Reason", "judge"]
