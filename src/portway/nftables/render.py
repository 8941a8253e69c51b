"""Rulesets and transactions as nft text."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from portway.nftables.datatype import interval_text, text
from portway.nftables.policy_structure import policy_containers
from portway.nftables.ruleset import TABLE, Chain, Container, Element, Ruleset, Transaction
from portway.nftables.structure import containers

_OURS = f"inet {TABLE}"
_KNOWN = {container.name: container for container in (*containers(), *policy_containers())}


def element_text(container: Container, key: bytes, value: bytes = b"") -> str:
    """`10.96.0.1 . tcp . 80 : goto cluster4-3`."""
    write = interval_text if container.interval else text
    shown = write(container.key_types, key)
    return f"{shown} : {text(container.value_types, value)}" if value else shown


def structure(transaction: Transaction, named: Iterable[Chain] = ()) -> str:
    """The part that adds: containers and chains. Repeating it changes nothing; every set chain is emptied first, but
    those that are only `named` are made when they are missing and stay as they are.
    """
    lines = [f"add table {_OURS}"] if transaction.add_containers else []
    lines += [f"add {c.keyword} {_OURS} {c.name} {{ {c} }}" for c in transaction.add_containers]
    lines += map(_declaration, named)
    for chain in transaction.set_chains:
        lines += [_declaration(chain), f"flush chain {_OURS} {chain.name}"]
    lines += [rule for chain in transaction.set_chains for rule in _rules(chain)]
    return "".join(line + "\n" for line in lines)


def _declaration(chain: Chain) -> str:
    return f"add chain {_OURS} {chain.name}" + (f" {{ {chain.hook} }}" if chain.hook else "")


def _rules(chain: Chain) -> Iterator[str]:
    for rule in chain.rules:
        written = " ".join(map(str, rule))
        yield written if written.startswith("#") else f"add rule {_OURS} {chain.name} {written}"


def elements(transaction: Transaction, known: Mapping[str, Container] = _KNOWN) -> str:
    """The part that changes elements."""
    return "".join(
        [*_element_lines("delete", transaction.delete, known), *_element_lines("add", transaction.add, known)]
    )


def _element_lines(verb: str, changed: Iterable[Element], known: Mapping[str, Container]) -> Iterator[str]:
    for name, group in groupby(changed, lambda element: element.container):
        # nft finds an element to delete by its key alone
        written = (element_text(known[name], e.key, e.value if verb == "add" else b"") for e in group)
        yield f"{verb} element {_OURS} {name} {{ {', '.join(written)} }}\n"


def endings(transaction: Transaction) -> str:
    """The part that deletes chains and containers, once nothing points to them."""
    chains = "".join(f"flush chain {_OURS} {name}\n" for name in transaction.delete_chains)
    chains += "".join(f"delete chain {_OURS} {name}\n" for name in transaction.delete_chains)
    keywords = ((_KNOWN[name].keyword if name in _KNOWN else "set", name) for name in transaction.delete_containers)
    return chains + "".join(f"delete {keyword} {_OURS} {name}\n" for keyword, name in keywords)


def render(what: Transaction | Ruleset) -> str:
    """Input for `nft -f`: a transaction's commands, or those that make a ruleset from nothing."""
    transaction = what if isinstance(what, Transaction) else creation(what)
    return structure(transaction) + elements(transaction) + endings(transaction)


def creation(ruleset: Ruleset) -> Transaction:
    """The transaction that makes a ruleset from nothing."""
    found = (Element(name, key, value) for name, held in ruleset.elements.items() for key, value in held.items())
    return Transaction(tuple(ruleset.containers.values()), tuple(ruleset.chains.values()), add=tuple(found))
