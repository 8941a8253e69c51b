"""What an agent is told."""

from msgspec import Struct

from portway.agent.logfile import Retention
from portway.model import LocalDetector

LOG_GROUP = 4790
"""The group of nfnetlink_log that our rules tell of what they do not let through, where there is an access log."""


class LogConfig(Struct, frozen=True):
    """How a node's access log is kept."""

    path: str
    """Of the file; "-": standard output."""
    retention: Retention = Retention()
    closed_seconds: int = 0
    """How long the kernel keeps a TCP flow that both ends have closed, after which it is logged; 0: as it does.
    Below 60, machines whose TCP timestamps have offsets may have to wait for a translated port that comes again."""


class AgentConfig(Struct, frozen=True):
    """One node's agent, in kube-proxy's words where there are any. Addresses and CIDRs are canonical text."""

    node_name: str
    api_socket: str = ""
    """A fleet's API server; else `kubeconfig`."""
    kubeconfig: str = ""
    """Empty: where kubectl looks, or the cluster this pod runs in."""
    cluster_cidrs: tuple[str, ...] = ()
    """The pods of the whole cluster, by which clients are told to be pods (detectLocalMode ClusterCIDR)."""
    local_detector: LocalDetector | None = None
    """Another way to tell."""
    service_cidrs: tuple[str, ...] = ()
    """Ranges of clusterIPs besides those that ServiceCIDR objects name."""
    node_port_addresses: tuple[str, ...] | str = "primary"
    """CIDRs of the addresses that accept nodePorts, or "primary": the node's first of each family."""
    node_port_range: tuple[int, int] = (30000, 32767)
    """What the API server allocates nodePorts from (first, last); only the access log asks for it."""
    masquerade_all: bool = False
    network_policy: bool = False
    """Enforce NetworkPolicies and ClusterNetworkPolicies at this node's pods."""
    pod_interface: str = ""
    """The name of the interfaces by which pods' packets come (`*` at the end: any rest), where that is known: then
    pods cannot send from addresses that are not theirs.
    """
    access_log: LogConfig | None = None
    """None: there is none, and nothing is counted for each Service."""
    coalesce: float = 0.003
    """Seconds to wait for more changes after the first."""
    min_sync_interval: float = 0.0
    """Seconds from the end of one sync to the beginning of the next."""
    check_interval: float = 1.0
    """Seconds between looks at whether someone else changed the table."""
    healthz_bind_address: str = ""
    """`IP:PORT` of /healthz and /livez; empty: none. kube-proxy's own default is 0.0.0.0:10256."""
    metrics_bind_address: str = ""
    """`IP:PORT` of /metrics; empty: none. kube-proxy's own default is 127.0.0.1:10249."""
    metrics_socket: str = ""
    """The path of a Unix socket that answers the same, for who may open it; empty: none."""
