"""THE core: a Snapshot and a node become a ForwardingTable; `lookup(table, packet)` answers with a Verdict.

Semantics: research/service-semantics.md section 5 (kube-proxy 1.36, nftables mode). Pure: imports only `model`.

`compute` makes the whole table, `recompute` renews what changed Services contribute, `Inputs` keeps the objects
and knows which Services a change concerns. The table is plain values: whoever programs a kernel or draws a
picture reads `contributions`; whoever asks about one packet calls `lookup`, and
`hops` for what happens step by step.
"""

from portway.forwarding.compute import SlicesOf, compute, recompute, slices_by_service
from portway.forwarding.frontend import Contribution, Frontend, FrontendKind, HealthCheck, ServiceKey, Target
from portway.forwarding.hops import hops
from portway.forwarding.inputs import Inputs
from portway.forwarding.locality import node_port_addresses, with_node_port_addresses, with_pod_cidrs
from portway.forwarding.lookup import lookup
from portway.forwarding.table import ForwardingTable, without_local_endpoints

__all__ = [
    "Contribution",
    "ForwardingTable",
    "Frontend",
    "FrontendKind",
    "HealthCheck",
    "Inputs",
    "ServiceKey",
    "SlicesOf",
    "Target",
    "compute",
    "hops",
    "lookup",
    "node_port_addresses",
    "recompute",
    "slices_by_service",
    "with_node_port_addresses",
    "with_pod_cidrs",
    "without_local_endpoints",
]
