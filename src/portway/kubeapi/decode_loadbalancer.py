"""LoadBalancer Services, pools and advertisements become model values.

MetalLB's annotations are read in both spellings, metallb.io/… and the older metallb.universe.tf/…. Source: MetalLB
0.15 (internal/config, controller/service.go).
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portway.kubeapi import selectors
from portway.kubeapi.bgp import is_community, is_password
from portway.kubeapi.decode import Undecodable
from portway.kubeapi.errors import ApiError, Doc
from portway.model import LabelSelector, family_of
from portway.model.address import canonical_address
from portway.model.loadbalancer import (
    AddressPool,
    BalancedService,
    BgpAdvertisement,
    BgpPeer,
    FamilyPolicy,
    L2Advertisement,
    PeerSecret,
    ServiceAllocation,
    SharingTerms,
    parse_range,
)

ADDRESSES = "loadBalancerIPs"
POOL = "address-pool"
SHARED = "allow-shared-ip"
FROM_POOL = "metallb.io/ip-allocated-from-pool"
GRANTED = "portway.dev/shared-ip-terms"
"""On what terms a Service was given an address that it shares: who changes its terms later asks anew."""
FALLBACK_LABEL = "portway.dev/fallback-pool"
"""On the pool that a fleet begins with: its addresses are given when no other pool has any."""
_POLICIES: dict[str, FamilyPolicy] = {
    "PreferDualStack": "PreferDualStack",
    "RequireDualStack": "RequireDualStack",
}


def is_balanced(service: Doc) -> bool:
    """Whether a Service document is of type LoadBalancer."""
    return (service.get("spec") or {}).get("type") == "LoadBalancer"


def annotation(annotations: Mapping[str, str], name: str) -> str:
    """MetalLB's annotation of that name in its present or its older spelling."""
    return (annotations.get(f"metallb.io/{name}") or annotations.get(f"metallb.universe.tf/{name}") or "").strip()


def balanced_service(document: Doc) -> BalancedService:
    """A `v1.Service` of type LoadBalancer."""
    meta, spec = document.get("metadata") or {}, document.get("spec") or {}
    annotations = meta.get("annotations") or {}
    requested, fault = _requested(annotations, spec)
    ports = frozenset(f"{port.get('protocol') or 'TCP'}/{port['port']}" for port in spec.get("ports") or ())
    return BalancedService(
        namespace=meta.get("namespace") or "",
        name=meta.get("name") or "",
        labels=meta.get("labels") or {},
        families=tuple(spec.get("ipFamilies") or ("IPv4",)),
        family_policy=_POLICIES.get(spec.get("ipFamilyPolicy") or "", "SingleStack"),
        load_balancer_class=spec.get("loadBalancerClass") or "",
        addresses=_held(document),
        requested=requested,
        requested_pool=annotation(annotations, POOL),
        request_fault=fault,
        ports=ports,
        sharing=_sharing(annotation(annotations, SHARED), spec, ports),
        granted=annotations.get(GRANTED, ""),
        born=f"{meta.get('creationTimestamp') or ''} {meta.get('uid') or ''}",
        external_traffic_policy="Local" if spec.get("externalTrafficPolicy") == "Local" else "Cluster",
        pool=annotations.get(FROM_POOL, ""),
    )


