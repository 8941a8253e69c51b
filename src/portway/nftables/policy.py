"""PolicyTable → Ruleset, once as a whole and then change by change: what a node enforces of policies.

Rules and chains are constant (policy_structure.py); pods, classes, pairs and ports are elements. Each change gives the
stamps a new number, so that connections are judged again: those that were denied, after any change; those that were
allowed, after a change that revokes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain as chained
from itertools import starmap
from typing import TypeVar

from portway.nftables import policy_elements as entry
from portway.nftables.datatype import native
from portway.nftables.policy_elements import Entry
from portway.nftables.policy_structure import (
    GENERATION,
    PolicyConfig,
    policy_chains,
    policy_containers,
    stamping_chains,
)
from portway.nftables.ruleset import Chain, Element, Ruleset, Transaction
from portway.policy import PolicyChange, PolicyTable
from portway.policy.table import Constrained

FIRST_GENERATION, LAST_GENERATION = 1, 0xFFFF
"""0 stands for connections that nobody stamped."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class PolicyProgram:
    """A Ruleset that follows a PolicyTable. It begins with an empty one: every pod of the node is closed.

    `generation`: the number of the first stamps; one that no connection can have (see `next_generation`).
    """

    def __init__(self, config: PolicyConfig, generation: int = FIRST_GENERATION) -> None:
        self.config = config
        self.generation = generation
        """The number of the latest change; it goes round."""
        self._judged_at = generation
        self._pods: dict[str, Constrained] = {}
        self._hairpin_judged: set[str] = set()
        self._own_node: tuple[str, ...] = ()
        self._containers = {container.name: container for container in policy_containers()}
        self._standing = {chain.name: chain for chain in policy_chains(config)}
        self._elements: dict[str, dict[bytes, bytes]] = {name: {} for name in self._containers}
        self._elements[GENERATION.name] = {native(generation): b""}

    @property
    def ruleset(self) -> Ruleset:
        """What the kernel should hold of policies now; a view whose elements later updates change."""
        chains = {chain.name: chain for chain in self._stamping()}
        return Ruleset(self._containers, chains | self._standing, self._elements)

    @property
    def wraps_next(self) -> bool:
        """Whether the next change begins with the first number again. Before that, stamps but `stamp` must be wiped
        from the kernel's connections: an idle one could bear that number from its last time.
        """
        return self.generation == LAST_GENERATION

    @property
    def stamp(self) -> int:
        """What connections bear that are allowed as things stand."""
        return self._judged_at << 16

    def load(self, table: PolicyTable) -> None:
        """Be what the table says, where nobody asks for the transaction, because `ruleset` will be compared."""
        self._pods, self._hairpin_judged = dict(table.pods), set(table.hairpin_judged)
        self._own_node = table.own_node
        for name, held in self._elements.items():
            if name != GENERATION.name:
                held.clear()
        of_pods = (entry.of_pod(a, c, a in table.hairpin_judged) for a, c in table.pods.items())
        own = (entry.own_node(address, True) for address in table.own_node)
        for container, key, value in chained(chained.from_iterable(of_pods), own, _plain(table)):
            if value is not None:
                self._elements[container][key] = value
        self._advance(revokes=True)

    def update(self, change: PolicyChange) -> Transaction:
        """Take in the change; how the kernel must change. Nothing for a change that is none."""
        if not change:
            return Transaction()
        delete, add = self._take(chained(self._of_pods(change), self._of_node(change), _plain(change)))
        was, now = self._advance(change.revokes)
        return Transaction(set_chains=self._stamping(), delete=(*delete, was), add=(*add, now))

    def judge_again(self) -> Transaction:
        """Let every open connection be judged again: somebody else changed the rules, and they were put right."""
        return self.update(PolicyChange(revokes=True))

    def _take(self, entries: Iterable[Entry]) -> tuple[list[Element], list[Element]]:
        delete: list[Element] = []
        add: list[Element] = []
        for container, key, value in entries:
            held = self._elements[container]
            was = held.get(key)
            if was == value:
                continue
            if was is not None:
                delete.append(Element(container, key, was))
                del held[key]
            if value is not None:
                add.append(Element(container, key, value))
                held[key] = value
        return delete, add

    def _of_pods(self, change: PolicyChange) -> Iterator[Entry]:
        for address, judged in change.hairpin_judged.items():
            (self._hairpin_judged.add if judged else self._hairpin_judged.discard)(address)
        for address, constrained in change.pods.items():
            if constrained is None:
                self._pods.pop(address, None)
            else:
                self._pods[address] = constrained
            yield from entry.of_pod(address, constrained, address in self._hairpin_judged)
        for address in change.hairpin_judged.keys() - change.pods.keys():
            yield entry.hairpin(address, address in self._pods and address not in self._hairpin_judged)

    def _of_node(self, change: PolicyChange) -> Iterator[Entry]:
        if change.own_node is None:
            return
        for address in dict.fromkeys((*self._own_node, *change.own_node)):
            yield entry.own_node(address, address in change.own_node)
        self._own_node = change.own_node

    def _advance(self, revokes: bool) -> tuple[Element, Element]:
        """The number's old and new element."""
        was = self.generation
        self.generation = next_generation(was)
        if revokes:
            self._judged_at = self.generation
        self._elements[GENERATION.name] = {native(self.generation): b""}
        return Element(GENERATION.name, native(was)), Element(GENERATION.name, native(self.generation))

    def _stamping(self) -> tuple[Chain, ...]:
        return stamping_chains(self._judged_at, self.generation)


def next_generation(generation: int) -> int:
    """The number after this one."""
    return FIRST_GENERATION if generation >= LAST_GENERATION else generation + 1


def _plain(what: PolicyTable | PolicyChange) -> Iterator[Entry]:
    """Entries that become one element each."""
    yield from _each(entry.of_class, what.classes)
    yield from _each(entry.of_range, what.ranges)
    yield from _each(entry.of_pair, what.pairs)
    yield from _each(entry.of_ports, what.ports)


def _each(function: Callable[[_Key, _Value], Entry], entries: Mapping[_Key, _Value]) -> Iterator[Entry]:
    return starmap(function, entries.items())
