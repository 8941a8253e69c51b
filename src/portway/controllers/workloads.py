"""Deployments, ReplicaSets and ReplicationControllers: which changes concern which of them."""

from collections.abc import Sequence

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster, selecting, suffix
from portway.controllers.controller import Controller, distinct
from portway.controllers.podowners import PodOwnerController, controller_key, match_labels
from portway.kubeapi.errors import Doc
from portway.reconcile import deployment_status, deployments, replicas, replicasets, replicationcontrollers
from portway.reconcile.change import Change
from portway.reconcile.objects import controller_of, replicas_of, spec_of
from portway.reconcile.resources import DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from portway.reconcile.rollout import is_rolling


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
        sets = distinct([*owned, *cache.labelled(key[0], match_labels(deployment))])
        pods = [] if is_rolling(deployment) else [p for rs in owned for p in self.caches[PODS].owned_by(rs)]
        now = self.cluster.clock()
        await self.hands.carry_out(deployments.reconcile(deployment, sets, pods, now))
        return deployment_status.next_look(deployment, now)


class _ReplicasController(PodOwnerController):
    """What ReplicaSets and ReplicationControllers have in common."""

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """Make the pods as many as wanted."""
        related = self.related(owner) if len(pods) > replicas_of(owner) else []
        return replicas.sync(self.flavour, owner, pods, now, suffix, related)

    def related(self, owner: Doc) -> list[Doc]:
        """Pods of its siblings."""
        return []


class ReplicaSetController(_ReplicasController):
    """Follows ReplicaSets and pods."""

    resource = REPLICA_SETS
    flavour = replicasets.FLAVOUR
    workers = 16

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
