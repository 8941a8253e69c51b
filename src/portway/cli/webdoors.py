"""Waits until the doors of Ingresses and Gateways can be used."""

import asyncio
import time

from portway.analysis.ports import rows
from portway.analysis.webtrace import service_of
from portway.cli import cluster, webcluster
from portway.client import Api
from portway.kubeapi.kinds import Kind

_PAUSE = 0.1
_DOORED = ("Ingress", "Gateway")


def has_door(kind: Kind) -> bool:
    """Whether documents of this kind make doors."""
    return kind.kind in _DOORED


async def until_ready(api: Api, seconds: float) -> list[str]:
    """Waits for an address and a ready pod of every door that there is to be; returns those that are not, and why."""
    doors = sorted({listener.door for listener in (await webcluster.read(api)).listeners})
    deadline = time.monotonic() + seconds
    while waiting := await _unready(api, doors):
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(_PAUSE)
    return waiting


async def _unready(api: Api, doors: list[str]) -> list[str]:
    if not doors:
        return []
    found = {(row.namespace, row.service): row for row in rows((await cluster.read(api)).snapshot)}
    reasons = []
    for door in doors:
        row = found.get(service_of(door))
        if row is None or not row.load_balancer_ips:
            reasons.append(f"{door}: Service {'/'.join(service_of(door))} has no address")
        elif not row.ready:
            reasons.append(f"{door}: no pod of Service {'/'.join(service_of(door))} is ready")
    return reasons
