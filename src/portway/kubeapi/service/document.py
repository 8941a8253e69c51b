"""Reading and writing a Service document: absent fields are Go's zero values, zero values are left out."""

from typing import Any

from portway.kubeapi import ip
from portway.kubeapi.errors import Doc

NONE = "None"
"""The clusterIP of a headless Service."""


def spec_of(service: Doc) -> Doc:
    """`spec`, made when it is missing."""
    if service.get("spec") is None:
        service["spec"] = {}
    spec: Doc = service["spec"]
    return spec


def put(target: Doc, field: str, value: Any) -> None:
    """Sets a field, or removes it for a value that Kubernetes does not write (empty, 0, None; but False stays)."""
    if value is None or (not value and value is not False):
        target.pop(field, None)
    else:
        target[field] = value


def type_of(spec: Doc) -> str:
    """`spec.type` or ""."""
    return spec.get("type") or ""


def ports_of(spec: Doc) -> list[Doc]:
    """`spec.ports`."""
    return spec.get("ports") or []


def cluster_ips(spec: Doc) -> list[str]:
    """`spec.clusterIPs`."""
    return spec.get("clusterIPs") or []


def ip_families(spec: Doc) -> list[str]:
    """`spec.ipFamilies`."""
    return spec.get("ipFamilies") or []


def node_ports(spec: Doc) -> list[int]:
    """Every nodePort that is set, in the ports' order."""
    return [port["nodePort"] for port in ports_of(spec) if port.get("nodePort")]


def health_check_node_port(spec: Doc) -> int:
    """`spec.healthCheckNodePort` or 0."""
    return spec.get("healthCheckNodePort") or 0


def annotations(service: Doc) -> dict[str, str]:
    """`metadata.annotations`."""
    return (service.get("metadata") or {}).get("annotations") or {}


def is_load_balancer(spec: Doc) -> bool:
    """Of type LoadBalancer."""
    return type_of(spec) == "LoadBalancer"


def has_node_ports(spec: Doc) -> bool:
    """Of a type whose ports may have nodePorts."""
    return type_of(spec) in ("NodePort", "LoadBalancer")


def wants_node_ports(spec: Doc) -> bool:
    """Ports without a nodePort get one: NodePort, and LoadBalancer unless allocateLoadBalancerNodePorts is false."""
    if is_load_balancer(spec):
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return type_of(spec) == "NodePort"


def needs_cluster_ip(spec: Doc) -> bool:
    """Any type but ExternalName (headless ones count)."""
    return type_of(spec) != "ExternalName"


def needs_health_check(spec: Doc) -> bool:
    """LoadBalancer with externalTrafficPolicy Local: has a healthCheckNodePort."""
    return is_load_balancer(spec) and spec.get("externalTrafficPolicy") == "Local"


def is_headless(spec: Doc) -> bool:
    """clusterIPs is exactly ["None"]."""
    return cluster_ips(spec) == [NONE]


def is_externally_accessible(spec: Doc) -> bool:
    """LoadBalancer, NodePort, or ClusterIP with externalIPs."""
    return has_node_ports(spec) or (type_of(spec) == "ClusterIP" and bool(spec.get("externalIPs")))


def held_addresses(spec: Doc) -> list[str]:
    """The clusterIPs that this Service holds in the allocator."""
    if not needs_cluster_ip(spec):
        return []
    return [address for address in cluster_ips(spec) if address != NONE and ip.parse(address)]


def held_ports(spec: Doc) -> list[int]:
    """The nodePorts, healthCheckNodePort included, that this Service holds in the allocator."""
    held = node_ports(spec) if has_node_ports(spec) else []
    if needs_health_check(spec) and health_check_node_port(spec):
        held.append(health_check_node_port(spec))
    return held
