"""Reads a cluster once: the documents that a question needs, as model values."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from portway.analysis.balancers import as_announcers_say
from portway.analysis.balancing import Balancing
from portway.client import Api
from portway.kubeapi import decode, decode_loadbalancer, decode_policy
from portway.kubeapi.announcing import LEASES, ROLE, announcer_lease, announcing_node
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.model import PolicySnapshot, Snapshot
from portway.reconcile.resources import BGP_ADVERTISEMENTS, BGP_PEERS, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS

SERVICES = Resource("", "v1", "services")
PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
CLUSTER_POLICIES = Resource("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", namespaced=False)
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")

T = TypeVar("T")


class Cluster(Struct, frozen=True):
    """A moment of a cluster: what forwarding reads, and the pods and nodes as documents."""

    snapshot: Snapshot
    pods: list[Doc]
    nodes: list[Doc]
    policies: PolicySnapshot = PolicySnapshot()
    """Empty unless asked for."""
    balancing: Balancing = Balancing()
    """The same."""


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
    return Cluster(snapshot, pods, nodes)


async def read_with_policies(api: Api) -> Cluster:
    """The same of all namespaces, and what decisions about policies read."""
    seen = await read(api)
    return replace(seen, policies=await _policies(api, seen))


async def read_for_trace(api: Api) -> Cluster:
    """The same of all namespaces, and what decisions about policies and LoadBalancers read."""
    seen = await read(api)
    policies, balancing = await asyncio.gather(_policies(api, seen), _balancing(api, seen))
    return replace(seen, policies=policies, balancing=balancing)


async def _balancing(api: Api, seen: Cluster) -> Balancing:
    resources = (IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, BGP_ADVERTISEMENTS, BGP_PEERS)
    (pools, advertisements, *routing), (found, _), (namespaces, _), (services, _) = await asyncio.gather(
        asyncio.gather(*(_if_known(api, resource) for resource in resources)),
        api.list(LEASES, label_selector=ROLE),
        api.list(NAMESPACES),
        api.list(SERVICES),
    )
    balanced = map(decode_loadbalancer.balanced_service, filter(decode_loadbalancer.is_balanced, services))
    known = Balancing(
        services={service.key: service for service in balanced},
        pools=tuple(map(decode_loadbalancer.address_pool, pools)),
        advertisements=tuple(map(decode_loadbalancer.l2_advertisement, advertisements)),
        nodes=tuple(map(announcing_node, seen.nodes)),
        namespaces={doc["metadata"]["name"]: doc["metadata"].get("labels") or {} for doc in namespaces},
        bgp_advertisements=tuple(map(decode_loadbalancer.bgp_advertisement, routing[0])),
        bgp_peers=tuple(map(decode_loadbalancer.bgp_peer, routing[1])),
    )
    return as_announcers_say(known, [announcer_lease(document) for document in found], datetime.now(UTC).isoformat())


async def _policies(api: Api, seen: Cluster) -> PolicySnapshot:
    (namespaces, _), (policies, _) = await asyncio.gather(api.list(NAMESPACES), api.list(POLICIES))
    return PolicySnapshot(
        pods={_key(doc): decode_policy.pod(doc) for doc in seen.pods},
        namespaces={doc["metadata"]["name"]: decode_policy.namespace(doc) for doc in namespaces},
        policies={_key(doc): decode_policy.network_policy(doc) for doc in policies},
        cluster_policies={
            doc["metadata"]["name"]: decode_policy.cluster_network_policy(doc)
            for doc in await _if_known(api, CLUSTER_POLICIES)
        },
        nodes=seen.snapshot.nodes,
        node_labels={doc["metadata"]["name"]: doc["metadata"].get("labels") or {} for doc in seen.nodes},
    )


async def _if_known(api: Api, resource: Resource) -> list[Doc]:
    """None where the API server does not know the kind."""
    try:
        return (await api.list(resource))[0]
    except ApiError as error:
        if error.code != 404:
            raise
        return []


def _key(document: Doc) -> tuple[str, str]:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]
