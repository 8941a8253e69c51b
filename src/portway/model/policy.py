"""Who may talk to whom: NetworkPolicy and ClusterNetworkPolicy, and the pods that they speak of.

Sources: networking.k8s.io/v1 NetworkPolicy (pkg/apis/networking/types.go), policy.networking.k8s.io/v1alpha2
ClusterNetworkPolicy (KEP-2091 and the API of sigs.k8s.io/network-policy-api). Kubernetes' defaults are applied at the
door: directions are never empty, a port without a protocol is TCP.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from portway.model.selector import Labels, LabelSelector
from portway.model.service import Protocol
from portway.model.snapshot import Node

Direction = Literal["Ingress", "Egress"]
Tier = Literal["Admin", "Baseline"]
Action = Literal["Accept", "Deny", "Pass"]


class ContainerPort(Struct, frozen=True, gc=False, order=True):
    """A named port of a pod's container, by which policies may call it."""

    name: str
    protocol: Protocol
    port: int


class Pod(Struct, frozen=True):
    """A pod, reduced to what policies read."""

    namespace: str
    name: str
    addresses: tuple[str, ...] = ()
    """status.podIPs, canonical."""
    node_name: str = ""
    labels: Labels = field(default_factory=dict)
    ports: tuple[ContainerPort, ...] = ()
    """The named ones of its containers and of its sidecars (init containers that restart always)."""
    host_network: bool = False
    finished: bool = False
    """Phase Succeeded or Failed: its addresses may belong to another pod by now."""

    @property
    def has_policies(self) -> bool:
        """Whether policies select it, as subject and as peer: it has addresses of its own."""
        return bool(self.addresses) and not self.host_network and not self.finished


class Namespace(Struct, frozen=True):
    """A namespace and its labels."""

    name: str
    labels: Labels = field(default_factory=dict)


class IpBlock(Struct, frozen=True):
    """`ipBlock`: addresses in `cidr` and in none of `excepts`, canonical. `except` takes from this block only."""

    cidr: str
    excepts: tuple[str, ...] = ()


class PolicyPeer(Struct, frozen=True):
    """`from[]`/`to[]` of a NetworkPolicy: either `block`, or pods by one or both selectors.

    Only `pods`: of the policy's own namespace. Only `namespaces`: all pods of those.
    """

    pods: LabelSelector | None = None
    namespaces: LabelSelector | None = None
    block: IpBlock | None = None


class PolicyPort(Struct, frozen=True):
    """`ports[]` of a rule. A name means what it means in the pod that the connection goes to."""

    protocol: Protocol = "TCP"
    port: int | str = 0
    """0: every port of the protocol."""
    end_port: int = 0
    """The last of a range; 0: the one port."""


class PolicyRule(Struct, frozen=True):
    """One rule: one of the peers and one of the ports."""

    peers: tuple[PolicyPeer, ...] = ()
    """Empty: everybody, pods or not."""
    ports: tuple[PolicyPort, ...] = ()
    """Empty: every port of every protocol."""


class NetworkPolicy(Struct, frozen=True):
    """A NetworkPolicy: the selected pods are isolated in its directions, and its rules open that."""

    namespace: str
    name: str
    pods: LabelSelector = LabelSelector()
    directions: tuple[Direction, ...] = ("Ingress",)
    ingress: tuple[PolicyRule, ...] = ()
    egress: tuple[PolicyRule, ...] = ()
    fault: str = ""
    """Why it could not be read, `FIELD: what`; then it opens nothing, so that it closes the pods that it selects (when
    its selector could not be read, those of its namespace) and no others.
    """

    def rules(self, direction: Direction) -> tuple[PolicyRule, ...]:
        """Those of one direction."""
        return self.ingress if direction == "Ingress" else self.egress


class ClusterPeer(Struct, frozen=True):
    """A peer or subject of a ClusterNetworkPolicy: exactly one form is given, else it is `unknown`."""

    namespaces: LabelSelector | None = None
    """All pods of those; with `pods`: only such pods."""
    pods: LabelSelector | None = None
    networks: tuple[str, ...] = ()
    """Egress only: canonical CIDRs, which match pods too."""
    nodes: LabelSelector | None = None
    """Egress only: the nodes' addresses."""
    domain_names: tuple[str, ...] = ()
    """Egress and Accept only."""
    unknown: bool = False
    """A form that this release does not know: fails closed."""


class ClusterPort(Struct, frozen=True):
    """`protocols[]` of a rule: a range of one protocol, or a name of the destination pod's ports in any protocol."""

    protocol: Protocol | None = None
    """None: the name in whatever protocol."""
    first: int = 0
    """0 without a name: every port."""
    last: int = 0
    name: str = ""


class ClusterRule(Struct, frozen=True):
    """One rule; the first that matches decides."""

    action: Action
    peers: tuple[ClusterPeer, ...]
    ports: tuple[ClusterPort, ...] = ()
    """Empty: everything, whatever the protocol."""
    name: str = ""


class ClusterNetworkPolicy(Struct, frozen=True):
    """A ClusterNetworkPolicy. Admin tier, NetworkPolicies, Baseline tier, in this order; lower `priority` first."""

    name: str
    tier: Tier
    priority: int
    subject: ClusterPeer
    """`namespaces` or `pods`."""
    ingress: tuple[ClusterRule, ...] = ()
    egress: tuple[ClusterRule, ...] = ()
    fault: str = ""
    """Why it could not be read; then it denies its subjects everything in both directions."""

    def rules(self, direction: Direction) -> tuple[ClusterRule, ...]:
        """Those of one direction."""
        return self.ingress if direction == "Ingress" else self.egress


class PolicySnapshot(Struct, frozen=True):
    """Everything that a decision about policies may read."""

    pods: Mapping[tuple[str, str], Pod] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    policies: Mapping[tuple[str, str], NetworkPolicy] = field(default_factory=dict)
    cluster_policies: Mapping[str, ClusterNetworkPolicy] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    node_labels: Mapping[str, Labels] = field(default_factory=dict)
    """By node's name; only ClusterNetworkPolicies with `nodes` peers ask."""


class Connection(Struct, frozen=True):
    """A connection's first packet as it leaves the client's node or arrives at the pod: translated, if it was.

    Policies see pod addresses and targetPorts, never a Service's.
    """

    source: str
    destination: str
    protocol: Protocol | str
    """Another protocol's name or number (`ICMP`, `47`) has no ports: only rules without ports match it."""
    port: int = 0


class PolicyDecision(Struct, frozen=True):
    """What one end's policies say, and who decided."""

    allowed: bool
    reason: str
    """A code of `portway.policy.Reason`."""
    direction: Direction
    pod: str = ""
    """`namespace/name` of the pod whose policies were asked; empty when that end is no pod."""
    kind: Literal["NetworkPolicy", "ClusterNetworkPolicy", ""] = ""
    policies: tuple[str, ...] = ()
    """`namespace/name` (or `name`) of those that decided: the one whose rule matched, or all that isolate."""
    rule: int = -1
    """The rule's index in `ingress`/`egress` of the first of `policies`."""


class Judgement(Struct, frozen=True):
    """Both ends' decisions; a connection needs both."""

    egress: PolicyDecision
    ingress: PolicyDecision

    @property
    def allowed(self) -> bool:
        """Whether the connection passes."""
        return self.egress.allowed and self.ingress.allowed

    @property
    def decided(self) -> PolicyDecision:
        """The decision to show: the one that denies, the client's end first; else the server's."""
        return self.ingress if self.egress.allowed else self.egress
