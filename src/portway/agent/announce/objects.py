"""The objects that announcements depend on, followed, and what comes of them: addresses and their candidates."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from portway.agent.watches import ENDPOINT_SLICES, NODES, NOT_OURS, SERVICES
from portway.client import Api, Reflector
from portway.kubeapi import decode, decode_loadbalancer
from portway.kubeapi.announcing import announcing_node
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.loadbalancer import Refusal, bgp
from portway.loadbalancer.announcement import Candidates, candidates
from portway.loadbalancer.bgp import Telling
from portway.loadbalancer.peers import MISSING, RefusedPeer, settled
from portway.model.loadbalancer import AnnouncingNode, BalancedService, BgpPeer, PeerSecret, ServiceKey
from portway.reconcile.resources import BGP_ADVERTISEMENTS, BGP_PEERS, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS
from portway.reconcile.servicestatuses import NAMESPACE, Teller

SECRETS = Resource("", "v1", "secrets")
Local = tuple[ServiceKey, frozenset[str]]
"""Of an EndpointSlice: its Service, and the nodes of its ready endpoints."""


class _Answer(Struct, frozen=True):
    """Who may announce an address, and what that came of."""

    service: BalancedService
    local: frozenset[str]
    said: Candidates | Refusal


class Objects:
    """Reflectors of all that matters; `changed` is called when something did."""

    def __init__(self, api: Api, me: str, changed: Callable[[], None]) -> None:
        self._me = me
        self._at: dict[str, set[ServiceKey]] = {}
        self._answers: dict[tuple[ServiceKey, str], _Answer] = {}
        """Of the last time; they stand while pools, advertisements and nodes do."""

        def follow(
            resource: Resource, decoder: Callable[[Doc], Any], labels: str = "", namespace: str = ""
        ) -> Reflector[Any]:
            def on_change(_: object, old: Any, new: Any) -> None:
                if old != new:
                    if resource in (NODES, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS):
                        self._answers.clear()
                    changed()

            return Reflector(
                api, resource, decode=decoder, on_change=on_change, label_selector=labels, namespace=namespace
            )

        self.services: Reflector[BalancedService | None] = follow(SERVICES, _balanced)
        self.slices: Reflector[Local] = follow(ENDPOINT_SLICES, _local, NOT_OURS)
        self.nodes: Reflector[AnnouncingNode] = follow(NODES, announcing_node)
        self.pools = follow(IP_ADDRESS_POOLS, decode_loadbalancer.address_pool)
        self.advertisements = follow(L2_ADVERTISEMENTS, decode_loadbalancer.l2_advertisement)

        self.bgp: list[Reflector[Any]] = [
            follow(BGP_ADVERTISEMENTS, decode_loadbalancer.bgp_advertisement),
            follow(BGP_PEERS, decode_loadbalancer.bgp_peer),
        ]
        """Advertisements and peers; nobody waits for them."""
        self.secrets: Reflector[PeerSecret] = follow(SECRETS, decode_loadbalancer.peer_secret, namespace=NAMESPACE)
        """Nor for these, beside which peers are that want one."""

    @property
    def all(self) -> list[Reflector[Any]]:
        """Those that must be known before anything is announced."""
        return [self.services, self.slices, self.nodes, self.pools, self.advertisements]

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """This node's."""
        own = self.nodes.objects.get(("", self._me))
        return own.addresses if own else ()

    def teller(self) -> Teller:
        """This node, for what it writes."""
        own = self.nodes.objects.get(("", self._me))
        return Teller(self._me, own.uid if own else "")

    def candidates(self) -> dict[str, Candidates]:
        """Who may announce what; addresses that nobody may are left out."""
        found: dict[str, list[Candidates]] = {}
        local = self._local_nodes()
        before, self._answers = self._answers, {}
        self._at = {}
        for service in filter(None, self.services.objects.values()):
            for address in service.addresses:
                self._at.setdefault(address, set()).add(service.key)
                place, nodes = (service.key, address), local.get(service.key, frozenset())
                answer = before.get(place)
                if answer is None or answer.service is not service or answer.local != nodes:
                    answer = _Answer(service, nodes, self._candidates(service, address, nodes))
                self._answers[place] = answer
                if isinstance(answer.said, Candidates):
                    found.setdefault(address, []).append(answer.said)
        return {address: _for_all(answers) for address, answers in found.items()}

    def _candidates(self, service: BalancedService, address: str, local: frozenset[str]) -> Candidates | Refusal:
        pools, advertisements = self.pools.objects.values(), self.advertisements.objects.values()
        return candidates(service, address, pools, advertisements, list(self.nodes.objects.values()), local)

    def services_at(self, address: str) -> set[ServiceKey]:
        """The Services with an address, as `candidates` found them."""
        return self._at.get(address, set())

    @property
    def silent(self) -> bool:
        """Whether nothing comes from the API server for some kind that must be known."""
        return any(reflector.failure for reflector in self.all)

    def peers(self) -> list[BgpPeer]:
        """The routers of this node that can be spoken to."""
        return self._settled()[0]

    def refused_peers(self) -> list[RefusedPeer]:
        """Those that cannot, as they ask for what is not there. Before Secrets are known, none is missing."""
        known = self.secrets.synced.is_set() or self.secrets.failure is not None
        return [one for one in self._settled()[1] if known or one.reason != MISSING]

    def _settled(self) -> tuple[list[BgpPeer], list[RefusedPeer]]:
        own = self.nodes.objects.get(("", self._me))
        return settled(bgp.peers_of(own, self.bgp[1].objects.values()) if own else [], self.secrets.objects)

    def routed(self) -> list[Telling]:
        """What this node tells its routers."""
        own, peers = self.nodes.objects.get(("", self._me)), self.peers()
        if own is None or not peers:
            return []
        services = filter(None, self.services.objects.values())
        pools, advertisements = list(self.pools.objects.values()), list(self.bgp[0].objects.values())
        return bgp.tellings(own, services, pools, advertisements, peers, self._local_nodes())

    def bgp_configurations(self, routed: list[Telling]) -> dict[BgpPeer, str]:
        """The same for the ExaBGP of each router."""
        own, peers = self.nodes.objects.get(("", self._me)), self.peers()
        if own is None:
            return {}
        return {peer: bgp.exabgp_configuration(own, peer, told) for peer, told in bgp.routes(peers, routed).items()}

    def _local_nodes(self) -> dict[ServiceKey, frozenset[str]]:
        """The nodes with ready endpoints of each Service for which that matters."""
        services = filter(None, self.services.objects.values())
        asking = {service.key for service in services if service.external_traffic_policy == "Local"}
        found: dict[ServiceKey, frozenset[str]] = {}
        for key, nodes in self.slices.objects.values() if asking else ():
            if key in asking:
                found[key] = found.get(key, frozenset()) | nodes
        return found


def _for_all(answers: list[Candidates]) -> Candidates:
    """Services that share an address have it announced where all of them can be, else where the first can be."""
    first = answers[0]
    common = tuple(name for name in first.ranked if all(name in other.ranked for other in answers))
    return Candidates(common or first.ranked, first.interfaces)


def _balanced(document: Doc) -> BalancedService | None:
    return decode_loadbalancer.balanced_service(document) if decode_loadbalancer.is_balanced(document) else None


def _local(document: Doc) -> Local:
    piece = decode.endpoint_slice(document)
    nodes = frozenset(endpoint.node_name for endpoint in piece.endpoints if endpoint.ready and endpoint.node_name)
    return (piece.namespace, piece.service), nodes if piece.ports else frozenset()
