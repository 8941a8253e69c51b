"""Services' and policies' rulesets as one table, and their changes as one commit."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from itertools import chain
from typing import TypeVar, cast

from portway.nftables.ruleset import Ruleset, Transaction

_Value = TypeVar("_Value")


def unite_rulesets(*rulesets: Ruleset) -> Ruleset:
    """All of them in one table; a view, as they are. What they name differs."""
    return Ruleset(
        _one([r.containers for r in rulesets]), _one([r.chains for r in rulesets]), _one([r.elements for r in rulesets])
    )


def _one(mappings: list[Mapping[str, _Value]]) -> Mapping[str, _Value]:
    # Nothing is copied: a Program's elements are made when they are asked for.
    return ChainMap(*(cast(MutableMapping[str, _Value], each) for each in mappings))


def unite_transactions(*transactions: Transaction) -> Transaction:
    """One transaction that does what all of them do."""
    return Transaction(
        *(tuple(chain.from_iterable(getattr(t, name) for t in transactions)) for name in Transaction.__struct_fields__)
    )
