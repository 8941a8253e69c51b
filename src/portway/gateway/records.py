"""What engines tell of requests and connections, as records of the access log. Pure."""

from collections.abc import Mapping

from msgspec.structs import replace

from portway.accesslog.parties import Known
from portway.accesslog.record import Door, Http, Party, Record, ServiceRef, Tls
from portway.gateway.engine import Carried, Served, Told
from portway.routing import host_of
from portway.routing.decide import DONE
from portway.routing.table import Endpoint, Pool


def record_of(told: Told, node: str, pools: Mapping[str, Pool], known: Mapping[str, Known]) -> Record:
    """`node`: where the door runs; `pools` are those of the table of the moment; `known`: who addresses are, there."""
    pool = pools.get(told.pool)
    return Record(
        ts_start=told.started,
        ts_end=told.started + told.seconds,
        duration_ms=round(told.seconds * 1000, 3),
        node=node,
        verdict="FORWARDED" if told.code in DONE else "REFUSED",
        reason=told.code,
        proto="TCP",
        client=_party(told.client, known),
        entry="Ingress" if told.entry == "Ingress" else "Gateway",
        frontend=Door(*told.frontend),
        service=ServiceRef(pool.namespace, pool.service, pool.port_name, pool.port) if pool is not None else None,
        backend=_backend(told, pool, known),
        topology=known[told.backend[0]].topology if told.backend and told.backend[0] in known else "",
        bytes_in=told.bytes_in,
        bytes_out=told.bytes_out,
        http=_http(told) if isinstance(told, Served) else None,
        tls=Tls(told.name, told.route) if isinstance(told, Carried) else None,
    )


def _http(served: Served) -> Http:
    return Http(served.method, host_of(served.host), served.path, served.status, served.route)


def _party(at: tuple[str, int], known: Mapping[str, Known]) -> Party:
    address, port = at
    return replace(known[address].party, port=port) if address in known else Party(address, port)


def _backend(told: Told, pool: Pool | None, known: Mapping[str, Known]) -> Party | None:
    if told.backend is None:
        return None
    party = _party(told.backend, known)
    if party.pod:
        return party
    found = next((e for e in pool.endpoints if _is_at(e, told.backend)), None) if pool is not None else None
    if found is None or not found.pod:
        return party
    namespace, _, name = found.pod.partition("/")
    return replace(party, kind="pod", namespace=namespace, pod=name)


def _is_at(endpoint: Endpoint, at: tuple[str, int]) -> bool:
    return (endpoint.address, endpoint.port) == at
