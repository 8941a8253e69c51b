"""Documents become model values: what a node's proxy reads of them, and nothing else.

Two doors to one room: `service(document)` for a decoded document and `service_from_json(raw)` straight from
bytes, which skips every field that no decision reads. A bad address or port inside a document is left out, as
kube-proxy does; a document whose fields have the wrong JSON types raises `Undecodable`, naming the field.

Semantics: kube-proxy 1.36 pkg/proxy (serviceport.go, endpointslicecache.go, util/utils.go).
"""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from portway import model
from portway.kubeapi.shares import share
from portway.model import Protocol, ServicePort
from portway.model.address import canonical_address, canonical_cidr, family_of
from portway.model.service import ServiceType, TrafficPolicy

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SERVICE_PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
ZONE_LABEL = "topology.kubernetes.io/zone"

DEFAULT_AFFINITY_SECONDS = 10800

_TYPES: dict[str, ServiceType] = {
    "NodePort": "NodePort",
    "LoadBalancer": "LoadBalancer",
    "ExternalName": "ExternalName",
}


class Undecodable(ValueError):
    """A document whose JSON does not have the shape of its kind; the message names the field."""


class _Raw(Struct, gc=False, rename="camel"):
    """What is read of a document; every field may be absent or null."""


class _Meta(_Raw):
    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str | None] | None = None


class _Port(_Raw):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    target_port: int | str | None = None
    node_port: int | None = None


class _ClientIP(_Raw):
    timeout_seconds: int | None = None


class _Affinity(_Raw):
    client_ip: _ClientIP | None = msgspec.field(default=None, name="clientIP")


class _ServiceSpec(_Raw):
    type: str | None = None
    ports: list[_Port] | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    external_ips: list[str] | None = msgspec.field(default=None, name="externalIPs")
    load_balancer_source_ranges: list[str] | None = None
    internal_traffic_policy: str | None = None
    external_traffic_policy: str | None = None
    session_affinity: str | None = None
    session_affinity_config: _Affinity | None = None
    health_check_node_port: int | None = None
    selector: dict[str, str | None] | None = None


class _Ingress(_Raw):
    ip: str | None = None
    ip_mode: str | None = None


class _LoadBalancer(_Raw):
    ingress: list[_Ingress] | None = None


class _ServiceStatus(_Raw):
    load_balancer: _LoadBalancer | None = None


class _Service(_Raw):
    metadata: _Meta | None = None
    spec: _ServiceSpec | None = None
    status: _ServiceStatus | None = None


class _Conditions(_Raw):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Named(_Raw):
    name: str | None = None


class _Hints(_Raw):
    for_zones: list[_Named] | None = None
    for_nodes: list[_Named] | None = None


class _Endpoint(_Raw):
    addresses: list[str] | None = None
    conditions: _Conditions | None = None
    node_name: str | None = None
    zone: str | None = None
    hints: _Hints | None = None
    target_ref: _Named | None = None


class _Slice(_Raw):
    metadata: _Meta | None = None
    address_type: str | None = None
    ports: list[_Port] | None = None
    endpoints: list[_Endpoint] | None = None


class _NodeSpec(_Raw):
    pod_cidr: str | None = msgspec.field(default=None, name="podCIDR")
    pod_cidrs: list[str] | None = msgspec.field(default=None, name="podCIDRs")


class _NodeAddress(_Raw):
    type: str | None = None
    address: str | None = None


class _NodeStatus(_Raw):
    addresses: list[_NodeAddress] | None = None


class _Node(_Raw):
    metadata: _Meta | None = None
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


class _ServiceCIDRSpec(_Raw):
    cidrs: list[str] | None = None


class _ServiceCIDR(_Raw):
    spec: _ServiceCIDRSpec | None = None


_SERVICE_DECODER = msgspec.json.Decoder(_Service)
_SLICE_DECODER = msgspec.json.Decoder(_Slice)
_NODE_DECODER = msgspec.json.Decoder(_Node)
_SERVICE_CIDR_DECODER = msgspec.json.Decoder(_ServiceCIDR)

_T = TypeVar("_T")


def service(document: Any) -> model.Service:
    """A `v1.Service` as a node's proxy sees it. Raises Undecodable."""
    return _service(shaped(document, _Service))


def service_from_json(raw: bytes) -> model.Service:
    """`service` from the document's bytes. Raises Undecodable."""
    return _service(_parsed(raw, _SERVICE_DECODER))