def _held(document: Doc) -> tuple[str, ...]:
    points = ((document.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    found = (canonical_address(point.get("ip") or "") for point in points)
    return tuple(dict.fromkeys(address for address in found if address))


def _requested(annotations: Mapping[str, str], spec: Doc) -> tuple[tuple[str, ...], str]:
    """The addresses asked for, and what is wrong with the question."""
    field, asked = f"metallb.io/{ADDRESSES}", annotation(annotations, ADDRESSES)
    older = (spec.get("loadBalancerIP") or "").strip()
    if asked and older:
        return (), f"both the annotation {field} and spec.loadBalancerIP ask for an address; give one of them"
    found = []
    for text in filter(None, map(str.strip, (asked or older).split(","))):
        if not (address := canonical_address(text)):
            return (), f'{field if asked else "spec.loadBalancerIP"}: "{text}" is not an IP address'
        found.append(address)
    if len({family_of(address) for address in found}) < len(found):
        return (), f"{field}: asks for two addresses of one IP family; one for each family is the most"
    return tuple(found), ""


def _sharing(key: str, spec: Doc, ports: frozenset[str]) -> SharingTerms | None:
    if not key:
        return None
    selector = ",".join(f"{name}={value}" for name, value in sorted((spec.get("selector") or {}).items()))
    return SharingTerms(key, selector if spec.get("externalTrafficPolicy") == "Local" else "", ports)


def address_pool(document: Doc) -> AddressPool:
    """A `metallb.io/v1beta1.IPAddressPool`. Raises Undecodable."""
    meta, spec = document.get("metadata") or {}, document.get("spec") or {}
    try:
        ranges = tuple(parse_range(text) for text in spec.get("addresses") or ())
        allocation = _allocation(spec.get("serviceAllocation"))
    except (ValueError, ApiError, AttributeError, TypeError) as error:
        raise Undecodable(f"spec: {error}") from None
    labels = meta.get("labels") or {}
    return AddressPool(
        name=meta.get("name") or "",
        ranges=ranges,
        auto_assign=spec.get("autoAssign") is not False,
        avoid_buggy_ips=spec.get("avoidBuggyIPs") is True,
        allocation=allocation,
        labels=labels,
        fallback=labels.get(FALLBACK_LABEL) == "true",
    )


def _allocation(raw: Any) -> ServiceAllocation | None:
    if raw is None:
        return None
    return ServiceAllocation(
        int(raw.get("priority") or 0),
        tuple(raw.get("namespaces") or ()),
        _selectors(raw.get("namespaceSelectors")),
        _selectors(raw.get("serviceSelectors")),
    )


def _selectors(raw: Iterable[Doc] | None) -> tuple[LabelSelector, ...]:
    return tuple(selectors.from_document(each) for each in raw or ())


def l2_advertisement(document: Doc) -> L2Advertisement:
    """A `metallb.io/v1beta1.L2Advertisement`. Raises Undecodable."""
    spec = document.get("spec") or {}
    try:
        return L2Advertisement(
            name=(document.get("metadata") or {}).get("name") or "",
            pools=tuple(spec.get("ipAddressPools") or ()),
            pool_selectors=_selectors(spec.get("ipAddressPoolSelectors")),
            node_selectors=_selectors(spec.get("nodeSelectors")),
            interfaces=tuple(spec.get("interfaces") or ()),
            service_selectors=_selectors(spec.get("serviceSelectors")),
        )
    except (ApiError, AttributeError, TypeError) as error:
        raise Undecodable(f"spec: {error}") from None


def bgp_advertisement(document: Doc) -> BgpAdvertisement:
    """A `metallb.io/v1beta1.BGPAdvertisement`. Raises Undecodable."""
    spec = document.get("spec") or {}
    try:
        return BgpAdvertisement(
            name=(document.get("metadata") or {}).get("name") or "",
            pools=tuple(spec.get("ipAddressPools") or ()),
            pool_selectors=_selectors(spec.get("ipAddressPoolSelectors")),
            node_selectors=_selectors(spec.get("nodeSelectors")),
            peers=tuple(spec.get("peers") or ()),
            aggregation_length=int(spec.get("aggregationLength") or 32),
            aggregation_length_v6=int(spec.get("aggregationLengthV6") or 128),
            local_pref=int(spec.get("localPref") or 0),
            communities=_each(is_community, spec.get("communities") or (), "communities"),
        )
    except (ApiError, AttributeError, TypeError, ValueError) as error:
        raise Undecodable(f"spec: {error}") from None


def bgp_peer(document: Doc) -> BgpPeer:
    """A `metallb.io/v1beta2.BGPPeer`. Raises Undecodable."""
    spec = document.get("spec") or {}
    try:
        if not (address := canonical_address(spec["peerAddress"])):
            raise ValueError(f"peerAddress: {spec['peerAddress']!r} is not an IP address")
        return BgpPeer(
            namespace=(document.get("metadata") or {}).get("namespace") or "",
            password_secret=(spec.get("passwordSecret") or {}).get("name") or "",
            bfd_profile=spec.get("bfdProfile") or "",
            name=(document.get("metadata") or {}).get("name") or "",
            address=address,
            my_asn=int(spec["myASN"]),
            peer_asn=int(spec["peerASN"]),
            port=int(spec.get("peerPort") or 179),
            hold_seconds=int(str(spec.get("holdTime") or "90s").removesuffix("s")),
            source_address=canonical_address(spec.get("sourceAddress") or ""),
            router_id=canonical_address(spec.get("routerID") or ""),
            node_selectors=_selectors(spec.get("nodeSelectors")),
            multi_hop=spec.get("ebgpMultiHop") is True,
            password=_each(is_password, [spec.get("password") or ""], "password")[0],
        )
    except (ApiError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise Undecodable(f"spec: {error}") from None


def peer_secret(document: Doc) -> PeerSecret:
    """A `v1.Secret`, of any type; only one that may be a peer's is read."""
    kind = document.get("type") or ""
    if kind != "kubernetes.io/basic-auth":
        return PeerSecret(kind)
    try:
        password = base64.b64decode((document.get("data") or {}).get("password") or "", validate=True).decode()
    except (TypeError, ValueError):
        return PeerSecret(kind, fault="data.password is no text in base64")
    if not password:
        return PeerSecret(kind, fault="data.password is missing or empty")
    if not is_password(password) or len(password.encode()) > _LONGEST_PASSWORD:
        return PeerSecret(kind, fault=f"data.password must be {PASSWORDS}")
    return PeerSecret(kind, password)


_LONGEST_PASSWORD = 80
"""Bytes: TCP_MD5SIG_MAXKEYLEN of linux/tcp.h."""
PASSWORDS = "up to 80 printable characters without quotes and backslashes"


def _each(is_right: Callable[[str], object], texts: Iterable[str], field: str) -> tuple[str, ...]:
    """They go into a program's configuration file: what is not as it should be, whoever stored it, does not."""
    found = tuple(texts)
    if not all(map(is_right, found)):
        raise ValueError(f"{field} cannot be read")
    return found
