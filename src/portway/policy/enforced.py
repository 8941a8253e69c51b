"""What the node was told last, and the change that tells it the rest."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from portway.model import Direction, Node, contains
from portway.policy.classes import Classes
from portway.policy.portsets import PortSets
from portway.policy.profiles import View
from portway.policy.revocation import Shift, shrinks
from portway.policy.space import Space, address_range, point
from portway.policy.spans import Span
from portway.policy.table import NOBODY, Constrained, Pair, PolicyChange, PolicyTable


class Views(NamedTuple):
    """What is said of one address of this node; None: not constrained in that direction."""

    ingress: View | None
    egress: View | None

    @property
    def constrained(self) -> Constrained:
        """In which directions."""
        return Constrained(self.ingress is not None, self.egress is not None)

    def directions(self) -> Iterable[tuple[Direction, View | None]]:
        """Both."""
        return ("Ingress", self.ingress), ("Egress", self.egress)


_SILENT = Views(None, None)


class Enforced:
    """The node's table, as parts that it shares with those who computed them."""

    def __init__(self, classes: Classes, port_sets: PortSets) -> None:
        self._classes = classes
        self._port_sets = port_sets
        self._views: dict[str, Views] = {}
        self._ranges: dict[Span, int] = {}
        self._hairpins: frozenset[str] = frozenset()
        self._node: Node | None = None

    @property
    def table(self) -> PolicyTable:
        """All of it."""
        return PolicyTable(
            pods={address: views.constrained for address, views in self._views.items()},
            classes=self._classes.numbers,
            ranges={address_range(piece): number for piece, number in self._ranges.items()},
            pairs={
                Pair(direction, address, other): number
                for address, views in self._views.items()
                for direction, view in views.directions()
                for other, number in (view or {}).items()
            },
            ports=self._port_sets.ranges,
            own_node=_addresses(self._node),
            hairpin_judged=self._hairpins,
        )

    def change(
        self, views: Mapping[str, Views], space: Space, hairpins: frozenset[str], node: Node | None
    ) -> PolicyChange:
        """From what was told to this, which is what was told from then on."""
        was_own, own = _addresses(self._node), _addresses(node)
        ranges, narrowed = self._take_ranges(space)
        classes, shifts = self._take_classes(space)
        shifts.update((NOBODY, number) for number in ranges.values() if number is not None)
        narrowed |= bool(set(was_own) - set(own)) or any(self._old(views, hairpins - self._hairpins))
        pods, pairs, shrinks = self._take_views(views, shifts)
        change = PolicyChange(
            pods=pods,
            classes=classes,
            ranges={address_range(piece): number for piece, number in ranges.items()},
            pairs=pairs,
            ports=self._port_sets.take(),
            hairpin_judged={
                **dict.fromkeys(self._hairpins - hairpins),
                **dict.fromkeys(hairpins - self._hairpins, True),
            },
            own_node=own if own != was_own else None,
            revokes=narrowed or shrinks,
        )
        self._hairpins, self._node = hairpins, node
        return change

    def _old(self, views: Mapping[str, Views], addresses: Iterable[str]) -> Iterable[str]:
        """Those of the addresses that the node knew before."""
        return (address for address in addresses if address in self._views)

    def _take_ranges(self, space: Space) -> tuple[dict[Span, int | None], bool]:
        """The pieces that changed, and whether any did that was there."""
        cells = self._classes.pieces
        now = {piece: cells[place].number for piece, place in space.pieces()}
        changed: dict[Span, int | None] = dict.fromkeys(self._ranges.keys() - now.keys())
        changed.update(now.items() - self._ranges.items())
        narrowed = not changed.keys().isdisjoint(self._ranges)
        self._ranges = now
        return dict(sorted(changed.items())), narrowed and bool(self._views)

    def _take_classes(self, space: Space) -> tuple[dict[str, int | None], set[Shift]]:
        """Pods' addresses whose number changed, and from which class to which other ends went."""
        changed: dict[str, int | None] = {}
        shifts: set[Shift] = set()
        for address, (listed, before) in self._classes.moved.items():
            number = self._classes.number_of(address)
            if number != listed and (number > NOBODY or listed > NOBODY):
                changed[address] = number if number > NOBODY else None
            now = number or self._outside(space, address)
            if now != before:
                shifts.add((before, now))
        return changed, shifts

    def _outside(self, space: Space, address: str) -> int:
        """The class of an address that is no pod's."""
        cell = self._classes.pieces.get(space.at(point(address)))
        return cell.number if cell else NOBODY

    def _take_views(
        self, views: Mapping[str, Views], shifts: set[Shift]
    ) -> tuple[dict[str, Constrained | None], dict[Pair, int | None], bool]:
        """This node's addresses that changed, their pairs, and whether any may do less than before."""
        gone = self._views.keys() - views.keys()
        told = _Told(self._classes, self._port_sets, shifts)
        pods: dict[str, Constrained | None] = {}
        for address in sorted(gone):
            pods[address] = None
            told.tell(address, self._views.pop(address), _SILENT)
        for address, now in views.items():
            before = self._views.get(address)
            if before is None or before.constrained != now.constrained:
                pods[address] = now.constrained
            told.tell(address, _SILENT if before is None and self._was_open(address) else before, now)
            self._views[address] = now
        return pods, told.pairs, told.revokes or bool(gone)

    def _was_open(self, address: str) -> bool:
        """Whether packets to and from an address passed while it was no pod's here: another node's pod may have had
        it. Those of our own pod CIDRs did not.
        """
        return self._node is None or not any(contains(cidr, address) for cidr in self._node.pod_cidrs)


def _addresses(node: Node | None) -> tuple[str, ...]:
    return node.addresses if node else ()


class _Told:
    """Collects pairs; pods that are told the same are compared once.

    By identity: views are replaced, never changed, and all of both times live while this does.
    """

    def __init__(self, classes: Classes, port_sets: PortSets, shifts: set[Shift]) -> None:
        self.pairs: dict[Pair, int | None] = {}
        self.revokes = False
        self._classes = classes
        self._port_sets = port_sets
        self._shifts = shifts
        self._differences: dict[tuple[int, int], dict[int, int | None]] = {}
        self._checked: set[tuple[int, int]] = set()

    def tell(self, address: str, before: Views | None, now: Views) -> None:
        """An address that was told `before` (None: nothing, it was closed) is told `now`."""
        for (direction, old), (_, new) in zip((before or _SILENT).directions(), now.directions(), strict=True):
            if old is not new:
                for other, number in self._difference(old, new).items():
                    self.pairs[Pair(direction, address, other)] = number
            if before is not None and not self.revokes:
                self._check(old, new)

    def _difference(self, before: View | None, now: View | None) -> Mapping[int, int | None]:
        key = id(before), id(now)
        found = self._differences.get(key)
        if found is None:
            old, new = before or {}, now or {}
            found = self._differences[key] = dict.fromkeys(old.keys() - new.keys())
            found.update(new.items() - old.items())
        return found

    def _check(self, before: View | None, now: View | None) -> None:
        key = id(before), id(now)
        if key not in self._checked:
            self._checked.add(key)
            self.revokes = shrinks(before, now, self._shifts, self._classes, self._port_sets)