def endpoint_slice(document: Any) -> model.EndpointSlice:
    """A `discovery.k8s.io/v1.EndpointSlice`. Raises Undecodable."""
    return _endpoint_slice(shaped(document, _Slice))


def endpoint_slice_from_json(raw: bytes) -> model.EndpointSlice:
    """`endpoint_slice` from the document's bytes. Raises Undecodable."""
    return _endpoint_slice(_parsed(raw, _SLICE_DECODER))


def node(document: Any) -> model.Node:
    """A `v1.Node`. Raises Undecodable."""
    return _node(shaped(document, _Node))


def node_from_json(raw: bytes) -> model.Node:
    """`node` from the document's bytes. Raises Undecodable."""
    return _node(_parsed(raw, _NODE_DECODER))


def service_cidrs(document: Any) -> tuple[str, ...]:
    """The ranges of a `networking.k8s.io/v1.ServiceCIDR`, canonical. Raises Undecodable."""
    return _service_cidrs(shaped(document, _ServiceCIDR))


def service_cidrs_from_json(raw: bytes) -> tuple[str, ...]:
    """`service_cidrs` from the document's bytes. Raises Undecodable."""
    return _service_cidrs(_parsed(raw, _SERVICE_CIDR_DECODER))


def shaped(value: Any, shape: type[_T], field: str = "") -> _T:
    """A document, or what its `field` holds, in its shape. Raises Undecodable, which names the field."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _undecodable(error, field) from None


def _parsed(raw: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _undecodable(error) from None


def _undecodable(error: Exception, field: str = "") -> Undecodable:
    """msgspec says "Expected `int`, got `str` - at `$.spec.port`"; Kubernetes puts the field first."""
    what, _, place = str(error).partition(" - at `$")
    where = f"{field}{place.strip('`')}".strip(".") or "document"
    return Undecodable(f"{where}: {what.replace('`', '')}")


def _service(raw: _Service) -> model.Service:
    meta, spec = raw.metadata or _Meta(), raw.spec or _ServiceSpec()
    kind = _TYPES.get(spec.type or "", "ClusterIP")
    external_ips = _addresses(spec.external_ips)
    reachable_outside = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(external_ips))
    outside_policy = _policy(spec.external_traffic_policy) if reachable_outside else "Cluster"
    checked = kind == "LoadBalancer" and outside_policy == "Local"
    return model.Service(
        namespace=sys.intern(meta.namespace or ""),
        name=meta.name or "",
        type=kind,
        ports=_service_ports(spec.ports),
        cluster_ips=_cluster_ips(spec) if kind != "ExternalName" else (),
        headless=spec.cluster_ip == "None",
        external_ips=external_ips,
        load_balancer_ips=_load_balancer_ips(raw.status),
        load_balancer_source_ranges=_source_ranges(spec.load_balancer_source_ranges),
        internal_traffic_policy=_policy(spec.internal_traffic_policy),
        external_traffic_policy=outside_policy,
        session_affinity_seconds=_affinity_seconds(spec),
        health_check_node_port=(spec.health_check_node_port or 0) if checked else 0,
        proxied=SERVICE_PROXY_NAME_LABEL not in (meta.labels or {}),
        selector=tuple(sorted((key, value or "") for key, value in (spec.selector or {}).items())),
    )


def _policy(text: str | None) -> TrafficPolicy:
    return "Local" if text == "Local" else "Cluster"


def _protocol(text: str | None) -> Protocol | None:
    """TCP when absent, as the API's defaulting writes it; None for a protocol that no proxy knows."""
    if text == "TCP" or not text:
        return "TCP"
    return "UDP" if text == "UDP" else "SCTP" if text == "SCTP" else None


def _service_ports(ports: list[_Port] | None) -> tuple[ServicePort, ...]:
    found = []
    for raw in ports or ():
        protocol = _protocol(raw.protocol)
        if protocol is None or not _is_port(raw.port):
            continue
        target = raw.target_port if raw.target_port is not None else raw.port
        node_port = raw.node_port if _is_port(raw.node_port) else 0
        found.append(ServicePort(sys.intern(raw.name or ""), protocol, raw.port or 0, target or 0, node_port or 0))
    return tuple(found)


def _is_port(number: int | None) -> bool:
    return number is not None and 0 < number < 65536


