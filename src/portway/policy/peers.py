"""Whom the rules in force speak of: each peer is numbered once, whoever mentions it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from portway.model import ContainerPort, IpBlock, Labels, LabelSelector, Node
from portway.policy.kinds import Kind
from portway.policy.namespaces import Namespaces, Scope
from portway.policy.portsets import PortName, has_name
from portway.policy.selections import Selections, Term
from portway.policy.space import Space, block_spans, cut, point
from portway.policy.spans import Spans, union


class PodsPeer(Struct, frozen=True):
    """Pods by selectors; with `names`, those that have a port of such a name."""

    scope: Scope
    pods: LabelSelector
    names: tuple[PortName, ...] = ()


class BlockPeer(Struct, frozen=True):
    """Addresses."""

    block: IpBlock


class NodesPeer(Struct, frozen=True):
    """Addresses of nodes by their labels."""

    nodes: LabelSelector


class OwnNode(Struct, frozen=True):
    """The addresses of the node that this is computed for."""


class Itself(Struct, frozen=True):
    """One pod's address, where its replicas must be told from it."""

    address: str


Peer = PodsPeer | BlockPeer | NodesPeer | OwnNode | Itself
SPARE = 64
"""Peers that nobody holds any more are still told apart, up to so many: their addresses keep their classes, so that a
policy that goes, or comes back, does not cost an element for each pod that it spoke of.
"""


class Peers:
    """The peers that somebody holds, the kinds of pods that they match, and the space as they cut it."""

    def __init__(self, namespaces: Namespaces, node_name: str) -> None:
        self._node_name = node_name
        self.selections: Selections[int] = Selections(namespaces)
        self._numbers: dict[Peer, int] = {}
        self._peers: dict[int, Peer] = {}
        self._uses: dict[int, int] = {}
        self._spare: dict[int, None] = {}
        """Those that nobody holds, the one that was let go first at the front."""
        self._naming: dict[int, tuple[PortName, ...]] = {}
        """Those that ask for ports by name."""
        self._last = 0
        self._blocks: dict[int, Spans] = {}
        self._turned: list[Spans] = []
        """Where blocks came or went since the space was cut."""
        self.nodes: dict[str, Node] = {}
        self.node_labels: dict[str, Labels] = {}
        self._nodes_changed = False
        self.space = Space([], [], [])

    def hold(self, peer: Peer) -> int:
        """The number of a peer, held once more."""
        number = self._numbers.get(peer)
        if number is None:
            self._last += 1
            number = self._numbers[peer] = self._last
            self._peers[number] = peer
            self._begin(number, peer)
        self._spare.pop(number, None)
        self._uses[number] = self._uses.get(number, 0) + 1
        return number

    def release(self, number: int) -> None:
        """Held once less."""
        self._uses[number] -= 1
        if self._uses[number]:
            return
        if not isinstance(self._peers[number], PodsPeer | BlockPeer):
            self._forget(number)
            return
        self._spare[number] = None
        if len(self._spare) > SPARE:
            self._forget(next(iter(self._spare)))

    def _forget(self, number: int) -> None:
        self._spare.pop(number, None)
        del self._uses[number]
        peer = self._peers.pop(number)
        del self._numbers[peer]
        self._end(number, peer)

    def _begin(self, number: int, peer: Peer) -> None:
        if isinstance(peer, PodsPeer):
            self.selections.add_term(Term(number, peer.scope, peer.pods, peer.names))
            if peer.names:
                self._naming[number] = peer.names
        else:
            self._put_block(number, self._spans(peer))

    def _end(self, number: int, peer: Peer) -> None:
        if isinstance(peer, PodsPeer):
            self.selections.remove_term(number)
            self._naming.pop(number, None)
        else:
            self._put_block(number, ())

    def _put_block(self, number: int, spans: Spans) -> None:
        before = self._blocks.pop(number, ())
        if spans:
            self._blocks[number] = spans
        if before != spans:
            self._turned += [before, spans]

    def _spans(self, peer: Peer) -> Spans:
        if isinstance(peer, BlockPeer):
            return block_spans(peer.block)
        return union((at, at) for address in self._addresses(peer) for at in (point(address),))

    def _addresses(self, peer: Peer) -> Iterable[str]:
        if isinstance(peer, OwnNode):
            return self.own_node.addresses if self.own_node else ()
        if isinstance(peer, NodesPeer):
            taken = (n for n, node in self.nodes.items() if peer.nodes.matches(self.node_labels.get(n)))
            return [address for name in taken for address in self.nodes[name].addresses]
        return ()

    @property
    def own_node(self) -> Node | None:
        """This node, where it is known."""
        return self.nodes.get(self._node_name)

    def put_node(self, name: str, node: Node | None, labels: Labels) -> None:
        """A node came or changed, or went (None)."""
        before = self.nodes.get(name), self.node_labels.get(name)
        if node is None:
            self.nodes.pop(name, None)
            self.node_labels.pop(name, None)
        else:
            self.nodes[name] = node
            self.node_labels[name] = labels
        self._nodes_changed |= before != (self.nodes.get(name), self.node_labels.get(name))

    def recut(self) -> Spans:
        """Brings `space` up to date; where it may have changed."""
        if self._nodes_changed:
            self._nodes_changed = False
            for number, peer in self._peers.items():
                if isinstance(peer, NodesPeer | OwnNode):
                    self._put_block(number, self._spans(peer))
        if not self._turned:
            return ()
        turned = union(span for spans in self._turned for span in spans)
        self._turned.clear()
        self.space = cut(self._blocks)
        return turned

    def signatures(self, kinds: Iterable[Kind]) -> Iterator[tuple[Kind, frozenset[int], tuple[ContainerPort, ...]]]:
        """For each kind the peers that match it, and its ports that those call by name. Kinds share what is equal."""
        known: dict[frozenset[int], tuple[frozenset[int], list[PortName]]] = {}
        for kind in kinds:
            found = frozenset(self.selections.terms_of(kind))
            shared = known.get(found)
            if shared is None:
                names = [name for number, asked in self._naming.items() if number in found for name in asked]
                shared = known[found] = found, names
            numbers, names = shared
            yield kind, numbers, tuple(port for port in kind.ports if has_name(names, port)) if names else ()
