"""Deployments, ReplicaSets and ReplicationControllers: which changes concern which of them."""

import re
from typing import ClassVar

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster, selecting, suffix
from portway.controllers.controller import Controller, distinct
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile import deployment_status, deployments, replicas, replicasets, replicationcontrollers
from portway.reconcile.change import Event
from portway.reconcile.objects import controller_of, labels_of, name_of, namespace_of, replicas_of, spec_of
from portway.reconcile.resources import DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from portway.reconcile.rollout import is_rolling

_REFUSALS = (400, 403, 422)
"""Of a pod, by what it says: trying again helps only when something else changes."""


def controller_key(document: Doc | None, kind: str) -> Key | None:
    """The key of its controller, if that is of this kind."""
    reference = controller_of(document) if document else None
    if document is None or reference is None or reference.get("kind") != kind:
        return None
    return namespace_of(document), str(reference.get("name"))


def _match_labels(owner: Doc) -> dict[str, str]:
    return (spec_of(owner).get("selector") or {}).get("matchLabels") or {}


class DeploymentController(Controller):
    """Follows Deployments, their ReplicaSets, and pods that go while old ones must be gone first."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[DEPLOYMENTS].listeners.append(self.add)
        self.caches[REPLICA_SETS].listeners.append(self._replicaset_changed)
        self.caches[PODS].listeners.append(self._pod_changed)

    def _replicaset_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        for replicaset in (old, new):
            if key := controller_key(replicaset, "Deployment"):
                self.queue.add(key)
        if new is not None and controller_of(new) is None:
            for deployment in selecting(self.caches[DEPLOYMENTS], new):
                self.queue.add(key_of(deployment))

    def _pod_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        if new is not None or (owner := controller_key(old, "ReplicaSet")) is None:
            return
        replicaset = self.caches[REPLICA_SETS].get(owner)
        if key := controller_key(replicaset, "Deployment"):
            self.queue.add(key)

    async def work(self, key: Key) -> float | None:
        """Take the Deployment's next step."""
        deployment = self.caches[DEPLOYMENTS].get(key)
        if deployment is None:
            return None
        cache = self.caches[REPLICA_SETS]
        owned = cache.owned_by(deployment)
        sets = distinct([*owned, *cache.labelled(key[0], _match_labels(deployment))])
        pods = [] if is_rolling(deployment) else [p for rs in owned for p in self.caches[PODS].owned_by(rs)]
        now = self.cluster.clock()
        await self.hands.carry_out(deployments.reconcile(deployment, sets, pods, now))
        return deployment_status.next_look(deployment, now)


class _ReplicasController(Controller):
    """What ReplicaSets and ReplicationControllers have in common."""

    resource: ClassVar[Resource]
    flavour: ClassVar[replicas.Flavour]

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[self.resource].listeners.append(self.add)
        self.caches[PODS].listeners.append(self._pod_changed)

    def _pod_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        for pod in (old, new):
            if key := controller_key(pod, self.flavour.kind):
                self.queue.add(key)
        if new is not None and controller_of(new) is None:
            for owner in selecting(self.caches[self.resource], new):
                if self.flavour.matches(owner, labels_of(new)):
                    self.queue.add(key_of(owner))

    async def work(self, key: Key) -> float | None:
        """Make the pods as many as wanted."""
        owner = self.caches[self.resource].get(key)
        if owner is None:
            return None
        cache = self.caches[PODS]
        pods = distinct([*cache.owned_by(owner), *cache.labelled(key[0], self.wanted_labels(owner))])
        related = self.related(owner) if len(pods) > replicas_of(owner) else []
        now = self.cluster.clock()
        try:
            await self.hands.carry_out(replicas.sync(self.flavour, owner, pods, now, suffix, related))
        except ApiError as error:
            if error.code in _REFUSALS:
                self.cluster.recorder.record(self._failed(owner, error))
            raise
        return replicas.next_look(owner, pods, now)

    def _failed(self, owner: Doc, error: ApiError) -> Event:
        """The same news for every name that was tried, so that it is counted and not repeated."""
        prefix = re.escape(name_of(owner)[:58])
        message = re.sub(f'"{prefix}(-?)[a-z0-9]{{5}}"', f'"{name_of(owner)}\\1"', error.message)
        return Event(owner, "Warning", "FailedCreate", f"Error creating: {message}", self.flavour.component)

    def wanted_labels(self, owner: Doc) -> dict[str, str]:
        """Labels that every pod has that it may adopt."""
        raise NotImplementedError

    def related(self, owner: Doc) -> list[Doc]:
        """Pods of its siblings."""
        return []


class ReplicaSetController(_ReplicasController):
    """Follows ReplicaSets and pods."""

    resource = REPLICA_SETS
    flavour = replicasets.FLAVOUR
    workers = 16

    def wanted_labels(self, owner: Doc) -> dict[str, str]:
        """Those of matchLabels."""
        return _match_labels(owner)

    def related(self, owner: Doc) -> list[Doc]:
        """Pods of all ReplicaSets of the same Deployment."""
        key = controller_key(owner, "Deployment")
        deployment = self.caches[DEPLOYMENTS].get(key) if key else None
        siblings = self.caches[REPLICA_SETS].owned_by(deployment) if deployment else []
        return [pod for sibling in siblings for pod in self.caches[PODS].owned_by(sibling)]


class ReplicationControllerController(_ReplicasController):
    """Follows ReplicationControllers and pods."""

    resource = REPLICATION_CONTROLLERS
    flavour = replicationcontrollers.FLAVOUR

    def wanted_labels(self, owner: Doc) -> dict[str, str]:
        """Its selector."""
        return spec_of(owner).get("selector") or {}
