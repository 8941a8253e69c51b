"""Who has which address: pods, nodes, and everybody else."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from portway.accesslog.packed import address_text
from portway.accesslog.record import Party
from portway.model import Backend, Node, Pod, contains

_MOST_ANSWERS = 65536


Topology = Literal["local", "same-zone", "remote", ""]


class Known(Struct, frozen=True, omit_defaults=True):
    """What is known of an address, told to who asks."""

    party: Party
    """Its port is 0."""
    topology: Topology = ""
    """Seen from the node that was asked."""


class _Directory(Struct):
    pods: dict[str, dict[tuple[str, str], Pod]] = field(default_factory=dict)
    """By address, the one that came last at the end. Who is gone is known until another has the address."""
    addresses: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    node_of: dict[str, str] = field(default_factory=dict)


class Parties:
    """Follows pods and nodes, and says who an address is."""

    def __init__(self) -> None:
        self._known = _Directory()
        self._cluster_cidrs: tuple[str, ...] = ()
        self._own: tuple[str, tuple[str, ...]] = ("", ())
        self._answers: dict[bytes, Party] = {}
        self.generation = 0
        """Another one when an address may be somebody else's than before."""

    def put_pod(self, key: tuple[str, str], pod: Pod | None) -> None:
        """A pod came, changed or went. Pods in their node's network are the node's own clients."""
        known = self._known
        addresses = pod.addresses if pod and not pod.host_network else ()
        for address in known.addresses.pop(key, ()):
            holders = known.pods[address]
            if address not in addresses and len(holders) > 1:
                del holders[key]
        for address in addresses:
            holders = known.pods.setdefault(address, {})
            for other in [k for k in holders if k not in known.addresses]:
                del holders[other]
            holders.pop(key, None)
            holders[key] = pod  # type: ignore[assignment]  # it has addresses
        if addresses:
            known.addresses[key] = addresses
        self._forget()

    def put_node(self, name: str, node: Node | None) -> None:
        """A node came, changed or went."""
        known = self._known
        known.nodes.pop(name, None)
        if node is not None:
            known.nodes[name] = node
        known.node_of = {address: n.name for n in known.nodes.values() for address in n.addresses}
        self._forget()

    def put_cluster(self, node_name: str, node_addresses: tuple[str, ...], cidrs: tuple[str, ...]) -> None:
        """This node, and where pods are, known or not."""
        self._own, self._cluster_cidrs = (node_name, node_addresses), cidrs
        self._forget()

    def _forget(self) -> None:
        self._answers.clear()
        self.generation += 1

    def party(self, packed: bytes, port: int) -> Party:
        """Who has the address now, or had it last."""
        known = self._answers.get(packed)
        if known is None:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            known = self._answers[packed] = self._party(address_text(packed))
        return Party(known.ip, port, known.kind, known.namespace, known.pod, known.node, known.zone)

    def backend(self, packed: bytes, port: int, namespace: str, backends: Mapping[str, Backend]) -> Party:
        """The same of a Service's backend, of which its EndpointSlices may know more: `backends` by address."""
        party = self.party(packed, port)
        backend = backends.get(party.ip)
        if party.pod or backend is None:
            return party
        node = party.node or backend.node_name
        kind = "pod" if backend.target and party.kind != "node" else party.kind
        names = {"namespace": namespace, "pod": backend.target} if backend.target else {}
        return replace(party, kind=kind, node=node, zone=self._zone(node), **names)

    def known(self, packed: bytes) -> Known:
        """The same for who has no part in a connection here, but writes a log too."""
        party = self.party(packed, 0)
        return Known(party, self.topology(party))

    def topology(self, party: Party) -> Topology:
        """Where it is, seen from this node; "" for who is nowhere known."""
        own = self._own[0]
        if not party.node:
            return ""
        if party.node == own:
            return "local"
        return "same-zone" if party.zone and party.zone == self._zone(own) else "remote"

    def _party(self, address: str) -> Party:
        holders = self._known.pods.get(address)
        if holders:
            pods = [pod for pod in reversed(holders.values()) if not pod.finished] or list(holders.values())
            pod = pods[0]
            return Party(address, 0, "pod", pod.namespace, pod.name, pod.node_name, self._zone(pod.node_name))
        name, addresses = self._own
        node = name if address in addresses else self._known.node_of.get(address, "")
        if node:
            return Party(address, 0, "node", node=node, zone=self._zone(node))
        inside = any(contains(cidr, address) for cidr in self._cluster_cidrs)
        return Party(address, 0, "pod" if inside else "external")

    def _zone(self, node: str) -> str:
        known = self._known.nodes.get(node)
        return known.zone if known else ""
