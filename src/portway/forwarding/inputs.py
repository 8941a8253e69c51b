"""The objects that a node's table is computed from, kept current, and which Services their changes concern.

Mutable on purpose: one keeper of changes (the agent) owns it, on one thread. It spares `recompute` a look at
the whole cluster: one changed EndpointSlice concerns one Service, and the slices are already grouped.
"""

from collections.abc import Iterable, Mapping

from portway.forwarding.compute import compute, recompute
from portway.forwarding.frontend import Contribution, ServiceKey
from portway.forwarding.large import LARGE, LargeServices
from portway.forwarding.table import ForwardingTable
from portway.model import EndpointSlice, Node, ProxyConfig, Service, Snapshot


class Inputs:
    """Put objects in; `compute` once, then `recompute` after each change: it costs what changed."""

    def __init__(self, node_name: str = "", large: int = LARGE) -> None:
        self._node_name = node_name
        self._services: dict[ServiceKey, Service] = {}
        self._slices: dict[tuple[str, str], EndpointSlice] = {}
        self._nodes: dict[str, Node] = {}
        self._service_cidrs: tuple[str, ...] = ()
        self._changed: set[ServiceKey] = set()
        self.slices_of: dict[ServiceKey, dict[str, EndpointSlice]] = {}
        """The slices of each Service, by slice name; read only."""
        self._large = LargeServices(large)
        self._made: Mapping[ServiceKey, Contribution] | None = None
        """The contributions of the last table that `recompute` made."""

    @property
    def snapshot(self) -> Snapshot:
        """A live view, not a copy: it moves with the next change."""
        return Snapshot(self._services, self._slices, self._nodes, self._service_cidrs)

    def put_service(self, key: ServiceKey, service: Service | None) -> None:
        """A Service came or changed, or went (None)."""
        if self._services.get(key) == service:
            return
        if service is None:
            del self._services[key]
        else:
            self._services[key] = service
        self._changed.add(key)

    def put_slice(self, key: tuple[str, str], piece: EndpointSlice | None) -> None:
        """An EndpointSlice came or changed, or went (None); its label may have moved it to another Service."""
        old = self._slices.get(key)
        if old == piece:
            return
        if old is not None:
            self._leave(key, old)
        if piece is not None:
            self._join(key, piece)

    def _leave(self, key: tuple[str, str], piece: EndpointSlice) -> None:
        del self._slices[key]
        service = (piece.namespace, piece.service)
        group = self.slices_of.get(service, {})
        group.pop(key[1], None)
        if not group:
            self.slices_of.pop(service, None)
        self._changed.add(service)

    def _join(self, key: tuple[str, str], piece: EndpointSlice) -> None:
        self._slices[key] = piece
        if piece.service:
            service = (piece.namespace, piece.service)
            self.slices_of.setdefault(service, {})[key[1]] = piece
            self._changed.add(service)

    def put_node(self, name: str, node: Node | None) -> None:
        """A node came or changed, or went; this node's new zone concerns every Service."""
        old = self._nodes.pop(name, None)
        if node is not None:
            self._nodes[name] = node
        if name == self._node_name and (old.zone if old else "") != (node.zone if node else ""):
            self._changed.update(self._services)

    def put_service_cidrs(self, cidrs: Iterable[str]) -> None:
        """All ranges of all ServiceCIDR objects."""
        self._service_cidrs = tuple(cidrs)

    def taken(self) -> frozenset[ServiceKey]:
        """The Services concerned by what was put since the last call; forgets them."""
        changed = frozenset(self._changed)
        self._changed.clear()
        return changed

    def compute(self, config: ProxyConfig) -> ForwardingTable:
        """The whole table; nothing is left to be `taken`."""
        self._changed.clear()
        return compute(self.snapshot, config, self.slices_of, self._large)

    def recompute(self, table: ForwardingTable, changed: Iterable[ServiceKey] | None = None) -> ForwardingTable:
        """`table` brought up to date: for what was `taken`, else for all that changed.

        A table that this made is used up by the next: who wants to compare them copies its contributions.
        """
        concerned = self.taken() if changed is None else changed
        own = table.contributions is self._made
        renewed = recompute(table, self.snapshot, concerned, self.slices_of, self._large, used_up=own)
        self._made = renewed.contributions
        return renewed
