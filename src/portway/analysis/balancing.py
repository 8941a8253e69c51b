"""LoadBalancers in a trace: why one has no address, which node answers for an address, why none does.

The well-known ways to fail, as MetalLB's users tell them, each have a code here; docs/guides/loadbalancer.md lists
them, and those that cannot happen here with the reason.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from portway.loadbalancer import Held, Refusal, allocate, bgp
from portway.loadbalancer.announcement import Candidates, candidates
from portway.model import Snapshot
from portway.model.loadbalancer import (
    AddressPool,
    AnnouncingNode,
    BalancedService,
    BgpAdvertisement,
    BgpPeer,
    Doubt,
    L2Advertisement,
    ServiceKey,
)
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
    "LB_BGP_PEER_REFUSED": "no router is told of the address: what its BGPPeers ask for cannot be had",
    "LB_BGP_NO_SESSION": "no router is told of the address: its nodes have no BGP session",
    "LB_BGP_ONLY": "the address is told to routers by BGP, and no node answers for it: only those routers know a way",
}
#: What a trace says beside its end, where there is a sign of it.
CAUTIONS = {
    "LB_OWN_NODE_ANSWERS": "the client's own node answers: that proves nothing about who announces the address",
    "LB_CLIENT_HIDDEN": "under externalTrafficPolicy Cluster the pod sees a node's address instead of the client's",
    "LB_BGP_REHASHES": "routers that are told by BGP spread connections anew, and break them, when nodes come or go",
    "LB_MOVED_LATELY": "another node took the address over: who ignores gratuitous ARP still asks the one before it",
    "LB_CLOUD_NODES": "the node is a cloud's, whose networks drop what is sent for addresses that they did not give",
    "LB_TWO_ANSWER": "somebody else on the network answers for the address too",
    "LB_WIRELESS": "the node answers on a wireless interface, and may not be asked at all",
    "LB_RP_FILTER": "strict rp_filter drops clients whose answers would leave by another interface",
}
_CLOUDS = frozenset(
    [
        "alicloud",
        "aws",
        "azure",
        "baiducloud",
        "digitalocean",
        "gce",
        "hcloud",
        "ibm",
        "linode",
        "oci",
        "openstack",
        "qcloud",
        "vultr",
    ]
)
"""What providerID begins with on machines whose network checks who sends what."""


class Balancing(Struct, frozen=True):
    """What a trace must know of LoadBalancers."""

    services: Mapping[ServiceKey, BalancedService] = {}
    pools: tuple[AddressPool, ...] = ()
    advertisements: tuple[L2Advertisement, ...] = ()
    nodes: tuple[AnnouncingNode, ...] = ()
    namespaces: Mapping[str, Labels] = {}
    announcers: Mapping[str, str] = {}
    """The node that has each address's Lease."""
    bgp_advertisements: tuple[BgpAdvertisement, ...] = ()
    bgp_peers: tuple[BgpPeer, ...] = ()
    doubts: Mapping[str, tuple[Doubt, ...]] = {}
    """What nodes say, by name, that keeps clients from what they answer for."""
    moved: Mapping[str, int] = {}
    """Addresses that changed hands lately, and how many seconds ago."""

    def service_at(self, address: str) -> BalancedService | None:
        """Whose address it is."""
        return next((service for service in self.services.values() if address in service.addresses), None)


def local_nodes(snapshot: Snapshot, service: ServiceKey) -> set[str]:
    """Where its ready endpoints are."""
    pieces = (p for p in snapshot.slices.values() if (p.namespace, p.service) == service)
    return {endpoint.node_name for piece in pieces for endpoint in piece.endpoints if endpoint.ready}


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
        return (_by_bgp(balancing, service, address, local) if answer.code == "LB_NOT_ADVERTISED" else None) or answer
    holder = balancing.announcers.get(address, "")
    found = next((node for node in balancing.nodes if node.name == holder and holder in answer.ranked), None)
    return found or _unclaimed(answer)


def _unclaimed(answer: Candidates) -> Refusal:
    named = sorted({name for node in answer.ranked for name in answer.interfaces[node]})
    where = f" with interface {' or '.join(named)}" if named else ""
    return Refusal(
        "LB_NOT_ANNOUNCED", f"of {', '.join(answer.ranked)}{where} none has claimed it (its Lease is vacant)"
    )


def _by_bgp(balancing: Balancing, service: BalancedService, address: str, local: Collection[str]) -> Refusal | None:
    """The end of an address that no node answers for; None: it is no matter of routers either."""
    telling = tellings(balancing, service, address, local)
    if told := [node for node, doubts in telling.items() if None in doubts.values()]:
        return Refusal("LB_BGP_ONLY", f"{_by(told)}, and no L2Advertisement is for its pool")
    deaf = _deaf(telling)
    return next((Refusal(code, message) for code, message in deaf.items()), None)


