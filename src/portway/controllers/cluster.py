"""What all controllers share: the caches, the hands, the recorder, the clock."""

import secrets
import time
from collections.abc import Callable, Hashable

from portway.client import Api
from portway.client.recorder import Recorder
from portway.controllers.cache import Cache, Terms, label_terms, namespace_terms, owner_terms
from portway.controllers.hands import Hands
from portway.kubeapi import catalogue
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.objects import labels_of, namespace_of, spec_of
from portway.reconcile.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    IP_ADDRESS_POOLS,
    IP_ADDRESSES,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    SERVICE_ACCOUNTS,
    SERVICE_CIDRS,
    SERVICES,
    STATEFUL_SETS,
)
from portway.routing.documents import RESOURCES

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def suffix() -> str:
    """Five random letters, as Kubernetes ends generated names."""
    return "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))


def _map_terms(document: Doc) -> list[Hashable]:
    return [_selector_term(namespace_of(document), spec_of(document).get("selector"))]


def _selector_terms(document: Doc) -> list[Hashable]:
    selector = spec_of(document).get("selector") or {}
    return [_selector_term(namespace_of(document), selector.get("matchLabels"))]


def _selector_term(namespace: str, labels: dict[str, str] | None) -> Hashable:
    """Found by the first of the pairs that it wants; by none when it wants none."""
    return ("selects", namespace, *min(labels.items())) if labels else ("selects", namespace)


def selecting(cache: Cache, pod: Doc) -> list[Doc]:
    """Those whose selector may select this document: they still have to be asked."""
    namespace = namespace_of(pod)
    found = cache.found(("selects", namespace))
    for pair in labels_of(pod).items():
        found += cache.found(("selects", namespace, *pair))
    return found


_CACHED: dict[Resource, tuple[Terms, ...]] = {
    **dict.fromkeys(RESOURCES.values(), (owner_terms,)),
    DEPLOYMENTS: (_selector_terms, owner_terms),
    REPLICA_SETS: (_selector_terms, owner_terms, label_terms, namespace_terms),
    REPLICATION_CONTROLLERS: (_map_terms, owner_terms),
    STATEFUL_SETS: (_selector_terms, owner_terms),
    DAEMON_SETS: (_selector_terms, owner_terms),
    JOBS: (_selector_terms, owner_terms),
    CONTROLLER_REVISIONS: (owner_terms,),
    PERSISTENT_VOLUME_CLAIMS: (owner_terms,),
    PODS: (owner_terms, label_terms, namespace_terms),
    SERVICES: (_map_terms, owner_terms),
    ENDPOINT_SLICES: (owner_terms, label_terms, namespace_terms),
    ENDPOINTS: (owner_terms,),
    NODES: (),
    IP_ADDRESS_POOLS: (owner_terms,),
    NAMESPACES: (),
    SERVICE_CIDRS: (owner_terms,),
    IP_ADDRESSES: (owner_terms,),
    SERVICE_ACCOUNTS: (owner_terms,),
    CONFIG_MAPS: (owner_terms,),
}


def _owned_resources() -> list[Resource]:
    """Everything that can be watched and deleted: any of it may have owners."""
    return [k.resource for k in catalogue.KINDS if {"list", "watch", "delete"} <= set(k.verbs) and k.kind != "Event"]


class Cluster:
    """The API server as the controllers see it."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.time) -> None:
        self.api = api
        self.clock = clock
        self.ca = ""
        """PEM of the API server's authority, which every namespace is given; empty: none is."""
        self.api_socket = ""
        """Where pods that are processes find the API server."""
        self.gateway_engine = "auto"
        """What the pods of doors run: `portway gateway --engine`."""
        self.caches = {resource: Cache(api, resource, *terms) for resource, terms in _CACHED.items()}
        self.caches |= {r: Cache(api, r, owner_terms) for r in _owned_resources() if r not in _CACHED}
        self.recorder = Recorder(api, clock)
        self.hands = Hands(api, self.caches, self.recorder, clock)

    @property
    def first(self) -> list[Cache]:
        """Those that the controllers cannot begin without."""
        return [cache for resource, cache in self.caches.items() if resource in _CACHED]

    @property
    def others(self) -> list[Cache]:
        """Those that only the garbage collector reads."""
        return [cache for resource, cache in self.caches.items() if resource not in _CACHED]
