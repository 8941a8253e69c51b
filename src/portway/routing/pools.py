"""The endpoints of a pool, from EndpointSlices: which pods get requests.

Source: kube-proxy's choice (research/service-semantics.md 5): the ready ones; when none is, those that still serve on
their way out.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from portway.routing.documents import Doc, Name, spec
from portway.routing.table import Endpoint, Pool

SlicesOf = Callable[[Name], Iterable[Doc]]
"""The EndpointSlices of a Service."""


def filled(pools: Mapping[str, Pool], slices_of: SlicesOf, services: Mapping[Name, Doc]) -> dict[str, Pool]:
    """The pools with their endpoints."""
    return {key: with_endpoints(pool, slices_of, services) for key, pool in pools.items()}


def with_endpoints(pool: Pool, slices_of: SlicesOf, services: Mapping[Name, Doc]) -> Pool:
    """The pool with the endpoints that it has now: pods of dual-stack Services are in slices of both families, and
    the first family that has any counts.
    """
    name = (pool.namespace, pool.service)
    slices = list(slices_of(name))
    for family in _families(services.get(name), slices):
        found = [e for s in slices if s.get("addressType") == family for e in _endpoints(s, pool.port_name)]
        if chosen := _chosen(found):
            return replace(pool, endpoints=chosen)
    return replace(pool, endpoints=())


def _families(service: Doc | None, slices: Iterable[Doc]) -> list[str]:
    """The Service's own order, then whatever there is."""
    own = spec(service or {}).get("ipFamilies") or []
    return [f for f in dict.fromkeys([*own, *sorted(str(s.get("addressType")) for s in slices)]) if f != "FQDN"]


def _chosen(found: Iterable[tuple[Endpoint, Doc]]) -> tuple[Endpoint, ...]:
    found = list(found)
    ready = {endpoint for endpoint, conditions in found if conditions.get("ready") is not False}
    serving = {
        endpoint for endpoint, conditions in found if conditions.get("serving") and conditions.get("terminating")
    }
    return tuple(sorted(ready or serving))


def _endpoints(slice_: Doc, port_name: str) -> Iterable[tuple[Endpoint, Doc]]:
    numbers = [p["port"] for p in slice_.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")]
    for number, endpoint in ((n, e) for n in numbers for e in slice_.get("endpoints") or ()):
        target = endpoint.get("targetRef") or {}
        pod = f"{target.get('namespace', '')}/{target['name']}" if target.get("kind") == "Pod" else ""
        if endpoint.get("addresses"):
            yield Endpoint(endpoint["addresses"][0], number, pod), endpoint.get("conditions") or {}