def tellings(
    balancing: Balancing, service: BalancedService, address: str, local: Collection[str]
) -> dict[str, dict[str, Doubt | None]]:
    """By node that is to tell routers of an address by BGP, then by BGPPeer: why it cannot; None: nothing is known."""
    known = balancing.pools, balancing.bgp_advertisements
    found: dict[str, dict[str, Doubt | None]] = {}
    for node in balancing.nodes:
        doubts = {doubt.peer: doubt for doubt in balancing.doubts.get(node.name, ()) if doubt.peer}
        peers = bgp.peers_of(node, balancing.bgp_peers)
        for each in bgp.tellings(node, [service], *known, peers, {service.key: local}):
            if each.address == address:
                found.setdefault(node.name, {})[each.peer.name] = doubts.get(each.peer.name)
    return found


def _deaf(telling: Mapping[str, Mapping[str, Doubt | None]]) -> dict[str, str]:
    """Of routers that cannot be told, by code: which, of which nodes, and why."""
    nodes: dict[tuple[str, str, str], list[str]] = {}
    for node, doubts in telling.items():
        for peer, doubt in doubts.items():
            if doubt is not None:
                nodes.setdefault((doubt.code, peer, doubt.message), []).append(node)
    said: dict[str, list[str]] = {}
    for (code, peer, message), names in sorted(nodes.items()):
        said.setdefault(code, []).append(f"BGPPeer {peer} from {', '.join(names)}: {message}")
    return {code: "; ".join(said[code]) for code in ("LB_BGP_PEER_REFUSED", "LB_BGP_NO_SESSION") if code in said}


def _by(nodes: Sequence[str]) -> str:
    return f"{', '.join(nodes)} {'tell' if len(nodes) > 1 else 'tells'} routers of it by BGP"


def cautions(
    balancing: Balancing, service: BalancedService, address: str, origin: str, local: Collection[str], *, hidden: bool
) -> list[str]:
    """What people take a LoadBalancer's answer for that it is not, and what may keep it from others.

    `origin`: outside, node or pod. `local`: the nodes with ready pods. `hidden`: the pod does not see the client.
    """
    if origin != "outside":
        said = {
            "LB_OWN_NODE_ANSWERS": f"the client's own node answers for {address}: it proves nothing about who "
            "announces it; trace and probe from outside for that, by TCP or UDP: an address answers no ping"
        }
    else:
        said = _of_routers(balancing, tellings(balancing, service, address, local)) | _of_announcer(balancing, address)
        if hidden:
            said["LB_CLIENT_HIDDEN"] = (
                "the pod sees the node's address, not the client's; externalTrafficPolicy: Local keeps it"
            )
    return [f"{code}: {message}" for code, message in said.items()]


def _of_announcer(balancing: Balancing, address: str) -> dict[str, str]:
    """By code, in the order of how much it hurts."""
    holder = balancing.announcers.get(address, "")
    node = next((node for node in balancing.nodes if node.name == holder), AnnouncingNode(holder))
    doubts = [doubt for doubt in balancing.doubts.get(holder, ()) if doubt.address in ("", address) and not doubt.peer]
    said = {doubt.code: f"{holder}: {doubt.message}" for doubt in doubts}
    if node.provider in _CLOUDS:
        said["LB_CLOUD_NODES"] = (
            f"{holder} is a machine of {node.provider}, and a cloud's network drops ARP and packets for addresses that "
            "it did not give: allow the pool at the node's port (allowed address pairs), or use the cloud's balancer"
        )
    if (seconds := balancing.moved.get(address)) is not None:
        said["LB_MOVED_LATELY"] = (
            f"{holder} has it since {seconds} s ago and said so to all by gratuitous ARP; a client that ignores that "
            f"asks another node still: ip neigh flush to {address}"
        )
    return said


def _of_routers(balancing: Balancing, telling: Mapping[str, Mapping[str, Doubt | None]]) -> dict[str, str]:
    said = _deaf(telling)
    told = [node for node, doubts in telling.items() if None in doubts.values()]
    seen = [(node, doubt) for node in told for doubt in balancing.doubts.get(node, ())]
    if dropped := [f"{node}: {doubt.message}" for node, doubt in seen if doubt.code == "LB_RP_FILTER"]:
        said["LB_RP_FILTER"] = "; ".join(dropped)
    if len(told) > 1:
        said["LB_BGP_REHASHES"] = (
            f"{_by(told)}: when one comes or goes, they spread connections anew, and open ones may break"
        )
    return said
