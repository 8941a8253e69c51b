"""Peer classes: every other end that the rules in force treat alike, by number.

A **cell** is the addresses of one kind of pods in one piece of the address space (or such a piece itself); cells of one
signature make a class. A class keeps its number while some of it stays together: when all of its members change alike,
it is the same class with another signature, and no address has to be told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from portway.model import ContainerPort
from portway.policy.kinds import Kind
from portway.policy.space import Place, Space
from portway.policy.table import FIRST_CLASS, FIRST_PORT_SET, NOBODY


class Signature(NamedTuple):
    """All that rules can see of an end."""

    peers: frozenset[int]
    """The numbers of the peers that match."""
    ports: tuple[ContainerPort, ...]
    """Its ports that are called by name."""


_NOBODY = Signature(frozenset(), ())


class Cell:
    """Addresses of one signature."""

    __slots__ = ("addresses", "kind", "number", "piece", "place", "signature")

    def __init__(self, kind: Kind | None, place: Place) -> None:
        self.kind = kind
        self.place = place
        self.addresses: dict[str, None] = {}
        self.piece = False
        """It stands for a piece of the space, which has no pods."""
        self.number = NOBODY
        self.signature = _NOBODY

    def wanted(self) -> Signature:
        """What its signature should be."""
        if self.kind is None:
            return Signature(self.place, ())
        terms = self.kind.terms
        return Signature(terms | self.place if self.place else terms, self.kind.asked)


class Class:
    """Cells of one signature."""

    __slots__ = ("cells", "signature")

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.cells: dict[Cell, None] = {}


class Moved(NamedTuple):
    """An address whose class may have changed."""

    listed: int
    """Its number before as a pod's address; 0: it was none."""
    before: int
    """Its number before, by its pod or by the piece of space that it lies in."""


