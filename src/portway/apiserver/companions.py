"""What comes and goes with a Service, in the same commit: IPAddresses of its clusterIPs, and its Endpoints.

Source: pkg/registry/core/service/{ipallocator,storage}.
"""

import uuid
from collections.abc import Iterator

from portway.kubeapi import ipaddress, pipeline
from portway.kubeapi.cluster import Request
from portway.kubeapi.kinds import Claims
from portway.store import Change, Delete, Key, Put, Store

_ADDRESSES = "networking.k8s.io/ipaddresses"


def of_change(store: Store, service: Key, claims: Claims | None, now: str) -> Iterator[Change]:
    """Of a document that is stored: what it takes is written down, what it lets go of is forgotten."""
    if isinstance(claims, Request):
        for address in claims.taken_addresses:
            yield Put(Key(_ADDRESSES, "", address), _written(address, service, now), 0)
        yield from _released(store, claims)


def of_removal(store: Store, service: Key, claims: Claims | None) -> Iterator[Change]:
    """Of a document that goes."""
    if isinstance(claims, Request):
        yield from _gone(store, Key("endpoints", service.namespace, service.name))
        yield from _released(store, claims)


def _written(address: str, service: Key, now: str) -> bytes:
    document = ipaddress.of_service(address, service.namespace, service.name)
    document["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    return pipeline.encode(document)


def _released(store: Store, claims: Request) -> Iterator[Change]:
    for address in claims.released_addresses:
        yield from _gone(store, Key(_ADDRESSES, "", address))


def _gone(store: Store, key: Key) -> Iterator[Change]:
    entry = store.get(key)
    if entry is not None:
        yield Delete(key, entry.revision)
