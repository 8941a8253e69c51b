"""The life of an IPAddressPool in the API: hooks of its Kind.

Pools may not overlap, so that every address has one pool; as MetalLB's webhook has it, which this stands in for.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError, invalid
from portway.kubeapi.kinds import Claims
from portway.kubeapi.metadata import validate_label_selector
from portway.model.loadbalancer import AddressRange, parse_range

_FIELD = "spec.addresses"
Key = tuple[str, str]


class Pools:
    """The ranges of all stored pools."""

    def __init__(self) -> None:
        self.ranges: dict[Key, tuple[AddressRange, ...]] = {}

    def observe(self, pool: Doc) -> None:
        """A stored pool, at start-up."""
        self.ranges[_key(pool)] = tuple(part for _, part in _readable(pool))


class _Claim:
    """One request's claim on ranges: made last, or forgotten."""

    def __init__(self, pools: Pools, key: Key, ranges: tuple[AddressRange, ...] | None) -> None:
        self._pools, self._key, self._ranges = pools, key, ranges

    def commit(self) -> None:
        """The pool is stored, or gone."""
        if self._ranges is None:
            self._pools.ranges.pop(self._key, None)
        else:
            self._pools.ranges[self._key] = self._ranges

    def rollback(self) -> None:
        """Nothing was taken."""


class _Nothing(_Claim):
    """A dry run's."""

    def commit(self) -> None:
        """Nothing is stored."""


def begin_create(pool: Doc, cluster: Any, dry_run: bool) -> Claims:
    """Kind hook: refuses ranges that another pool has."""
    _refuse_overlaps(pool, cluster.pools)
    return (_Nothing if dry_run else _Claim)(cluster.pools, _key(pool), tuple(p for _, p in _readable(pool)))


def begin_update(pool: Doc, old: Doc, cluster: Any, dry_run: bool) -> Claims:
    """Kind hook: as for a new one."""
    return begin_create(pool, cluster, dry_run)


def begin_delete(pool: Doc, cluster: Any) -> Claims:
    """Kind hook: its ranges are free."""
    return _Claim(cluster.pools, _key(pool), None)


def prepare_create(pool: Doc) -> None:
    """Kind hook: a new pool has no status."""
    pool.pop("status", None)


def default(pool: Doc) -> None:
    """Kind hook: the definition's defaults."""
    if isinstance(spec := pool.get("spec"), dict):
        spec.setdefault("autoAssign", True)
        spec.setdefault("avoidBuggyIPs", False)


def validate(pool: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook."""
    return list(_spec(pool))


def _spec(pool: Doc) -> Iterator[FieldError]:
    spec = pool.get("spec")
    if spec is None:
        yield fault.required("spec")
        return
    if not spec.get("addresses"):
        yield fault.required(_FIELD, "at least one CIDR or range is needed")
    yield from _bad_ranges(spec.get("addresses") or ())
    for (i, one), (j, other) in combinations(_readable(pool), 2):
        if one.overlaps(other):
            yield fault.invalid(f"{_FIELD}[{j}]", spec["addresses"][j], f"overlaps {spec['addresses'][i]} of this pool")
    yield from _allocation(spec.get("serviceAllocation") or {})


def _bad_ranges(texts: Any) -> Iterator[FieldError]:
    for index, text in enumerate(texts):
        try:
            parse_range(text)
        except ValueError as error:
            yield fault.invalid(f"{_FIELD}[{index}]", text, str(error))


def _allocation(allocation: Doc) -> Iterator[FieldError]:
    for name in ("namespaceSelectors", "serviceSelectors"):
        for index, selector in enumerate(allocation.get(name) or ()):
            yield from validate_label_selector(f"spec.serviceAllocation.{name}[{index}]", selector)


def _refuse_overlaps(pool: Doc, pools: Pools) -> None:
    """Raises ApiError 422."""
    found = [
        fault.invalid(f"{_FIELD}[{index}]", pool["spec"]["addresses"][index], f"overlaps {other} of pool {name[1]}")
        for index, part in _readable(pool)
        for name, others in pools.ranges.items()
        if name != _key(pool)
        for other in others
        if part.overlaps(other)
    ]
    if found:
        raise invalid("IPAddressPool", _key(pool)[1], found, "metallb.io")


def _readable(pool: Doc) -> Iterator[tuple[int, AddressRange]]:
    """Its ranges with their indexes; those that cannot be read are `validate`'s to refuse."""
    for index, text in enumerate((pool.get("spec") or {}).get("addresses") or ()):
        try:
            yield index, parse_range(text)
        except ValueError:
            continue


def _key(pool: Doc) -> Key:
    metadata = pool.get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""
