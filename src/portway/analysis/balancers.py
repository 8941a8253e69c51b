"""LoadBalancers of a bundle with IPAddressPools: who gives them addresses and who answers, as far as objects say.

In a cluster both are told by statuses, and by the Leases of Portway's announcers. Of manifests addresses are given out
in turn, and the node that answers is the first that may. Where a bundle has no pool, addresses are somebody else's
matter, and nothing is said here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from portway.analysis import balancing
from portway.analysis.balancing import Balancing
from portway.analysis.bundle import Bundle, Item
from portway.analysis.view import word
from portway.kubeapi import decode, decode_loadbalancer
from portway.kubeapi.announcing import ROLE, AnnouncerLease, announcer_lease, announcing_node
from portway.kubeapi.errors import Doc
from portway.loadbalancer import Allocation, Held, allocate
from portway.loadbalancer.announcement import Candidates, candidates, names_pool
from portway.model import Snapshot
from portway.model.loadbalancer import AddressPool, BalancedService, BgpPeer, L2Advertisement, ServiceKey
from portway.reconcile.objects import labels_of

T = TypeVar("T")


def pools(bundle: Bundle) -> tuple[AddressPool, ...]:
    """Those that can be read: the others the API server would refuse."""
    return tuple(pool for _, pool in pool_items(bundle))


def pool_items(bundle: Bundle) -> Iterator[tuple[Item, AddressPool]]:
    """The same with their objects."""
    return _read(bundle, "IPAddressPool", decode_loadbalancer.address_pool)


def peer_items(bundle: Bundle) -> Iterator[tuple[Item, BgpPeer]]:
    """The BGPPeers that can be read, with their objects."""
    return _read(bundle, "BGPPeer", decode_loadbalancer.bgp_peer)


def advertised(bundle: Bundle, pool: AddressPool) -> bool:
    """Whether something announces its addresses."""
    layer2 = _found(bundle, "L2Advertisement", decode_loadbalancer.l2_advertisement)
    routed = _found(bundle, "BGPAdvertisement", decode_loadbalancer.bgp_advertisement)
    return any(names_pool(one, pool) for one in layer2) or any(names_pool(one, pool) for one in routed)


def given(bundle: Bundle, services: Iterable[Doc]) -> Iterator[tuple[Doc, tuple[str, ...]]]:
    """Services of type LoadBalancer, each with the addresses that the pools give it after those before it."""
    known, namespaces, held = pools(bundle), _namespaces(bundle), Held()
    for document in services:
        service = decode_loadbalancer.balanced_service(document)
        answer = allocate(service, known, held, namespaces)
        addresses = answer.addresses if isinstance(answer, Allocation) else ()
        held.put(replace(service, addresses=addresses))
        yield document, addresses


def balancing_of(bundle: Bundle, services: Iterable[Doc], nodes: Iterable[Doc], snapshot: Snapshot) -> Balancing:
    """What a trace must know of them. `services`, `nodes`: as the cluster has them."""
    known = pools(bundle)
    if not known:
        return Balancing()
    balanced = map(decode_loadbalancer.balanced_service, filter(decode_loadbalancer.is_balanced, services))
    found = Balancing(
        services={service.key: service for service in balanced if _concerns(service, known)},
        pools=known,
        advertisements=tuple(_advertisements(bundle)),
        nodes=tuple(map(announcing_node, nodes)),
        namespaces=_namespaces(bundle),
        bgp_advertisements=tuple(_found(bundle, "BGPAdvertisement", decode_loadbalancer.bgp_advertisement)),
        bgp_peers=tuple(_found(bundle, "BGPPeer", decode_loadbalancer.bgp_peer)),
    )
    leases = [announcer_lease(item.value) for item in bundle.of("Lease") if ROLE in item.labels]
    told = as_announcers_say(found, leases, bundle.taken)
    return told if told.announcers else replace(told, announcers=dict(_announcers(bundle, found, snapshot)))


def as_announcers_say(balancing: Balancing, leases: Sequence[AnnouncerLease], now: str) -> Balancing:
    """The same with what the Leases of Portway's announcers tell: who has which address, since when, what nodes see.

    `now`: RFC 3339; empty where nobody knows, and then nothing has moved lately.
    """
    return replace(
        balancing,
        announcers={lease.address: lease.holder for lease in leases if lease.address},
        doubts={lease.holder: lease.doubts for lease in leases if lease.doubts},
        moved=dict(_moved(leases, now)),
    )


_MOVED_SECONDS = 600
"""Routers keep entries of ARP for minutes."""


def _moved(leases: Iterable[AnnouncerLease], now: str) -> Iterator[tuple[str, int]]:
    """Addresses that another node had before, no longer ago than neighbors' tables remember."""
    for lease in leases:
        seconds = _seconds(lease.acquired, now) if lease.address and lease.transitions else None
        if seconds is not None and seconds < _MOVED_SECONDS:
            yield lease.address, max(0, seconds)  # the node's clock may be ahead


def _seconds(begin: str, end: str) -> int | None:
    """From one moment to another; None for what is no RFC 3339."""
    try:
        return int((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())
    except (TypeError, ValueError):
        return None


def _concerns(service: BalancedService, known: tuple[AddressPool, ...]) -> bool:
    """Not one whose addresses somebody else gave, and delivers."""
    return not service.addresses or any(pool.usable(one) for pool in known for one in service.addresses)


def _advertisements(bundle: Bundle) -> Iterator[L2Advertisement]:
    """Nodes that are only imagined have no labels, and any may be meant."""
    imagined = not any(bundle.of("Node"))
    for one in _found(bundle, "L2Advertisement", decode_loadbalancer.l2_advertisement):
        yield replace(one, node_selectors=()) if imagined else one


def _announcers(bundle: Bundle, found: Balancing, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    statuses = [item.get("status") for item in bundle.of("ServiceL2Status")]
    told = {_service_of(status): word(status.get("node")) for status in statuses if isinstance(status, dict)}
    for service in found.services.values():
        local = balancing.local_nodes(snapshot, service.key)
        for address in service.addresses:
            who = candidates(service, address, found.pools, found.advertisements, found.nodes, local)
            if isinstance(who, Candidates):
                yield address, told.get(service.key) or who.ranked[0]


def _service_of(status: Doc) -> ServiceKey:
    return word(status.get("serviceNamespace")), word(status.get("serviceName"))


def _namespaces(bundle: Bundle) -> dict[str, dict[str, str]]:
    return {item.name: labels_of(item.value) for item in bundle.of("Namespace")}


def _found(bundle: Bundle, kind: str, read: Callable[[Any], T]) -> Iterator[T]:
    return (value for _, value in _read(bundle, kind, read))


def _read(bundle: Bundle, kind: str, read: Callable[[Any], T]) -> Iterator[tuple[Item, T]]:
    for item in bundle.of(kind):
        try:
            yield item, read(item.value)
        except decode.Undecodable:
            continue
