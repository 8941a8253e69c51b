"""What engines tell of requests, as records of the access log. Pure."""

from collections.abc import Mapping

from portway.accesslog.record import Door, Http, Party, Record, ServiceRef
from portway.gateway.engine import Served
from portway.routing import host_of
from portway.routing.table import Endpoint, Pool

_FORWARDED = ("ROUTED", "REDIRECTED", "PREFLIGHT")


def record_of(served: Served, node: str, pools: Mapping[str, Pool]) -> Record:
    """`node`: where the door runs; `pools` are those of the table of the moment."""
    pool = pools.get(served.pool)
    return Record(
        ts_start=served.started,
        ts_end=served.started + served.seconds,
        duration_ms=round(served.seconds * 1000, 3),
        node=node,
        verdict="FORWARDED" if served.code in _FORWARDED else "REFUSED",
        reason=served.code,
        proto="TCP",
        client=Party(*served.client),
        entry="Ingress" if served.entry == "Ingress" else "Gateway",
        frontend=Door(*served.frontend),
        service=ServiceRef(pool.namespace, pool.service, pool.port_name, pool.port) if pool is not None else None,
        backend=_backend(served, pool),
        bytes_in=served.bytes_in,
        bytes_out=served.bytes_out,
        http=Http(served.method, host_of(served.host), served.path, served.status, served.route),
    )


def _backend(served: Served, pool: Pool | None) -> Party | None:
    if served.backend is None:
        return None
    found = next((e for e in pool.endpoints if _is_at(e, served.backend)), None) if pool is not None else None
    if found is None or not found.pod:
        return Party(*served.backend)
    namespace, _, name = found.pod.partition("/")
    return Party(*served.backend, kind="pod", namespace=namespace, pod=name)


def _is_at(endpoint: Endpoint, at: tuple[str, int]) -> bool:
    return (endpoint.address, endpoint.port) == at
