"""What a node enforces, as a value: constant rules read it from maps.

A packet's way, for each direction in which its pod is **constrained**: the other end's address gives a **class** (all
ends that every policy treats alike), pod and class give a **port set**, and the port set gives the verdict.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

from portway.model import Direction

NOBODY = 1
"""The class of an address that no policy tells from others."""
FIRST_CLASS = 2
"""Classes are numbers from here up to FIRST_PORT_SET - 1."""
FIRST_PORT_SET = 0x8000_0000
"""Port sets are numbers from here up to EVERYTHING - 1: no number is both."""
EVERYTHING = 0xFFFF_FFFF
"""The port set of every port of every protocol."""
OTHER_PROTOCOLS = "other"
"""In a PortRange: protocols but TCP, UDP and SCTP, which have no ports (first 0, last 65535)."""


class Pair(NamedTuple):
    """A pod of this node and the class of the other end."""

    direction: Direction
    address: str
    other: int
    """A class; or ANYBODY, for ends for which there is no pair of their own."""


ANYBODY = 0


class AddressRange(NamedTuple):
    """Addresses `first` to `last` (canonical text, one family), which belong to no pod."""

    first: str
    last: str


class PortRange(NamedTuple):
    """Ports `first` to `last` of one protocol, as a port set says something of them."""

    port_set: int
    protocol: str
    """"TCP" | "UDP" | "SCTP" | OTHER_PROTOCOLS."""
    first: int
    last: int


class Constrained(NamedTuple):
    """In which directions a pod's packets are judged."""

    ingress: bool
    egress: bool


class PolicyTable(Struct, frozen=True):
    """All that a node enforces. Ranges of one kind never overlap; what is not listed is denied where it is judged."""

    pods: Mapping[str, Constrained] = field(default_factory=dict)
    """This node's pods by address: whoever is missing here gets and sends nothing (its rules are not in yet)."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """The cluster's pods by address: their class, where it is not NOBODY."""
    ranges: Mapping[AddressRange, int] = field(default_factory=dict)
    """Other addresses: their class, where it is not NOBODY."""
    pairs: Mapping[Pair, int] = field(default_factory=dict)
    """The port set of a pod and a class; none: that of the pod and ANYBODY; none either: denied."""
    ports: Mapping[PortRange, bool] = field(default_factory=dict)
    """Only ranges that are allowed are listed (True)."""
    own_node: tuple[str, ...] = ()
    """This node's addresses. What comes from them is never stopped (it meets no hook of policies anyway); what its
    pods send to them, ClusterNetworkPolicies may stop.
    """
    hairpin_judged: frozenset[str] = frozenset()
    """Pods' addresses for which a connection to themselves through a Service is judged (ClusterNetworkPolicy)."""


class PolicyChange(Struct, frozen=True):
    """How one table becomes the next: entries that come or change, and (None) those that go."""

    pods: Mapping[str, Constrained | None] = field(default_factory=dict)
    classes: Mapping[str, int | None] = field(default_factory=dict)
    ranges: Mapping[AddressRange, int | None] = field(default_factory=dict)
    pairs: Mapping[Pair, int | None] = field(default_factory=dict)
    ports: Mapping[PortRange, bool | None] = field(default_factory=dict)
    hairpin_judged: Mapping[str, bool | None] = field(default_factory=dict)
    own_node: tuple[str, ...] | None = None
    """This node's addresses, where they changed."""
    revokes: bool = False
    """Some connection that was allowed may not be any more: open ones are to be judged again."""

    def __bool__(self) -> bool:
        changed = self.pods, self.classes, self.ranges, self.pairs, self.ports, self.hairpin_judged
        return any(changed) or self.own_node is not None or self.revokes
