"""The shapes of pods, namespaces and policies in JSON: only the fields that decisions about policies read.

Every field may be absent or null, unless it has no default.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Shape(Struct, gc=False, rename="camel"):
    """A part of a document."""


class Meta(Shape):
    """`metadata`."""

    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str | None] | None = None


class ContainerPort(Shape):
    """`containers[].ports[]`."""

    name: str | None = None
    protocol: str | None = None
    container_port: int | None = None


class Container(Shape):
    """`containers[]`, `initContainers[]`."""

    ports: list[ContainerPort | None] | None = None
    restart_policy: str | None = None


class PodSpec(Shape):
    """A Pod's `spec`."""

    node_name: str | None = None
    host_network: bool | None = None
    containers: list[Container | None] | None = None
    init_containers: list[Container | None] | None = None


class PodIP(Shape):
    """`status.podIPs[]`."""

    ip: str | None = None


class PodStatus(Shape):
    """A Pod's `status`."""

    phase: str | None = None
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    pod_ips: list[PodIP | None] | None = msgspec.field(default=None, name="podIPs")


class Pod(Shape):
    """A Pod."""

    metadata: Meta | None = None
    spec: PodSpec | None = None
    status: PodStatus | None = None


class Namespace(Shape):
    """A Namespace."""

    metadata: Meta | None = None


class Expression(Shape):
    """`matchExpressions[]`."""

    key: str | None = None
    operator: str | None = None
    values: list[str | None] | None = None


class Selector(Shape):
    """A LabelSelector."""

    match_labels: dict[str, str | None] | None = None
    match_expressions: list[Expression | None] | None = None


class IpBlock(Shape):
    """`ipBlock` of a NetworkPolicy's peer."""

    cidr: str | None = None
    excepts: list[str | None] | None = msgspec.field(default=None, name="except")


class Peer(Shape):
    """`from[]`, `to[]` of a NetworkPolicy's rule."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: IpBlock | None = None


class Port(Shape):
    """`ports[]` of a NetworkPolicy's rule."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class PortRange(Shape):
    """`destinationPort.range` of a ClusterNetworkPolicy's protocol."""

    start: int
    end: int


class DestinationPort(Shape):
    """`destinationPort` of a ClusterNetworkPolicy's protocol: one of the two."""

    number: int | None = None
    range: PortRange | None = None


class NamespacedPod(Shape):
    """`pods` of a ClusterNetworkPolicy's peer or subject."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None


class ClusterRule(Shape):
    """`ingress[]`, `egress[]` of a ClusterNetworkPolicy. Peers and protocols have one member each: their form."""

    name: str | None = None
    peers_from: list[dict[str, Any] | None] | None = msgspec.field(default=None, name="from")
    peers_to: list[dict[str, Any] | None] | None = msgspec.field(default=None, name="to")
    protocols: list[dict[str, Any] | None] | None = None
