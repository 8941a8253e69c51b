"""Terse ways to write a cluster down: model values with telling defaults, and the documents they decode from."""

from collections.abc import Iterable
from typing import Any

from portway.kubeapi.shares import share_labels
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
    Share,
    Snapshot,
    family_of,
)

Document = dict[str, Any]

CLUSTER_CIDRS = ("10.244.0.0/16", "fd00:244::/48")
SERVICE_CIDRS = ("10.96.0.0/16", "fd00:96::/112")


def service(
    name: str = "web",
    *,
    namespace: str = "default",
    cluster_ip: str | tuple[str, ...] = "10.96.0.10",
    port: int = 80,
    node_port: int = 0,
    protocol: Protocol = "TCP",
    port_name: str = "",
    **fields: Any,
) -> Service:
    """A Service of one port, unless `ports` is given; its type follows from what it offers."""
    fields.setdefault("ports", (ServicePort(port_name, protocol, port, port, node_port),))
    balanced = fields.get("load_balancer_ips") or fields.get("health_check_node_port")
    outside = any(p.node_port for p in fields["ports"])
    fields.setdefault("type", "LoadBalancer" if balanced else "NodePort" if outside else "ClusterIP")
    addresses = (cluster_ip,) if isinstance(cluster_ip, str) else cluster_ip
    return Service(namespace=namespace, name=name, cluster_ips=tuple(a for a in addresses if a), **fields)


def endpoint(address: str, node_name: str = "node-1", **fields: Any) -> Endpoint:
    """A ready endpoint; `terminating=True` alone makes one that no longer is ready but still serves."""
    if fields.get("terminating"):
        fields.setdefault("ready", False)
    return Endpoint(address, node_name, **fields)


def endpoint_slice(
    of: str = "web",
    *endpoints: Endpoint | str,
    name: str = "",
    namespace: str = "default",
    port: int = 80,
    port_name: str = "",
    protocol: Protocol = "TCP",
    ports: tuple[EndpointPort, ...] | None = None,
    proxied: bool = True,
    share: Share | None = None,
) -> EndpointSlice:
    """A slice of Service `of`; an endpoint may be just "10.244.1.2" or "10.244.1.2@node-2"."""
    listed = (EndpointPort(port_name, protocol, port),) if ports is None else ports
    members = tuple(_endpoint(e) if isinstance(e, str) else e for e in endpoints)
    return EndpointSlice(namespace, name or f"{of}-1", of, listed, members, proxied, share)


def _endpoint(text: str) -> Endpoint:
    address, _, node_name = text.partition("@")
    return endpoint(address, node_name or "node-1")


def node(name: str = "node-1", address: str = "172.18.0.11", **fields: Any) -> Node:
    """A node with one address."""
    return Node(name, (address,), **fields)


def snapshot(*objects: Service | EndpointSlice | Node, service_cidrs: tuple[str, ...] = SERVICE_CIDRS) -> Snapshot:
    """A cluster of these objects; a later object replaces an earlier one of the same name."""
    return Snapshot(
        {(o.namespace, o.name): o for o in objects if isinstance(o, Service)},
        {(o.namespace, o.name): o for o in objects if isinstance(o, EndpointSlice)},
        {o.name: o for o in objects if isinstance(o, Node)},
        service_cidrs,
    )


def proxy_config(node_name: str = "node-1", *addresses: str, **fields: Any) -> ProxyConfig:
    """A node that accepts nodePorts on all its addresses and knows pods by the cluster's CIDRs."""
    own = addresses or ("172.18.0.11", "fd00:18::11")
    fields.setdefault("node_port_addresses", own)
    fields.setdefault("local_detector", LocalDetector(cidrs=CLUSTER_CIDRS))
    return ProxyConfig(node_name, own, **fields)


def service_document(value: Service) -> Document:
    """The `v1.Service` that decodes to `value`."""
    spec: Document = {
        "type": value.type,
        "ports": [_port_document(p) for p in value.ports],
        "clusterIP": "None" if value.headless else next(iter(value.cluster_ips), ""),
        "clusterIPs": ["None"] if value.headless else list(value.cluster_ips),
        "ipFamilies": [family_of(address) for address in value.cluster_ips],
        "externalIPs": list(value.external_ips),
        "loadBalancerSourceRanges": list(value.load_balancer_source_ranges),
        "internalTrafficPolicy": value.internal_traffic_policy,
        "externalTrafficPolicy": value.external_traffic_policy,
        "healthCheckNodePort": value.health_check_node_port,
        "selector": dict(value.selector),
        "sessionAffinity": "ClientIP" if value.session_affinity_seconds else "None",
    }
    if value.session_affinity_seconds:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": value.session_affinity_seconds}}
    labels = {} if value.proxied else {"service.kubernetes.io/service-proxy-name": "another"}
    ingress = [{"ip": address} for address in value.load_balancer_ips]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(value.namespace, value.name, labels),
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def _port_document(port: ServicePort) -> Document:
    document: Document = {
        "name": port.name,
        "protocol": port.protocol,
        "port": port.port,
        "targetPort": port.target_port,
    }
    return document | ({"nodePort": port.node_port} if port.node_port else {})


def slice_document(value: EndpointSlice) -> Document:
    """The `discovery.k8s.io/v1.EndpointSlice` that decodes to `value` (of IPv4 when it has no endpoints)."""
    family = family_of(value.endpoints[0].address) if value.endpoints else "IPv4"
    labels = {"kubernetes.io/service-name": value.service}
    if not value.proxied:
        labels["service.kubernetes.io/headless"] = ""
    if value.share:
        labels |= share_labels(value.share.group, value.share.weight)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(value.namespace, value.name, labels),
        "addressType": family,
        "ports": [{"name": p.name, "protocol": p.protocol, "port": p.port} for p in value.ports],
        "endpoints": [_endpoint_document(e) for e in value.endpoints],
    }


def _endpoint_document(value: Endpoint) -> Document:
    conditions = {"ready": value.ready, "serving": value.serving, "terminating": value.terminating}
    document: Document = {"addresses": [value.address], "conditions": conditions}
    document |= {key: text for key, text in (("nodeName", value.node_name), ("zone", value.zone)) if text}
    if value.zone_hints or value.node_hints:
        document["hints"] = {"forZones": _names(value.zone_hints), "forNodes": _names(value.node_hints)}
    if value.target:
        document["targetRef"] = {"kind": "Pod", "name": value.target}
    return document


def _names(names: Iterable[str]) -> list[Document]:
    return [{"name": name} for name in names]


def _metadata(namespace: str, name: str, labels: dict[str, str]) -> Document:
    return {"namespace": namespace, "name": name, "labels": labels}
