"""What a forwarding table is made of, as values.

A **Target** is a ServicePort's backends as this node may use them; a **Frontend** is one address, protocol and
port that clients dial, and how it treats them; a **Contribution** is all that one Service adds to a table.
"""

from typing import Literal

from msgspec import Struct

from portway.model import Backend, Disposition, Family, Protocol, ServicePortName

FrontendKind = Literal["clusterIP", "nodePort", "externalIP", "loadBalancerIP"]
ServiceKey = tuple[str, str]


class Target(Struct, frozen=True, gc=False):
    """One ServicePort's backends of one family.

    Order is meaningful: the slot numbers that the data plane draws from. It keeps the previous table's order
    where it can, so that one endpoint more or less moves at most one other.
    """

    name: ServicePortName
    cluster: tuple[Backend, ...] = ()
    """Used under traffic policy Cluster."""
    local: tuple[Backend, ...] = ()
    """Used under traffic policy Local: those on this node."""
    has_endpoints: bool = False
    """Any usable endpoint anywhere: without one it is REJECT, with one elsewhere DROP."""
    cluster_terminating: bool = False
    """`cluster` is the fallback to serving, terminating endpoints."""
    local_terminating: bool = False
    session_affinity_seconds: int = 0
    slots: tuple[Backend, ...] = ()
    """Where some of `cluster` have a larger share than others: each as often as is due to it."""
    refused: int = 0
    """So many slots more lead nowhere: shares whose endpoints are missing. Never under a policy Local."""

    @property
    def drawn(self) -> tuple[Backend, ...]:
        """What each slot of policy Cluster leads to, without those that lead nowhere."""
        return self.slots or self.cluster

    @property
    def draws(self) -> int:
        """How many slots a client under policy Cluster draws from."""
        return len(self.drawn) + self.refused


class Frontend(Struct, frozen=True, gc=False):
    """An address, protocol and port that clients dial."""

    kind: FrontendKind
    family: Family
    address: str
    """Empty for a nodePort: any address of this node that accepts them."""
    protocol: Protocol
    port: int
    target: Target
    local_policy: bool = False
    """internalTrafficPolicy (clusterIP) or externalTrafficPolicy (the others) is Local."""
    source_ranges: tuple[str, ...] = ()
    """loadBalancerIP only: this family's ranges; empty means anyone. The node's own rule (5.4) is applied."""

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Those for a client that gets no short-circuit."""
        return self.target.local if self.local_policy else self.target.cluster

    @property
    def offered(self) -> tuple[Backend, ...]:
        """Those that any client is given; pods and the node are let through an externalTrafficPolicy Local."""
        if not self.local_policy:
            return self.target.cluster
        return self.target.local if self.kind == "clusterIP" else (*self.target.cluster, *self.target.local)

    @property
    def without_backends(self) -> Disposition:
        """What happens to a packet for which no backend was chosen (section 5.3)."""
        target = self.target
        return Disposition.DROP if target.has_endpoints and not target.refused else Disposition.REJECT


class HealthCheck(Struct, frozen=True, gc=False):
    """What a load balancer's probe of this node is told about one Service (section 5.8)."""

    node_port: int
    """spec.healthCheckNodePort."""
    ipv4: int = 0
    """Distinct IPv4 addresses of ready (not terminating) endpoints on this node, over all ports."""
    ipv6: int = 0

    @property
    def local_endpoints(self) -> int:
        """The count that is answered; a dual-stack pod counts once."""
        return max(self.ipv4, self.ipv6)


class Contribution(Struct, frozen=True, gc=False):
    """What one Service adds to the table."""

    service: ServiceKey
    frontends: tuple[Frontend, ...] = ()
    cluster_ips: tuple[str, ...] = ()
    health_check: HealthCheck | None = None
