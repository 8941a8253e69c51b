"""The terrain that traces walk, from a fleet's state and its cluster's documents."""

import msgspec

from portway.analysis.imagined import network_pods
from portway.analysis.tables import Tables
from portway.analysis.trace import Terrain
from portway.cli.cluster import Cluster
from portway.fleet import FleetState
from portway.fleet.config import families, wire_address

OUTSIDE_HOST = 1
"""The outside's number on the wire (docs/architecture.md)."""


def terrain(state: FleetState, seen: Cluster) -> Terrain:
    """Every node's forwarding table, computed as its agent computes it, when a trace asks for it."""
    config = state.config
    snapshot = msgspec.structs.replace(seen.snapshot, service_cidrs=tuple(config.service_cidrs))
    outside = tuple(wire_address(OUTSIDE_HOST, family) for family in families(config))
    tables = Tables(snapshot, tuple(config.pod_cidrs))
    return Terrain(
        snapshot,
        tables,
        network_pods(seen.pods),
        outside,
        seen.policies,
        seen.balancing,
        cluster_domain=config.cluster_domain,
    )
