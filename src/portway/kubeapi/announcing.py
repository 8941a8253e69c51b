"""What announcers read and write: Leases that say which node has which address, and Nodes as they see them."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import msgspec
from msgspec import Struct

from portway.kubeapi import decode
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.model.loadbalancer import AnnouncingNode, Doubt

LEASES = Resource("coordination.k8s.io", "v1", "leases")
NAMESPACE = "kube-system"
ROLE = "portway.dev/announcer"
"""Label: what a Lease is of, an "address" or a "node"."""
ADDRESS = "portway.dev/announced-address"
"""Annotation: the address."""
DOUBTS = "portway.dev/announcement-doubts"
"""Annotation of a node's Lease: what keeps its answers from clients, a JSON list."""
LEAVING_TAINT = "ToBeDeletedByClusterAutoscaler"
"""The cluster autoscaler's taint of a node that it is about to remove."""


class AnnouncerLease(Struct, frozen=True):
    """What is read of a Lease."""

    role: str
    holder: str
    address: str
    renewed: str
    version: str
    transitions: int
    acquired: str = ""
    """When its holder got it: RFC 3339."""
    doubts: tuple[Doubt, ...] = ()


_DOUBTS = msgspec.json.Decoder(tuple[Doubt, ...])


def announcer_lease(document: Doc) -> AnnouncerLease:
    """One with the label `ROLE`."""
    meta, spec = document["metadata"], document.get("spec") or {}
    annotations = meta.get("annotations") or {}
    return AnnouncerLease(
        (meta.get("labels") or {}).get(ROLE, ""),
        spec.get("holderIdentity") or "",
        annotations.get(ADDRESS, ""),
        spec.get("renewTime") or "",
        meta.get("resourceVersion") or "",
        spec.get("leaseTransitions") or 0,
        spec.get("acquireTime") or "",
        _doubts(annotations.get(DOUBTS) or "[]"),
    )


def _doubts(text: str) -> tuple[Doubt, ...]:
    """None, of what somebody else wrote there."""
    try:
        return _DOUBTS.decode(text)
    except msgspec.MsgspecError:
        return ()


@lru_cache(maxsize=16384)
def address_lease(address: str) -> str:
    """The name of an address's Lease: `announce-172.18.0.211`, IPv6 in full with dashes."""
    return f"announce-{ip_address(address).exploded.replace(':', '-')}"


def node_lease(node: str) -> str:
    """The name of a node's sign of life."""
    return f"announcer-{node}"


class _Taint(Struct):
    key: str = ""


class _Spec(Struct):
    taints: list[_Taint] | None = None


class _Metadata(Struct, rename="camel"):
    deletion_timestamp: str | None = None


class _Node(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


def node_eligible(document: dict[str, Any]) -> bool:
    """Whether load balancers may send traffic to this Node. Raises ValueError."""
    node = msgspec.convert(document, _Node)
    leaving = any(taint.key == LEAVING_TAINT for taint in node.spec.taints or ())
    return not leaving and node.metadata.deletion_timestamp is None


def announcing_node(document: Doc) -> AnnouncingNode:
    """A `v1.Node`. Raises ValueError."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    cut_off = any(c.get("type") == "NetworkUnavailable" and c.get("status") == "True" for c in conditions)
    node = decode.node(document)
    meta = document.get("metadata") or {}
    available = node_eligible(document) and not cut_off
    uid, provider = meta.get("uid") or "", str((document.get("spec") or {}).get("providerID") or "")
    return AnnouncingNode(
        node.name, meta.get("labels") or {}, available, node.addresses, uid, provider.partition("://")[0]
    )