def _cluster_ips(spec: _ServiceSpec) -> tuple[str, ...]:
    """clusterIPs, else the older clusterIP; "None" is no address and so drops out."""
    return () if spec.cluster_ip == "None" else _addresses(spec.cluster_ips or [spec.cluster_ip or ""])


def _addresses(texts: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for text in texts or () if (address := canonical_address(text))))


def _load_balancer_ips(status: _ServiceStatus | None) -> tuple[str, ...]:
    ingress = status.load_balancer.ingress if status and status.load_balancer else None
    return _addresses(entry.ip for entry in ingress or () if entry.ip and entry.ip_mode in (None, "VIP"))


def _source_ranges(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cidr for text in texts or () if (cidr := canonical_cidr(text.strip()))))


def _affinity_seconds(spec: _ServiceSpec) -> int:
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    given = config.client_ip.timeout_seconds if config and config.client_ip else None
    return given or DEFAULT_AFFINITY_SECONDS


def _endpoint_slice(raw: _Slice) -> model.EndpointSlice:
    meta, labels = raw.metadata or _Meta(), (raw.metadata and raw.metadata.labels) or {}
    headless = HEADLESS_LABEL in labels
    family = raw.address_type if raw.address_type in ("IPv4", "IPv6") else ""
    return model.EndpointSlice(
        namespace=sys.intern(meta.namespace or ""),
        name=meta.name or "",
        service=sys.intern(labels.get(SERVICE_NAME_LABEL) or ""),
        ports=_endpoint_ports(raw.ports),
        endpoints=_endpoints(raw.endpoints, family) if family else (),
        proxied=bool(family) and not headless,
        share=share(labels),
    )


def _endpoint_ports(ports: list[_Port] | None) -> tuple[model.EndpointPort, ...]:
    return tuple(
        _endpoint_port(sys.intern(raw.name or ""), protocol, raw.port or 0)
        for raw in ports or ()
        if (protocol := _protocol(raw.protocol)) and _is_port(raw.port)
    )


@lru_cache(maxsize=1024)
def _endpoint_port(name: str, protocol: Protocol, port: int) -> model.EndpointPort:
    return model.EndpointPort(name, protocol, port)


def _endpoints(raws: list[_Endpoint] | None, family: str) -> tuple[model.Endpoint, ...]:
    """Those with a first address of the slice's own family."""
    found = []
    for raw in raws or ():
        address = canonical_address(raw.addresses[0]) if raw.addresses else ""
        if address and family_of(address) == family:
            found.append(_endpoint(raw, address))
    return tuple(found)


def _endpoint(raw: _Endpoint, address: str) -> model.Endpoint:
    conditions, hints, target = raw.conditions, raw.hints, raw.target_ref
    return model.Endpoint(
        address,
        sys.intern(raw.node_name or ""),
        sys.intern(raw.zone or ""),
        conditions is None or conditions.ready is not False,
        conditions is None or conditions.serving is not False,
        conditions is not None and conditions.terminating is True,
        _names(hints.for_zones) if hints else (),
        _names(hints.for_nodes) if hints else (),
        (target.name or "") if target else "",
    )


def _names(hints: list[_Named] | None) -> tuple[str, ...]:
    return _shared(tuple(sys.intern(hint.name) for hint in hints if hint.name)) if hints else ()


@lru_cache(maxsize=4096)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all endpoints with the same hints."""
    return names


def _node(raw: _Node) -> model.Node:
    meta, spec = raw.metadata or _Meta(), raw.spec or _NodeSpec()
    return model.Node(
        name=meta.name or "",
        addresses=_node_addresses((raw.status and raw.status.addresses) or []),
        pod_cidrs=_source_ranges(spec.pod_cidrs or [spec.pod_cidr or ""]),
        zone=(meta.labels or {}).get(ZONE_LABEL) or "",
    )


def _node_addresses(addresses: list[_NodeAddress]) -> tuple[str, ...]:
    """InternalIPs, then ExternalIPs (GetNodeHostIPs' order)."""
    ranked = sorted(
        (a for a in addresses if a.type in ("InternalIP", "ExternalIP")), key=lambda a: a.type == "ExternalIP"
    )
    return _addresses(a.address or "" for a in ranked)


def _service_cidrs(raw: _ServiceCIDR) -> tuple[str, ...]:
    return _source_ranges(raw.spec.cidrs if raw.spec else None)
