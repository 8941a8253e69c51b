"""The part of a cluster that decides about some packets: a question costs what it is about, not what there is."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from portway.analysis.tables import Tables
from portway.analysis.trace import Terrain
from portway.model import EndpointSlice, Node, Service


class Excerpts:
    """Of a cluster, what a packet to some address and port can meet: the rest cannot change its way."""

    def __init__(self, terrain: Terrain) -> None:
        self._terrain = terrain
        snapshot = terrain.snapshot
        self._services: dict[str | int, dict[tuple[str, str], Service]] = {}
        """By nodePort, and by each address that they claim."""
        for key, service in snapshot.services.items():
            claimed: set[str | int] = {*service.cluster_ips, *service.external_ips, *service.load_balancer_ips}
            claimed |= {port.node_port for port in service.ports if port.node_port}
            for claim in claimed:
                self._services.setdefault(claim, {})[key] = service
        self._slices: dict[tuple[str, str], dict[tuple[str, str], EndpointSlice]] = {}
        for key, piece in snapshot.slices.items():
            self._slices.setdefault((piece.namespace, piece.service), {})[key] = piece
        self._nodes: dict[str, Node] = {}
        self._pods: dict[str, tuple[str, str]] = {}
        for node in snapshot.nodes.values():
            for address in node.addresses:
                self._nodes.setdefault(address, node)
        for name, pod in terrain.pods.items():
            for address in pod.addresses:
                self._pods.setdefault(address, name)

    def behind(self, number: int) -> Iterator[EndpointSlice]:
        """The slices of every Service that claims a nodePort."""
        for key in self._services.get(number, ()):
            yield from self._slices.get(key, {}).values()

    def around(self, terrain: Terrain, dialled: Iterable[tuple[str, int]]) -> Terrain:
        """`terrain`, with the objects that decide about these packets from outside only."""
        claims = [claim for pair in dialled for claim in pair]
        services = {key: one for claim in claims for key, one in self._services.get(claim, {}).items()}
        slices = {name: piece for key in services for name, piece in self._slices.get(key, {}).items()}
        addresses = [claim for claim in claims if isinstance(claim, str)]
        nodes = {node.name: node for a in addresses if (node := self._nodes.get(a))}
        every = terrain.snapshot.nodes
        nodes |= {name: every[name] for a in addresses if (name := terrain.delivered.get(a, "")) in every}
        pods = {key: terrain.pods[key] for a in addresses if (key := self._pods.get(a))}
        snapshot = replace(terrain.snapshot, services=services, slices=slices, nodes=nodes)
        return replace(terrain, snapshot=snapshot, tables=Tables(snapshot, terrain.pod_cidrs), pods=pods)
