"""A table and a change make the next table."""

from collections.abc import Mapping
from typing import TypeVar

from portway.policy.table import PolicyChange, PolicyTable

_K = TypeVar("_K")
_V = TypeVar("_V")


def apply(table: PolicyTable, change: PolicyChange) -> PolicyTable:
    """What a node holds that was told the change."""
    return PolicyTable(
        pods=_merged(table.pods, change.pods),
        classes=_merged(table.classes, change.classes),
        ranges=_merged(table.ranges, change.ranges),
        pairs=_merged(table.pairs, change.pairs),
        ports=_merged(table.ports, change.ports),
        own_node=table.own_node if change.own_node is None else change.own_node,
        hairpin_judged=frozenset(_merged(dict.fromkeys(table.hairpin_judged, True), change.hairpin_judged)),
    )


def _merged(held: Mapping[_K, _V], changes: Mapping[_K, _V | None]) -> dict[_K, _V]:
    kept = {key: value for key, value in held.items() if key not in changes}
    return {**kept, **{key: value for key, value in changes.items() if value is not None}}
