"""Which nodes may announce an address on the local network, and in which order they are asked.

Sources: MetalLB 0.15 speaker/layer2_controller.go (conditions); KEP-1860 and the label of nodes that load balancers
leave out. Other than MetalLB, a Service without any endpoint is announced: its clients are refused at once instead of
waiting. An order by hash spreads addresses over the nodes, and moves only those of a node that goes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b

from msgspec import Struct

from portway.loadbalancer.allocation import Refusal
from portway.model.loadbalancer import AddressPool, AnnouncingNode, BalancedService, BgpAdvertisement, L2Advertisement

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


class Candidates(Struct, frozen=True):
    """The nodes that may announce one address."""

    ranked: tuple[str, ...]
    """Who is asked first comes first."""
    interfaces: Mapping[str, frozenset[str]]
    """By node: only on these; empty: on those that carry the node's own addresses."""


def candidates(
    service: BalancedService,
    address: str,
    pools: Iterable[AddressPool],
    advertisements: Iterable[L2Advertisement],
    nodes: Sequence[AnnouncingNode],
    local: Collection[str],
) -> Candidates | Refusal:
    """`local`: the nodes with ready endpoints of the Service, which matter for externalTrafficPolicy Local only."""
    pool = next((pool for pool in pools if pool.usable(address)), None)
    if pool is None:
        return Refusal("LB_ADDRESS_OUTSIDE_POOLS", f"no IPAddressPool has {address}, so nobody here announces it")
    chosen = [one for one in advertisements if _covers(one, pool, service)]
    if not chosen:
        return Refusal(
            "LB_NOT_ADVERTISED",
            f"no L2Advertisement is for IPAddressPool {pool.name}: create one with ipAddressPools: [{pool.name}]",
        )
    return _willing(service, address, chosen, nodes, local)


def _covers(advertisement: L2Advertisement, pool: AddressPool, service: BalancedService) -> bool:
    selectors = advertisement.service_selectors
    return names_pool(advertisement, pool) and (not selectors or any(s.matches(service.labels) for s in selectors))


def names_pool(advertisement: L2Advertisement | BgpAdvertisement, pool: AddressPool) -> bool:
    """Whether it is for the pool: by name, by the pool's labels, or for every pool."""
    names, selectors = advertisement.pools, advertisement.pool_selectors
    if not names and not selectors:
        return True
    return pool.name in names or any(selector.matches(pool.labels) for selector in selectors)


def _willing(
    service: BalancedService,
    address: str,
    chosen: Sequence[L2Advertisement],
    nodes: Sequence[AnnouncingNode],
    local: Collection[str],
) -> Candidates | Refusal:
    here = [node for node in nodes if node.available]
    included = [node for node in here if EXCLUDED not in node.labels]
    if not included:
        names = ", ".join(node.name for node in here) or "none"
        return Refusal("LB_NODES_EXCLUDED", f"every available node ({names}) has the label {EXCLUDED}")
    interfaces = {node.name: found for node in included if (found := _interfaces(node, chosen)) is not None}
    if not interfaces:
        names = ", ".join(one.name for one in chosen)
        return Refusal("LB_NO_NODE_SELECTED", f"nodeSelectors of L2Advertisement {names} select no available node")
    if service.external_traffic_policy == "Local":
        interfaces = {name: found for name, found in interfaces.items() if name in local}
        if not interfaces:
            where = ", ".join(sorted(local)) or "no node"
            return Refusal(
                "LB_NO_LOCAL_ENDPOINT",
                f"externalTrafficPolicy is Local, and no node that may announce it has a ready pod ({where} has)",
            )
    ranked = sorted(interfaces, key=lambda name: blake2b(f"{name}#{address}".encode(), digest_size=8).digest())
    return Candidates(tuple(ranked), interfaces)


def _interfaces(node: AnnouncingNode, chosen: Sequence[L2Advertisement]) -> frozenset[str] | None:
    """On which interfaces it may announce; None: it may not at all."""
    mine = [a for a in chosen if not a.node_selectors or any(s.matches(node.labels) for s in a.node_selectors)]
    if not mine:
        return None
    if any(not one.interfaces for one in mine):
        return frozenset()
    return frozenset(name for one in mine for name in one.interfaces)
