"""Frozen values that decisions need, and nothing else.

Words: a **Service** promises that *this port, anywhere* becomes *that port, on one of those pods*; a
**ServicePort** is one line of that promise; an **Endpoint** is one pod's readiness to keep it; a **Node** is a
place where promises are kept; a **Snapshot** is everything one decision may read; a **Packet** asks the
question and a **Verdict** answers it with its **Reason**; a **Connection** asks the policies and a **Judgement**
answers.

Rules of the room: imports nothing of ours; knows no JSON; values are frozen and compare by content; addresses
and CIDRs are canonical strings (`str(ipaddress.ip_address(x))`), one path for both IP families.
"""

from portway.model.address import Family, contains, family_of
from portway.model.packet import NODEPORT_UNSET, Backend, Disposition, Hop, Packet, Reason, Verdict
from portway.model.policy import (
    Action,
    ClusterNetworkPolicy,
    ClusterPeer,
    ClusterPort,
    ClusterRule,
    Connection,
    ContainerPort,
    Direction,
    IpBlock,
    Judgement,
    Namespace,
    NetworkPolicy,
    Pod,
    PolicyDecision,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    PolicySnapshot,
    Tier,
)
from portway.model.selector import Labels, LabelSelector, Requirement
from portway.model.service import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Protocol,
    Service,
    ServicePort,
    ServicePortName,
    Share,
)
from portway.model.snapshot import LocalDetector, Node, ProxyConfig, Snapshot

__all__ = [
    "NODEPORT_UNSET",
    "Action",
    "Backend",
    "ClusterNetworkPolicy",
    "ClusterPeer",
    "ClusterPort",
    "ClusterRule",
    "Connection",
    "ContainerPort",
    "Direction",
    "Disposition",
    "Endpoint",
    "EndpointPort",
    "EndpointSlice",
    "Family",
    "Hop",
    "IpBlock",
    "Judgement",
    "LabelSelector",
    "Labels",
    "LocalDetector",
    "Namespace",
    "NetworkPolicy",
    "Node",
    "Packet",
    "Pod",
    "PolicyDecision",
    "PolicyPeer",
    "PolicyPort",
    "PolicyRule",
    "PolicySnapshot",
    "Protocol",
    "ProxyConfig",
    "Reason",
    "Requirement",
    "Service",
    "ServicePort",
    "ServicePortName",
    "Share",
    "Snapshot",
    "Tier",
    "Verdict",
    "contains",
    "family_of",
]
