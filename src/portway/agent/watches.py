"""What an agent watches, and where each object goes."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from portway.agent.config import AgentConfig
from portway.agent.policies import Policies
from portway.agent.sync import Syncer
from portway.client import Api, Key, Reflector
from portway.kubeapi import decode, decode_policy
from portway.kubeapi.announcing import node_eligible
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.model import ClusterNetworkPolicy, Labels, NetworkPolicy, Node, Pod

log = logging.getLogger(__name__)

SERVICES = Resource("", "v1", "services")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
NODES = Resource("", "v1", "nodes", namespaced=False)
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs", namespaced=False)
PODS = Resource("", "v1", "pods")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
CLUSTER_NETWORK_POLICIES = Resource("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", namespaced=False)
NOT_OURS = "!service.kubernetes.io/headless"
NOT_OTHERS = "!service.kubernetes.io/service-proxy-name"

OnChange = Callable[[Key, Any, Any], None]


class SeenNode(Struct, frozen=True):
    """What is read of a Node."""

    node: Node
    eligible: bool
    """Whether load balancers may send it traffic."""
    labels: Labels


class Watcher(Protocol):
    """Who is told of changes."""

    def note(self, put: Callable[..., None], what: str = "") -> OnChange:
        """A Reflector's on_change that remembers the new object and sees to it that it is acted on."""

    def decode_slice(self, document: Doc) -> Any:
        """An EndpointSlice."""

    def put_own_node(self, seen: SeenNode | None) -> None:
        """This node's own object."""


class Watches:
    """The reflectors of one agent."""

    def __init__(self, api: Api, config: AgentConfig, watcher: Watcher, syncer: Syncer) -> None:
        note, policies = watcher.note, syncer.policies
        self._log = syncer.access_log
        self._api, self._note, self._own = api, note, config.node_name
        self.services: list[Reflector[Any]] = [
            self._reflector(SERVICES, decode.service, note(syncer.put_service, "service"), labels=NOT_OTHERS),
            self._reflector(ENDPOINT_SLICES, watcher.decode_slice, note(syncer.put_slice, "endpoint"), labels=NOT_OURS),
        ]
        """What Services' rules cannot do without."""
        self.nodes = self._nodes(watcher, policies)
        self.service_cidrs = self._reflector(SERVICE_CIDRS, decode.service_cidrs, note(syncer.put_service_cidr))
        """An API server older than 1.33 has none, and a role may leave them out."""
        self.clients = [self._reflector(PODS, decode_policy.pod, self._name_pod)] if self._log and not policies else []
        """Pods, of which only the access log wants to know."""
        self.policies = self._policies(policies) if policies else []
        """What policies' rules cannot do without."""
        self.cluster_policies = self._cluster_policies(policies) if policies else []
        """At most one; most API servers do not know the kind."""

    @property
    def all(self) -> list[Reflector[Any]]:
        """Every one."""
        return [*self.services, self.nodes, self.service_cidrs, *self.clients, *self.policies, *self.cluster_policies]

    def _reflector(
        self, resource: Resource, decoder: Callable[[Doc], Any], on_change: OnChange, labels: str = "", fields: str = ""
    ) -> Reflector[Any]:
        return Reflector(
            self._api,
            resource,
            label_selector=labels,
            field_selector=fields,
            decode=decoder,
            on_change=on_change,
        )

    def _nodes(self, watcher: Watcher, policies: Policies | None) -> Reflector[Any]:
        """Of other nodes only policies and the access log want to know."""

        def put(key: Key, seen: SeenNode | None) -> None:
            if key[1] == self._own:
                watcher.put_own_node(seen)
            if policies:
                policies.put_node(key[1], seen.node if seen else None, seen.labels if seen else {})
            if self._log:
                self._log.put_node(key[1], seen.node if seen else None)

        selector = "" if policies or self._log else f"metadata.name={self._own}"
        return self._reflector(NODES, _node, self._note(put), fields=selector)

    def _name_pod(self, key: Key, _old: Any, pod: Pod | None) -> None:
        if self._log:
            self._log.put_pod(key, pod)

    def _policies(self, policies: Policies) -> list[Reflector[Any]]:
        def put_pod(key: Key, new: Pod | None) -> None:
            policies.put_pod(key, new)
            self._name_pod(key, None, new)

        def put_namespace(key: Key, new: Any) -> None:
            policies.put_namespace(key[1], new)

        def put_policy(key: Key, new: NetworkPolicy | None) -> None:
            policies.put_policy(key, new)

        return [
            # Finished pods too: their end is a change of theirs, not an absence.
            self._reflector(PODS, decode_policy.pod, self._note(put_pod)),
            self._reflector(NAMESPACES, decode_policy.namespace, self._note(put_namespace)),
            self._reflector(
                NETWORK_POLICIES, decode_policy.network_policy, _telling("NetworkPolicy", self._note(put_policy))
            ),
        ]

    def _cluster_policies(self, policies: Policies) -> list[Reflector[Any]]:
        def put(key: Key, new: ClusterNetworkPolicy | None) -> None:
            policies.put_cluster_policy(key[1], new)

        on_change = _telling("ClusterNetworkPolicy", self._note(put))
        return [self._reflector(CLUSTER_NETWORK_POLICIES, decode_policy.cluster_network_policy, on_change)]


def _node(document: Doc) -> SeenNode:
    labels = (document.get("metadata") or {}).get("labels") or {}
    return SeenNode(decode.node(document), node_eligible(document), labels)


def _telling(kind: str, then: OnChange) -> OnChange:
    """Says once what cannot be read of a policy."""

    def changed(key: Key, old: Any, new: Any) -> None:
        if new is not None and new.fault and (old is None or old.fault != new.fault):
            name = "/".join(part for part in key if part)
            log.warning("%s %s cannot be read, so the pods that it selects are closed: %s", kind, name, new.fault)
        then(key, old, new)

    return changed
