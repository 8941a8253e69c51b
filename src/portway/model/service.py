"""Services and their EndpointSlices, reduced to what forwarding reads."""

from typing import Literal

from msgspec import Struct

Protocol = Literal["TCP", "UDP", "SCTP"]
TrafficPolicy = Literal["Cluster", "Local"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]


class ServicePortName(Struct, frozen=True, gc=False, order=True):
    """The identity of one ServicePort: kube-proxy's ServicePortName plus the protocol."""

    namespace: str
    name: str
    port: str
    """The port's name; empty for the only port of a Service that has one unnamed port."""
    protocol: Protocol

    def __str__(self) -> str:
        service = f"{self.namespace}/{self.name}"
        return f"{service}:{self.port}" if self.port else service


class ServicePort(Struct, frozen=True, gc=False):
    """`Service.spec.ports[]`."""

    name: str
    protocol: Protocol
    port: int
    target_port: int | str
    """As written; resolved per pod by the EndpointSlice controller, kept here for explanations only."""
    node_port: int = 0
    """0 means none."""


class Service(Struct, frozen=True, gc=False):
    """A Service as a node's proxy sees it."""

    namespace: str
    name: str
    type: ServiceType = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()
    cluster_ips: tuple[str, ...] = ()
    """Without "None"; empty for headless and ExternalName Services."""
    headless: bool = False
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    """`status.loadBalancer.ingress[].ip` with ipMode VIP (or none given)."""
    load_balancer_source_ranges: tuple[str, ...] = ()
    """Trimmed and canonical, both families; not yet reduced by the "any zero CIDR lifts it" rule."""
    internal_traffic_policy: TrafficPolicy = "Cluster"
    external_traffic_policy: TrafficPolicy = "Cluster"
    session_affinity_seconds: int = 0
    """0 means sessionAffinity None; otherwise ClientIP with this timeout."""
    health_check_node_port: int = 0
    proxied: bool = True
    """False under the label service.kubernetes.io/service-proxy-name."""
    selector: tuple[tuple[str, str], ...] = ()


class EndpointPort(Struct, frozen=True, gc=False):
    """`EndpointSlice.ports[]`; ports without a number are left out at the door."""

    name: str
    protocol: Protocol
    port: int


class Endpoint(Struct, frozen=True, gc=False):
    """`EndpointSlice.endpoints[]`, with the API's nil defaults applied (ready and serving True, terminating False)."""

    address: str
    """addresses[0], the only one proxies use."""
    node_name: str = ""
    zone: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone_hints: tuple[str, ...] = ()
    node_hints: tuple[str, ...] = ()
    target: str = ""
    """The pod's name (targetRef.name), for explanations."""


class Share(Struct, frozen=True, gc=False):
    """The part of a ServicePort's connections that a group of slices is entitled to: weight / all groups' weights."""

    group: str
    weight: int


class EndpointSlice(Struct, frozen=True, gc=False):
    """One EndpointSlice of a Service, of one address family."""

    namespace: str
    name: str
    service: str
    """The label kubernetes.io/service-name."""
    ports: tuple[EndpointPort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    proxied: bool = True
    """False under the label service.kubernetes.io/headless, and for addressType FQDN."""
    share: Share | None = None
    """Of slices behind a Gateway's TCP and UDP ports."""
