"""NetworkPolicy and ClusterNetworkPolicy: who may talk to whom, and what a node must hold to enforce it.

`judge` answers for one connection, slowly and plainly, with who decided; `Admission` for many clients of a server at
once; the compiled `PolicyTable` is what the node's rules read. All are pure.
"""

from portway.policy.admission import Admission
from portway.policy.apply import apply
from portway.policy.compile import compile
from portway.policy.deciders import Deciders
from portway.policy.inputs import PolicyInputs, inputs_of
from portway.policy.judge import judge
from portway.policy.lookup import verdict
from portway.policy.reason import Reason
from portway.policy.table import PolicyChange, PolicyTable

__all__ = [
    "Admission",
    "Deciders",
    "PolicyChange",
    "PolicyInputs",
    "PolicyTable",
    "Reason",
    "apply",
    "compile",
    "inputs_of",
    "judge",
    "verdict",
]
