"""What engines tell of requests, as records of the access log. Pure."""

from collections.abc import Mapping

from msgspec.structs import replace

from portway.accesslog.parties import Known
from portway.accesslog.record import Door, Http, Party, Record, ServiceRef
from portway.gateway.engine import Served
from portway.routing import host_of
from portway.routing.decide import DONE
from portway.routing.table import Endpoint, Pool


def record_of(served: Served, node: str, pools: Mapping[str, Pool], known: Mapping[str, Known]) -> Record:
    """`node`: where the door runs; `pools` are those of the table of the moment; `known`: who addresses are, there."""
    pool = pools.get(served.pool)
    return Record(
        ts_start=served.started,
        ts_end=served.started + served.seconds,
        duration_ms=round(served.seconds * 1000, 3),
        node=node,
        verdict="FORWARDED" if served.code in DONE else "REFUSED",
        reason=served.code,
        proto="TCP",
        client=_party(served.client, known),
        entry="Ingress" if served.entry == "Ingress" else "Gateway",
        frontend=Door(*served.frontend),
        service=ServiceRef(pool.namespace, pool.service, pool.port_name, pool.port) if pool is not None else None,
        backend=_backend(served, pool, known),
        topology=known[served.backend[0]].topology if served.backend and served.backend[0] in known else "",
        bytes_in=served.bytes_in,
        bytes_out=served.bytes_out,
        http=Http(served.method, host_of(served.host), served.path, served.status, served.route),
    )


def _party(at: tuple[str, int], known: Mapping[str, Known]) -> Party:
    address, port = at
    return replace(known[address].party, port=port) if address in known else Party(address, port)


def _backend(served: Served, pool: Pool | None, known: Mapping[str, Known]) -> Party | None:
    if served.backend is None:
        return None
    party = _party(served.backend, known)
    if party.pod:
        return party
    found = next((e for e in pool.endpoints if _is_at(e, served.backend)), None) if pool is not None else None
    if found is None or not found.pod:
        return party
    namespace, _, name = found.pod.partition("/")
    return replace(party, kind="pod", namespace=namespace, pod=name)


def _is_at(endpoint: Endpoint, at: tuple[str, int]) -> bool:
    return (endpoint.address, endpoint.port) == at
