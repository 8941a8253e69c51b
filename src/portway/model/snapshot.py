"""Everything that one decision may read."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from portway.model.service import EndpointSlice, Service


class Node(Struct, frozen=True):
    """A node, reduced to what forwarding and explanations read."""

    name: str
    addresses: tuple[str, ...] = ()
    """InternalIP (and ExternalIP) addresses, primary first in each family."""
    pod_cidrs: tuple[str, ...] = ()
    zone: str = ""
    """The label topology.kubernetes.io/zone."""


class LocalDetector(Struct, frozen=True):
    """How a packet's source is recognised as a pod (kube-proxy's detectLocalMode).

    ClusterCIDR: the source lies in one of `cidrs` (pods of every node). NodeCIDR: the same with this node's
    pod CIDRs. InterfaceNamePrefix and BridgeInterface: the packet came in by such an interface.
    """

    mode: Literal["ClusterCIDR", "NodeCIDR", "InterfaceNamePrefix", "BridgeInterface"] = "ClusterCIDR"
    cidrs: tuple[str, ...] = ()
    interface: str = ""


class ProxyConfig(Struct, frozen=True):
    """What the node agent is told about itself, in kube-proxy's words."""

    node_name: str
    node_addresses: tuple[str, ...] = ()
    """All addresses of this machine that count as local ("client is this node"), primary first in each family."""
    node_port_addresses: tuple[str, ...] = ()
    """The addresses (not CIDRs: already resolved) that accept nodePorts."""
    node_port_match_all: bool = False
    """nodePorts are accepted on every local address but loopback."""
    masquerade_all: bool = False
    local_detector: LocalDetector | None = None
    log_group: int = 0
    """The group of nfnetlink_log that is told of each packet that is refused or dropped; 0: nobody is."""
    node_port_range: tuple[int, int] = (0, 0)
    """(first, last) of the ports that nodePorts are allocated from: of what is refused there, because no Service has
    it, the group is told too. (0, 0): it is not.
    """


class Snapshot(Struct, frozen=True):
    """The objects of a cluster at one moment. Keys are (namespace, name); nodes by name."""

    services: Mapping[tuple[str, str], Service] = field(default_factory=dict)
    slices: Mapping[tuple[str, str], EndpointSlice] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    service_cidrs: tuple[str, ...] = ()
