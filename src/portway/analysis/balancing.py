"""LoadBalancers in a trace: why one has no address, which node answers for an address, why none does.

The well-known ways to fail, as MetalLB's users tell them, each have a code here; docs/guides/loadbalancer.md lists
them, and those that cannot happen here with the reason.
"""

from collections.abc import Collection, Mapping

from msgspec import Struct

from portway.loadbalancer import Held, Refusal, allocate
from portway.loadbalancer.announcement import Candidates, candidates
from portway.model.loadbalancer import AddressPool, AnnouncingNode, BalancedService, L2Advertisement, ServiceKey
from portway.model.selector import Labels

MEANING = {
    "LB_NO_POOL": "the LoadBalancer is pending: there is no IPAddressPool to take an address from",
    "LB_NO_POOL_FOR_SERVICE": "the LoadBalancer is pending: there are pools, and none is for this Service",
    "LB_POOL_UNKNOWN": "the LoadBalancer is pending: it asks for a pool that does not exist",
    "LB_POOL_EXHAUSTED": "the LoadBalancer is pending: every address of its pools is in use",
    "LB_NO_FAMILY": "the LoadBalancer is pending: no pool has addresses of an IP family that it needs",
    "LB_REQUEST_INVALID": "the LoadBalancer is pending: what it asks for cannot be read",
    "LB_REQUEST_FAMILY": "the LoadBalancer is pending: the addresses that it asks for are not of its IP families",
    "LB_ADDRESS_OUTSIDE_POOLS": "no IPAddressPool has the address: it is not given, and not announced from here",
    "LB_ADDRESS_TAKEN": "the LoadBalancer is pending: another Service has the address and they cannot share it",
    "LB_CLASS_FOREIGN": "the LoadBalancer is another controller's, by its loadBalancerClass",
    "LB_PENDING": "the LoadBalancer may have an address and waits for it: the controllers are at work, or do not run",
    "LB_NOT_ADVERTISED": "the address is given and announced by nobody: no L2Advertisement is for its pool",
    "LB_NODES_EXCLUDED": "the address is announced by nobody: load balancers leave out every node there is",
    "LB_NO_NODE_SELECTED": "the address is announced by nobody: the L2Advertisement's nodeSelectors select no node",
    "LB_NO_LOCAL_ENDPOINT": "the address is announced by nobody: externalTrafficPolicy is Local, and no node has a pod",
    "LB_PORT_UNDEFINED": "the LoadBalancer has this address but not this port: nothing answers",
    "LB_NOT_ANNOUNCED": "the address is announced by nobody: no node that may has the interface, a link and a process",
}


class Balancing(Struct, frozen=True):
    """What a trace must know of LoadBalancers."""

    services: Mapping[ServiceKey, BalancedService] = {}
    pools: tuple[AddressPool, ...] = ()
    advertisements: tuple[L2Advertisement, ...] = ()
    nodes: tuple[AnnouncingNode, ...] = ()
    namespaces: Mapping[str, Labels] = {}
    announcers: Mapping[str, str] = {}
    """The node that has each address's Lease."""

    def service_at(self, address: str) -> BalancedService | None:
        """Whose address it is."""
        return next((service for service in self.services.values() if address in service.addresses), None)


def pending(balancing: Balancing, key: ServiceKey) -> Refusal:
    """Why a LoadBalancer without an address has none."""
    service = balancing.services.get(key)
    if service is None:
        return Refusal("LB_PENDING", "nothing is known of it")
    held = Held()
    for other in balancing.services.values():
        held.put(other)
    answer = allocate(service, balancing.pools, held, balancing.namespaces)
    if isinstance(answer, Refusal):
        return answer
    return Refusal("LB_PENDING", f"{', '.join(answer.addresses)} of IPAddressPool {answer.pool} would be its")


def announcer(
    balancing: Balancing, service: BalancedService, address: str, local: Collection[str]
) -> AnnouncingNode | Refusal:
    """The node that answers for an address. `local`: the nodes with ready pods of the Service."""
    answer = candidates(service, address, balancing.pools, balancing.advertisements, balancing.nodes, local)
    if isinstance(answer, Refusal):
        return answer
    holder = balancing.announcers.get(address, "")
    found = next((node for node in balancing.nodes if node.name == holder and holder in answer.ranked), None)
    return found or _unclaimed(answer)


def _unclaimed(answer: Candidates) -> Refusal:
    named = sorted({name for node in answer.ranked for name in answer.interfaces[node]})
    where = f" with interface {' or '.join(named)}" if named else ""
    return Refusal(
        "LB_NOT_ANNOUNCED", f"of {', '.join(answer.ranked)}{where} none has claimed it (its Lease is vacant)"
    )


def cautions(service: BalancedService, address: str, origin: str, *, masquerade: bool) -> list[str]:
    """What people take a LoadBalancer's answer for that it is not. `origin`: outside, node or pod."""
    if origin != "outside":
        return [
            f"the client's own node answers for {address}: it proves nothing about who announces it; trace and "
            "probe from outside for that"
        ]
    if masquerade:
        return ["the pod sees the node's address, not the client's; externalTrafficPolicy: Local keeps it"]
    return []
