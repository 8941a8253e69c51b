"""The fields of every API type that Portway knows, as data.

One description serves everyone who needs to know what a field is: strict decoding, strategic merge patch,
server-side apply, the OpenAPI documents and `kubectl explain`. The other modules of this package hold it as text,
in the notation of `notation.py`; it is read once, on first use of `TYPES`. Level: Kubernetes 1.36.

A **Type** has **Field**s; a Field's `type` is a scalar's name (`SCALARS`), `object` for free-form JSON, or the name
of another Type. Go's type name is the Type's name; where two API groups share one, the second is qualified, as in
`discovery.EndpointPort`.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from portway.kubeapi.schema.notation import SCALARS, Field, Type, read

__all__ = ["SCALARS", "TYPES", "Field", "Type", "field_at"]


class _Types(Mapping[str, Type]):
    """Type by name; reads the texts when first asked."""

    def __getitem__(self, name: str) -> Type:
        return _load()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_load())

    def __len__(self) -> int:
        return len(_load())


TYPES: Mapping[str, Type] = _Types()


@lru_cache(maxsize=1)
def _load() -> dict[str, Type]:
    from portway.kubeapi.schema import (
        access,
        core,
        gateway,
        meta,
        metallb,
        networking,
        pods,
        policies,
        scaling,
        volumes,
        workloads,
    )

    modules = (meta, core, pods, volumes, workloads, networking, policies, metallb, gateway, scaling, access)
    return {t.name: t for module in modules for t in read(module.TEXT)}


def field_at(type_name: str, path: tuple[str, ...]) -> Field | None:
    """The Field that `path` of field names leads to from a Type, through lists and maps; None when there is none.

    `field_at("Service", ("spec", "ports", "nodePort"))`.
    """
    found: Field | None = None
    here = type_name
    for name in path:
        type_ = TYPES.get(here)
        found = type_.fields.get(name) if type_ else None
        if found is None:
            return None
        here = found.type
    return found
