"""Which nodes a packet from outside cannot tell apart, as it comes through a node to the pods behind one frontend.

A node counts by its zone, by what policies' address blocks and node selectors say of its addresses, and by which kinds
of endpoints are on it and elsewhere. One node of each class answers for all, however many there are.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping

from msgspec import Struct

from portway.model import Labels, LabelSelector, Node, contains, family_of


class Speaks(Struct, frozen=True):
    """What the policies in question say of clients' addresses."""

    cidrs: frozenset[str] = frozenset()
    nodes: frozenset[LabelSelector] = frozenset()


class NodeClasses:
    """The nodes of a cluster, in their order; grouped once for each different thing that policies say of them."""

    def __init__(self, nodes: Iterable[Node], labels: Mapping[str, Labels]) -> None:
        self._nodes = {node.name: node for node in nodes if node.addresses}
        self._order = {name: number for number, name in enumerate(self._nodes)}
        self._labels = labels
        self._groups: dict[Speaks, tuple[Mapping[str, Hashable], Mapping[Hashable, list[str]]]] = {}
        """What is said of each node, and those of whom it is said."""

    def firsts(self, speaks: Speaks, endpoints: Iterable[tuple[str, Hashable]]) -> list[Node]:
        """The first node of each class. `endpoints`: each one's node and kind; those of a kind are treated alike."""
        here: dict[str, set[Hashable]] = {}
        homes: dict[Hashable, set[str]] = {}
        for node, kind in endpoints:
            here.setdefault(node, set()).add(kind)
            homes.setdefault(kind, set()).add(node)
        group_of, groups = self._grouped(speaks)
        found = {group: next((name for name in names if name not in here), "") for group, names in groups.items()}
        for name in sorted(here.keys() & group_of.keys(), key=self._order.__getitem__):
            only = frozenset(kind for kind in here[name] if len(homes[kind]) == 1)
            found.setdefault((group_of[name], frozenset(here[name]), only), name)
        return [self._nodes[name] for name in sorted(filter(None, found.values()), key=self._order.__getitem__)]

    def _grouped(self, speaks: Speaks) -> tuple[Mapping[str, Hashable], Mapping[Hashable, list[str]]]:
        if speaks not in self._groups:
            group_of = {node.name: tuple(self._said(node, speaks)) for node in self._nodes.values()}
            groups: dict[Hashable, list[str]] = {}
            for name, group in group_of.items():
                groups.setdefault(group, []).append(name)
            self._groups[speaks] = group_of, groups
        return self._groups[speaks]

    def _said(self, node: Node, speaks: Speaks) -> Iterator[Hashable]:
        yield node.zone
        yield tuple(map(family_of, node.addresses))
        for cidr in sorted(speaks.cidrs):
            yield tuple(contains(cidr, address) for address in node.addresses)
        for selector in sorted(speaks.nodes, key=str):
            yield selector.matches(self._labels.get(node.name))
