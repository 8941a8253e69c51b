"""What the kernel holds (Ruleset) and how it is changed (Transaction), as values."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

from portway.nftables.datatype import Type
from portway.nftables.statement import Goto, Jump, Operand, Rule, concatenation

TABLE = "portway"
"""`table inet portway`: all that is ours, and nothing else is."""


class Hook(Struct, frozen=True):
    """Where a base chain hangs."""

    type: str
    """"filter" | "nat"."""
    name: str
    """"prerouting" | "input" | "forward" | "output" | "postrouting"."""
    priority: int
    """Chains of one hook are passed in this order; -100 is dstnat, 0 filter, 100 srcnat."""

    def __str__(self) -> str:
        return f"type {self.type} hook {self.name} priority {self.priority}; policy accept;"


class Chain(Struct, frozen=True):
    """Rules in order; with a hook, a base chain."""

    name: str
    rules: tuple[Rule, ...] = ()
    hook: Hook | None = None
    of_behaviour: bool = False
    """Made and deleted with the elements that name it; the others stand."""
    of_stamp: bool = False
    """Stands, but its rules are replaced by the commit that changes elements, and after them."""
    fails_closed: bool = False
    """A base chain that stops what elements do not let through: where it is new, it comes after them."""

    @property
    def visits(self) -> frozenset[str]:
        """The chains that its rules name."""
        return frozenset(s.chain for rule in self.rules for s in rule if isinstance(s, (Jump, Goto)))


class Container(Struct, frozen=True):
    """A named set (no `value`) or map."""

    name: str
    key: tuple[Operand, ...]
    value: tuple[Operand, ...] = ()
    verdicts: bool = False
    """A map whose values are verdicts."""
    interval: bool = False
    """A set of ranges; an element's bytes are its first key and then its last. Ranges are disjoint."""
    learned: bool = False
    """Filled by packets; its elements expire and are not ours."""

    @property
    def keyword(self) -> str:
        """ "set" or "map"."""
        return "map" if self.value or self.verdicts else "set"

    @property
    def key_types(self) -> tuple[Type, ...]:
        """Of the key's parts."""
        return tuple(operand.type for operand in self.key)

    @property
    def value_types(self) -> tuple[Type, ...]:
        """Of the value's parts; empty for a set."""
        return (Type.VERDICT,) if self.verdicts else tuple(operand.type for operand in self.value)

    def __str__(self) -> str:
        value = "verdict" if self.verdicts else concatenation(self.value)
        types = f"{concatenation(self.key)} : {value}" if value else concatenation(self.key)
        # 262144 clients with a ServicePort each; at most some 40 MB of the kernel's memory
        flags = " flags dynamic,timeout; size 262144;" if self.learned else " flags interval;" if self.interval else ""
        return f"typeof {types};{flags}"


class Element(NamedTuple):
    """One entry of a set (`value` empty) or map; a verdict's value is its text, e.g. b"goto cluster4-3"."""

    container: str
    key: bytes
    value: bytes = b""


class Ruleset(Struct, frozen=True):
    """The content of our table."""

    containers: Mapping[str, Container] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    """By container, by key. Every container has its mapping, if an empty one."""


class Transaction(Struct, frozen=True):
    """A change. Applied in the order of its fields, so that at no moment anything points to what is not there."""

    add_containers: tuple[Container, ...] = ()
    set_chains: tuple[Chain, ...] = ()
    """New ones, and known ones whose rules are replaced."""
    delete: tuple[Element, ...] = ()
    add: tuple[Element, ...] = ()
    delete_chains: tuple[str, ...] = ()
    delete_containers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.add_containers, self.set_chains, self.delete, self.add, *self._endings()))

    def _endings(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.delete_chains, self.delete_containers

    @property
    def element_count(self) -> int:
        """How many elements it touches."""
        return len(self.delete) + len(self.add)
