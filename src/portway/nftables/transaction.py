"""What leads from one Ruleset to another, and what a transaction makes of one: the kernel's rules, in memory."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Literal

from portway.nftables.ruleset import Chain, Element, Ruleset, Transaction

_Elements = list[Element]
Errno = Literal["EEXIST", "ENOENT", "EBUSY"]


class KernelError(Exception):
    """What the kernel would refuse: nothing of the transaction happens."""

    def __init__(self, code: Errno, subject: str) -> None:
        super().__init__(f"{code}: {subject}")
        self.code: Errno = code
        self.subject = subject


def diff(old: Ruleset, new: Ruleset) -> Transaction:
    """The transaction that makes `new` of `old`. Compares everything; a Program knows what changed.

    A container whose declaration changed is deleted and made anew, which the kernel allows only when no rule needs
    it: what is ours never changes a declaration under its name.
    """
    fresh = [c for name, c in new.containers.items() if old.containers.get(name) != c]
    stale = [name for name, c in old.containers.items() if new.containers.get(name) != c]
    delete: list[Element] = []
    add: list[Element] = []
    for name in old.elements.keys() | new.elements.keys():
        was, now = old.elements.get(name, {}), new.elements.get(name, {})
        gone, come = _differences(name, was, now)
        delete += gone if name not in stale else []
        add += come
    return Transaction(
        add_containers=tuple(fresh),
        set_chains=tuple(c for name, c in new.chains.items() if old.chains.get(name) != c),
        delete=tuple(delete),
        add=tuple(add),
        delete_chains=tuple(name for name in reversed(list(old.chains)) if name not in new.chains),
        delete_containers=tuple(name for name in stale if name not in new.containers),
    )


def _differences(name: str, was: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> tuple[_Elements, _Elements]:
    """What goes and what comes. Both are gone through once: one of them may be made meanwhile."""
    left = dict(was.items())
    gone: list[Element] = []
    come: list[Element] = []
    for key, value in now.items():
        held = left.pop(key, None)
        if held != value:
            come.append(Element(name, key, value))
            if held is not None:
                gone.append(Element(name, key, held))
    return gone + [Element(name, key, value) for key, value in left.items()], come


def missing(name: str, some: Mapping[bytes, bytes], others: Mapping[bytes, bytes]) -> Iterator[Element]:
    """The elements `some` of the container `name` that `others` lack, or hold with another value."""
    if not others:
        return map(Element._make, zip(repeat(name), some.keys(), some.values(), strict=False))
    return (Element(name, key, value) for key, value in some.items() if others.get(key) != value)


def apply(ruleset: Ruleset, transaction: Transaction) -> Ruleset:
    """The ruleset after the transaction; as the kernel does, all of it or (KernelError) nothing."""
    containers, chains = dict(ruleset.containers), dict(ruleset.chains)
    for container in transaction.add_containers:
        if containers.setdefault(container.name, container) != container:
            raise KernelError("EEXIST", container.name)
    elements = {name: dict(ruleset.elements.get(name, {})) for name in containers}
    chains.update((chain.name, chain) for chain in transaction.set_chains)
    _apply_elements(elements, transaction)
    for name in transaction.delete_chains:
        _delete_chain(chains, elements, containers, name, transaction.delete_chains)
    for name in transaction.delete_containers:
        if containers.pop(name, None) is None:
            raise KernelError("ENOENT", name)
        elements.pop(name)
    _check_targets(chains)
    return type(ruleset)(containers, chains, elements)


def _apply_elements(elements: dict[str, dict[bytes, bytes]], transaction: Transaction) -> None:
    for element in transaction.delete:
        if elements.get(element.container, {}).pop(element.key, None) is None:
            raise KernelError("ENOENT", f"element of {element.container}")
    for element in transaction.add:
        if element.container not in elements:
            raise KernelError("ENOENT", element.container)
        if elements[element.container].setdefault(element.key, element.value) != element.value:
            raise KernelError("EEXIST", f"element of {element.container}")


def _delete_chain(
    chains: dict[str, Chain],
    elements: Mapping[str, Mapping[bytes, bytes]],
    containers: Mapping[str, object],
    name: str,
    going: tuple[str, ...],
) -> None:
    if chains.pop(name, None) is None:
        raise KernelError("ENOENT", name)
    named = {f"goto {name}".encode(), f"jump {name}".encode()}
    by_rule = any(name in chain.visits for other, chain in chains.items() if other not in going)
    if by_rule or any(not named.isdisjoint(held.values()) for held in elements.values() if held):
        raise KernelError("EBUSY", name)


def _check_targets(chains: Mapping[str, Chain]) -> None:
    for chain in chains.values():
        for target in chain.visits - chains.keys():
            raise KernelError("ENOENT", target)
