"""Each node's forwarding table, made when somebody asks for it."""

from portway.forwarding import ForwardingTable, compute, slices_by_service
from portway.model import LocalDetector, Node, ProxyConfig, Snapshot


class Tables(dict[str, ForwardingTable]):
    """By node's name; an unknown node has none."""

    def __init__(self, snapshot: Snapshot, pod_cidrs: tuple[str, ...]) -> None:
        """`pod_cidrs`: by which nodes know pods; empty: they do not."""
        super().__init__()
        self._snapshot = snapshot
        self._pod_cidrs = pod_cidrs
        self._slices = slices_by_service(snapshot)

    def __contains__(self, node: object) -> bool:
        return node in self._snapshot.nodes

    def __missing__(self, name: str) -> ForwardingTable:
        table = compute(self._snapshot, proxy_config(self._snapshot.nodes[name], self._pod_cidrs), self._slices)
        self[name] = table
        return table


def proxy_config(node: Node, pod_cidrs: tuple[str, ...]) -> ProxyConfig:
    """What a node's agent is told by default: nodePorts on the node's addresses, pods known by the cluster's CIDRs."""
    return ProxyConfig(
        node_name=node.name,
        node_addresses=node.addresses,
        node_port_addresses=node.addresses,
        local_detector=LocalDetector("ClusterCIDR", pod_cidrs) if pod_cidrs else None,
    )
