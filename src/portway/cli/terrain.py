"""The terrain that traces walk, from a fleet's state and its cluster's documents."""

import msgspec

from portway.analysis.trace import Pod, Terrain
from portway.cli.cluster import Cluster
from portway.fleet import FleetState
from portway.fleet.config import families, wire_address
from portway.forwarding import compute
from portway.kubeapi.errors import Doc
from portway.model import LocalDetector, Node, ProxyConfig

OUTSIDE_HOST = 1
"""The outside's number on the wire (docs/architecture.md)."""


def terrain(state: FleetState, seen: Cluster) -> Terrain:
    """Every node's forwarding table, computed as its agent computes it."""
    config = state.config
    snapshot = msgspec.structs.replace(seen.snapshot, service_cidrs=tuple(config.service_cidrs))
    tables = {
        node.name: compute(snapshot, proxy_config(node, tuple(config.pod_cidrs))) for node in snapshot.nodes.values()
    }
    outside = tuple(wire_address(OUTSIDE_HOST, family) for family in families(config))
    return Terrain(
        snapshot, tables, {_key(pod): _pod(pod) for pod in seen.pods}, outside, seen.policies, seen.balancing
    )


def proxy_config(node: Node, pod_cidrs: tuple[str, ...]) -> ProxyConfig:
    """What the fleet's agents are told: nodePorts on the node's addresses, pods known by the cluster's CIDRs."""
    return ProxyConfig(
        node_name=node.name,
        node_addresses=node.addresses,
        node_port_addresses=node.addresses,
        local_detector=LocalDetector("ClusterCIDR", pod_cidrs),
    )


def _key(pod: Doc) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _pod(pod: Doc) -> Pod:
    addresses = tuple(ip["ip"] for ip in (pod.get("status") or {}).get("podIPs") or [])
    return Pod(*_key(pod), pod["spec"].get("nodeName", ""), addresses)
