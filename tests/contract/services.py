"""The Services that packets are sent to."""

from portway.forwarding import ForwardingTable, compute
from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    LocalDetector,
    Node,
    Protocol,
    ProxyConfig,
    Service,
    ServicePort,
    Snapshot,
)
from tests.contract.cluster import NODE_ADDRESSES, POD_CIDRS, PODS, PORT, pod_address

CONFIG = ProxyConfig(
    node_name="node-1",
    node_addresses=NODE_ADDRESSES,
    node_port_addresses=NODE_ADDRESSES,
    local_detector=LocalDetector("ClusterCIDR", POD_CIDRS),
)
SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")
PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP")


def service(name: str, number: int, **rest: object) -> Service:
    """A NodePort Service: clusterIPs 10.96.0.N and fd00:96::N, port 80, nodePort 30000+N, TCP and UDP."""
    ports = tuple(ServicePort(p.lower(), p, 80, PORT, 30000 + number) for p in PROTOCOLS)
    addresses = (f"10.96.0.{number}", f"fd00:96::{number}")
    return Service("shop", name, "NodePort", ports, addresses, **rest)  # type: ignore[arg-type]


def slices(name: str, pods: str) -> list[EndpointSlice]:
    """The Service's EndpointSlices, one a family, for pods by their letters."""
    ports = tuple(EndpointPort(p.lower(), p, PORT) for p in PROTOCOLS)
    return [
        EndpointSlice("shop", f"{name}-{family[-1]}", name, ports, tuple(_endpoint(pod, family) for pod in pods))
        for family in ("IPv4", "IPv6")
    ]


def _endpoint(pod: str, family: str) -> Endpoint:
    return Endpoint(pod_address(pod, family), PODS[pod][0], target=pod)


def snapshot(*services: tuple[Service, str]) -> Snapshot:
    """Services, each with the letters of its pods."""
    return Snapshot(
        {("shop", s.name): s for s, _ in services},
        {("shop", piece.name): piece for s, pods in services for piece in slices(s.name, pods)},
        {"node-1": Node("node-1", NODE_ADDRESSES)},
        SERVICE_CIDRS,
    )


def table(*services: tuple[Service, str], config: ProxyConfig = CONFIG) -> ForwardingTable:
    """What node-1 does with them."""
    return compute(snapshot(*services), config)
