"""Documents become what the zone keeps of them. A wrong JSON type anywhere raises `Undecodable`, naming the field."""

from typing import Literal

import msgspec
from msgspec import Struct

from portway.dns.name import Name, from_text
from portway.kubeapi.decode import shaped
from portway.kubeapi.errors import Doc
from portway.model.address import canonical_address

_PORTS = range(65536)
_SERVICE_NAME = "kubernetes.io/service-name"


class Port(Struct, frozen=True, gc=False):
    """A Service's port, or an EndpointSlice's."""

    name: str
    """Empty for an unnamed one, which has no SRV record of its own."""
    protocol: str
    """Lower-case."""
    port: int


class Service(Struct, frozen=True, gc=False):
    """A Service as DNS sees it."""

    namespace: str
    name: str
    kind: Literal["clusterIP", "headless", "externalName"]
    cluster_ips: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    external: Name = ()
    """What an ExternalName is a name for; () when it is no domain name, or an address."""
    publish_not_ready: bool = False


class Endpoint(Struct, frozen=True, gc=False):
    """One address behind a Service."""

    address: str
    hostname: str
    """Its label below the Service's name."""
    ready: bool


class Slice(Struct, frozen=True, gc=False):
    """An EndpointSlice as DNS sees it."""

    namespace: str
    name: str
    service: str
    """Empty when it belongs to none."""
    ports: tuple[Port, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class _Raw(Struct, gc=False, rename="camel"):
    pass


class _Meta(_Raw):
    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str | None] | None = None


class _Port(_Raw):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class _Spec(_Raw):
    type: str | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    ports: list[_Port] | None = None
    external_name: str | None = None
    publish_not_ready_addresses: bool | None = None


class _Service(_Raw):
    metadata: _Meta
    spec: _Spec | None = None


class _Conditions(_Raw):
    ready: bool | None = None


class _Endpoint(_Raw):
    addresses: list[str] | None = None
    conditions: _Conditions | None = None
    hostname: str | None = None


class _Slice(_Raw):
    metadata: _Meta
    address_type: str | None = None
    ports: list[_Port] | None = None
    endpoints: list[_Endpoint] | None = None


def service(document: Doc) -> Service:
    """A Service document. Raises Undecodable."""
    raw = shaped(document, _Service)
    spec, meta = raw.spec or _Spec(), raw.metadata
    namespace, name = meta.namespace or "", meta.name or ""
    if spec.type == "ExternalName":
        return Service(namespace, name, "externalName", external=_external(spec.external_name or ""))
    given = spec.cluster_ips or ([spec.cluster_ip] if spec.cluster_ip else [])
    return Service(
        namespace,
        name,
        "headless" if "None" in given else "clusterIP",
        tuple(filter(None, map(canonical_address, given))),
        _ports(spec.ports),
        publish_not_ready=bool(spec.publish_not_ready_addresses),
    )


def _external(text: str) -> Name:
    """() for an address too: a CNAME to "10.1.2.3." would be a name in a top-level domain "3"."""
    try:
        return () if canonical_address(text) else from_text(text)
    except ValueError:
        return ()


def _ports(ports: list[_Port] | None) -> tuple[Port, ...]:
    return tuple(
        Port((p.name or "").lower(), (p.protocol or "TCP").lower(), p.port)
        for p in ports or []
        if p.port is not None and p.port in _PORTS
    )


def endpoint_slice(document: Doc) -> Slice:
    """An EndpointSlice document; one of addressType FQDN has no endpoints here. Raises Undecodable."""
    raw = shaped(document, _Slice)
    meta = raw.metadata
    found = [] if raw.address_type == "FQDN" else raw.endpoints or []
    return Slice(
        meta.namespace or "",
        meta.name or "",
        (meta.labels or {}).get(_SERVICE_NAME) or "",
        _ports(raw.ports),
        tuple(each for raw_endpoint in found for each in _endpoints(raw_endpoint)),
    )


def _endpoints(raw: _Endpoint) -> list[Endpoint]:
    ready = raw.conditions is None or raw.conditions.ready is not False  # nil: unknown, to be read as true
    addresses = filter(None, map(canonical_address, raw.addresses or []))
    return [Endpoint(each, (raw.hostname or dashed(each)).lower(), ready) for each in addresses]


def dashed(address: str) -> str:
    """The label of an endpoint that has no hostname: 10-244-1-3; fd00--a; a final dash gets a 0 (CoreDNS)."""
    label = address.replace(".", "-").replace(":", "-")
    return f"{label}0" if label.endswith("-") else label