class Classes:
    """Put addresses in; `settle` numbers them."""

    def __init__(self) -> None:
        self.by_number: dict[int, Class] = {}
        self.of_peer: dict[int, dict[int, None]] = {}
        """The classes that a peer matches."""
        self.pieces: dict[Place, Cell] = {}
        self.moved: dict[str, Moved] = {}
        """Addresses that changed since this was cleared."""
        self.changed: dict[int, frozenset[int]] = {}
        """Classes that came, went or changed since this was cleared; the peers by which rules see it."""
        self.fresh: set[int] = set()
        """Those of them that came."""
        self._by_signature: dict[Signature, int] = {}
        self._cell_of: dict[str, Cell] = {}
        self._dirty: dict[Cell, None] = {}
        self._emptied: dict[Signature, int] = {}
        """The classes that the last change took all cells from."""
        self._last = FIRST_CLASS - 1

    def number_of(self, address: str) -> int:
        """The class of a pod's address; 0: it is none."""
        cell = self._cell_of.get(address)
        return 0 if cell is None else cell.number

    def signature_of(self, number: int) -> Signature:
        """Of a class, or of NOBODY."""
        return _NOBODY if number == NOBODY else self.by_number[number].signature

    def stayed(self, number: int) -> bool:
        """Whether a class was there before what changed and still is."""
        return number in self.by_number and number not in self.fresh

    def told(self) -> None:
        """Somebody knows what changed."""
        self.moved.clear()
        self.changed.clear()
        self.fresh.clear()

    @property
    def numbers(self) -> Mapping[str, int]:
        """All pods' addresses with their class, where it is not NOBODY."""
        return {address: cell.number for address, cell in self._cell_of.items() if cell.number != NOBODY}

    def place_of(self, address: str) -> Place:
        """Where a pod's address lies."""
        return self._cell_of[address].place

    def put(self, address: str, kind: Kind | None, place: Place, outside: int) -> None:
        """A pod's address is of that kind and lies there; without a kind it is no pod's any more.

        `outside`: the class of the address while it is no pod's, as last settled.
        """
        old = self._cell_of.get(address)
        if old is not None and old.kind is kind and old.place == place:
            return
        self._note(address, outside)
        if old is not None:
            del old.addresses[address]
            self._cell_of.pop(address)
            if not old.addresses:
                self._dirty[old] = None
        if kind is not None:
            cell = kind.cells.get(place)
            if cell is None:
                cell = kind.cells[place] = Cell(kind, place)
            if not cell.addresses:
                self._dirty[cell] = None
            cell.addresses[address] = None
            self._cell_of[address] = cell

    def _note(self, address: str, outside: int = NOBODY) -> None:
        if address not in self.moved:
            listed = self.number_of(address)
            self.moved[address] = Moved(listed, listed or outside)

    def put_kind(self, kind: Kind) -> None:
        """What peers see of a kind changed."""
        self._dirty.update(dict.fromkeys(kind.cells.values()))

    def put_space(self, space: Space) -> None:
        """The space was cut anew."""
        places = dict.fromkeys(space.places)
        for place, cell in self.pieces.items():
            if place not in places:
                cell.piece = False
                self._dirty[cell] = None
        for place in places:
            if place not in self.pieces:
                cell = self.pieces[place] = Cell(None, place)
                cell.piece = True
                self._dirty[cell] = None

    def settle(self) -> None:
        """Numbers what changed."""
        left: dict[int, Class] = {}
        groups: dict[Signature, list[Cell]] = {}
        for cell in self._dirty:
            alive = cell.piece or bool(cell.addresses)
            if not alive:
                self._forget(cell)
            wanted = cell.wanted() if alive else _NOBODY
            if wanted != cell.signature:
                self._part(cell, left)
                if alive:
                    groups.setdefault(wanted, []).append(cell)
        self._dirty.clear()
        self._emptied = {own.signature: number for number, own in left.items()}
        for signature, cells in sorted(groups.items(), key=lambda group: -_weight(group[1])):
            self._join(cells, signature, left)
        for number, gone in left.items():
            self._changed(number, gone.signature, _NOBODY)
            self._list(number, gone.signature, _NOBODY)
            del self.by_number[number]

    def _forget(self, cell: Cell) -> None:
        held = self.pieces if cell.kind is None else cell.kind.cells
        held.pop(cell.place, None)

    def _part(self, cell: Cell, left: dict[int, Class]) -> None:
        """Takes a cell out of its class; a class without any is left over."""
        was = Moved(cell.number, cell.number)
        for address in cell.addresses:
            self.moved.setdefault(address, was)
        if cell.number == NOBODY:
            return
        own = self.by_number[cell.number]
        del own.cells[cell]
        if not own.cells:
            left[cell.number] = own
            del self._by_signature[own.signature]

    def _join(self, cells: list[Cell], signature: Signature, left: dict[int, Class]) -> None:
        number = NOBODY if signature == _NOBODY else self._number(cells, signature, left)
        for cell in cells:
            cell.number = number
            cell.signature = signature
            if number != NOBODY:
                self.by_number[number].cells[cell] = None

    def _number(self, cells: list[Cell], signature: Signature, left: dict[int, Class]) -> int:
        """That of the class of this signature: there already, left over with it or by most of these cells, or new."""
        found = self._by_signature.get(signature)
        if found is not None:
            return found
        number = self._emptied.get(signature, 0)
        if number not in left:
            votes = Counter[int]()
            for cell in cells:
                votes[cell.number] += len(cell.addresses) + 1
            number = next((number for number, _ in votes.most_common() if number in left), 0)
        if number:
            own = left.pop(number)
            self._changed(number, own.signature, signature)
            self._list(number, own.signature, signature)
            own.signature = signature
        else:
            number = self._next()
            self.by_number[number] = Class(signature)
            self.fresh.add(number)
            self._changed(number, _NOBODY, signature)
            self._list(number, _NOBODY, signature)
        self._by_signature[signature] = number
        return number

    def _next(self) -> int:
        """A number that is free and was not in use lately."""
        while True:
            self._last = self._last + 1 if self._last < FIRST_PORT_SET - 1 else FIRST_CLASS
            if self._last not in self.by_number:
                return self._last

    def _list(self, number: int, before: Signature, now: Signature) -> None:
        for peer in before.peers - now.peers:
            group = self.of_peer[peer]
            del group[number]
            if not group:
                del self.of_peer[peer]
        for peer in now.peers - before.peers:
            self.of_peer.setdefault(peer, {})[number] = None

    def _changed(self, number: int, before: Signature, now: Signature) -> None:
        """Rules that speak of peers on which both agree see no change, unless ports' names do."""
        alike = before.ports == now.ports
        peers = before.peers ^ now.peers if alike else before.peers | now.peers
        self.changed[number] = self.changed.get(number, frozenset()) | peers


def _weight(cells: Iterable[Cell]) -> int:
    return sum(len(cell.addresses) + 1 for cell in cells)
