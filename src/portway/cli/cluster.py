"""Reads a cluster once: the documents that a question needs, as model values."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from msgspec import Struct

from portway.client import Api
from portway.kubeapi import decode
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.model import Snapshot

SERVICES = Resource("", "v1", "services")
PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes", namespaced=False)
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")

T = TypeVar("T")


class Cluster(Struct, frozen=True):
    """A moment of a cluster: what forwarding reads, and the pods as documents."""

    snapshot: Snapshot
    pods: list[Doc]


def ask(api: Api, question: Coroutine[Any, Any, T]) -> T:
    """Runs one coroutine that uses `api`, and closes `api` after it."""

    async def asked() -> T:
        async with api:
            return await question

    return asyncio.run(asked())


async def read(api: Api, namespace: str = "") -> Cluster:
    """Lists Services, EndpointSlices and pods of a namespace ("" for all), and the nodes."""
    (services, _), (slices, _), (pods, _), (nodes, _) = await asyncio.gather(
        api.list(SERVICES, namespace), api.list(SLICES, namespace), api.list(PODS, namespace), api.list(NODES)
    )
    snapshot = Snapshot(
        services={_key(doc): decode.service(doc) for doc in services},
        slices={_key(doc): decode.endpoint_slice(doc) for doc in slices},
        nodes={doc["metadata"]["name"]: decode.node(doc) for doc in nodes},
    )
    return Cluster(snapshot, pods)


def _key(document: Doc) -> tuple[str, str]:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]
