"""Frozen values that decisions need, and nothing else.

Words: a **Service** promises that *this port, anywhere* becomes *that port, on one of those pods*; a
**ServicePort** is one line of that promise; an **Endpoint** is one pod's readiness to keep it; a **Node** is a
place where promises are kept; a **Snapshot** is everything one decision may read; a **Packet** asks the
question and a **Verdict** answers it with its **Reason**.

Rules of the room: imports nothing of ours; knows no JSON; values are frozen and compare by content; addresses
and CIDRs are canonical strings (`str(ipaddress.ip_address(x))`), one path for both IP families.
"""

from portway.model.address import Family, contains, family_of
from portway.model.packet import Backend, Disposition, Hop, Packet, Reason, Verdict
from portway.model.service import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Protocol,
    Service,
    ServicePort,
    ServicePortName,
)
from portway.model.snapshot import LocalDetector, Node, ProxyConfig, Snapshot

__all__ = [
    "Backend",
    "Disposition",
    "Endpoint",
    "EndpointPort",
    "EndpointSlice",
    "Family",
    "Hop",
    "LocalDetector",
    "Node",
    "Packet",
    "Protocol",
    "ProxyConfig",
    "Reason",
    "Service",
    "ServicePort",
    "ServicePortName",
    "Snapshot",
    "Verdict",
    "contains",
    "family_of",
]
