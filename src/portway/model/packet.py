"""The question (Packet) and the answer (Verdict) of forwarding."""

from enum import Enum

from msgspec import Struct

from portway.model.address import host_port
from portway.model.service import Protocol, ServicePortName


class Packet(Struct, frozen=True):
    """The first packet of a connection, as it arrives at one node."""

    source: str
    destination: str
    protocol: Protocol
    port: int
    """Destination port."""
    interface: str = ""
    """The interface it came in by; only some local detectors ask."""


class Backend(Struct, frozen=True, gc=False, order=True):
    """A pod's address and targetPort number."""

    address: str
    port: int
    node_name: str = ""
    target: str = ""
    """The pod's name, when known."""

    def __str__(self) -> str:
        return host_port(self.address, self.port)


class Disposition(Enum):
    """What the node does with a packet."""

    FORWARD = "forward"
    """Translated (DNAT) to one of the backends."""
    REJECT = "reject"
    """Answered with a TCP reset or an ICMP port-unreachable."""
    DROP = "drop"
    """Silently discarded."""
    PASS = "pass"
    """None of Portway's business: left to the node's own routing."""


class Reason(Enum):
    """Why. The value is the stable code that traces, logs and tests show."""

    FORWARDED = "FORWARDED"
    FORWARDED_TERMINATING = "FORWARDED_TERMINATING"
    """Only terminating endpoints are left and they still serve."""
    NO_ENDPOINTS = "NO_ENDPOINTS"
    """The ServicePort, or the part of it that was drawn, has no usable endpoint anywhere: rejected."""
    NO_LOCAL_ENDPOINT = "NO_LOCAL_ENDPOINT"
    """Traffic policy Local and no usable endpoint on this node: dropped."""
    SOURCE_NOT_ALLOWED = "SOURCE_NOT_ALLOWED"
    """Outside loadBalancerSourceRanges: dropped."""
    SERVICE_PORT_UNDEFINED = "SERVICE_PORT_UNDEFINED"
    """The clusterIP exists but has no such port: rejected."""
    CLUSTER_IP_UNALLOCATED = "CLUSTER_IP_UNALLOCATED"
    """An address of a ServiceCIDR that no Service holds: dropped."""
    NOT_A_FRONTEND = "NOT_A_FRONTEND"
    """No Service claims this destination: untouched."""


NODEPORT_UNSET = "NODEPORT_UNSET"
"""The code of what is no decision of ours: no Service has this nodePort, so the node's own kernel answers."""


class Hop(Struct, frozen=True):
    """One step of a packet's way, as `portway trace` draws it."""

    kind: str
    """"client" | "node" | "service" | "pod" | "end"."""
    name: str
    address: str = ""
    port: int = 0
    port_name: str = ""
    note: str = ""
    """What happens here, e.g. "DNAT 10.0.0.1:32100 → 10.244.1.5:8080"."""


class Verdict(Struct, frozen=True):
    """What becomes of a packet, why, and who decided."""

    disposition: Disposition
    reason: Reason
    backends: tuple[Backend, ...] = ()
    """Every candidate, each equally likely but for `weights` (unless session affinity remembers one)."""
    service_port: ServicePortName | None = None
    frontend: str = ""
    """"clusterIP" | "nodePort" | "externalIP" | "loadBalancerIP" | ""."""
    masquerade: bool = False
    """Source NAT to the node's address, whichever backend is chosen (hairpin aside)."""
    hairpin: tuple[Backend, ...] = ()
    """Candidates for which the packet is masqueraded because the client is that very pod."""
    weights: tuple[int, ...] = ()
    """Of each candidate; none: they are equal, 1 each."""
    refused: int = 0
    """The weight, beside the candidates', with which a new connection is rejected (NO_ENDPOINTS)."""

    @property
    def shares(self) -> tuple[float, ...]:
        """The part of new connections that each candidate gets."""
        weights = self.weights or (1,) * len(self.backends)
        return tuple(weight / (sum(weights) + self.refused) for weight in weights)

    @property
    def refused_share(self) -> float:
        """The part that is refused although there are candidates."""
        return self.refused / (sum(self.weights or (1,) * len(self.backends)) + self.refused) if self.refused else 0.0
