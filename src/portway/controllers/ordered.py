"""StatefulSets, DaemonSets and Jobs: which changes concern which of them."""

from collections.abc import Sequence
from typing import ClassVar

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster, selecting, suffix
from portway.controllers.controller import Controller, distinct
from portway.controllers.workloads import controller_key
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile import daemonsets, jobs, replicas, scheduler, statefulsets
from portway.reconcile.change import Change, Event
from portway.reconcile.objects import controller_of, labels_of, spec_of
from portway.reconcile.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    JOBS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)

_REFUSALS = (400, 403, 422)


class _PodsController(Controller):
    """Follows its own kind and pods."""

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
        """Take its next step."""
        owner = self.caches[self.resource].get(key)
        if owner is None:
            return None
        labels = (spec_of(owner).get("selector") or {}).get("matchLabels") or {}
        cache = self.caches[PODS]
        pods = distinct([*cache.owned_by(owner), *(cache.labelled(key[0], labels) if labels else ())])
        now = self.cluster.clock()
        try:
            await self.hands.carry_out(self.step(owner, pods, now))
        except ApiError as error:
            if error.code in _REFUSALS:
                said = f"Error creating: {error.message}"
                self.cluster.recorder.record(Event(owner, "Warning", "FailedCreate", said, self.flavour.component))
            raise
        return self.later(owner, pods, now)

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """What is to be done."""
        raise NotImplementedError

    def later(self, owner: Doc, pods: Sequence[Doc], now: float) -> float | None:
        """Seconds after which to look again."""
        return replicas.next_look(owner, pods, now)


class StatefulSetController(_PodsController):
    """Follows StatefulSets and pods."""

    resource, flavour = STATEFUL_SETS, statefulsets.FLAVOUR

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """See statefulsets.reconcile."""
        claims = {name for _, name in self.caches[PERSISTENT_VOLUME_CLAIMS].objects}
        revisions = self.caches[CONTROLLER_REVISIONS].owned_by(owner)
        return statefulsets.reconcile(owner, pods, revisions, claims, now)


class DaemonSetController(_PodsController):
    """Follows DaemonSets, pods and nodes."""

    resource, flavour = DAEMON_SETS, daemonsets.FLAVOUR

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[NODES].listeners.append(self._node_changed)

    def _node_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        if old is None or new is None or scheduler.placement(old) != scheduler.placement(new):
            for key in self.caches[DAEMON_SETS].objects:
                self.queue.add(key)

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """See daemonsets.reconcile."""
        nodes = list(self.caches[NODES].objects.values())
        revisions = self.caches[CONTROLLER_REVISIONS].owned_by(owner)
        return daemonsets.reconcile(owner, pods, nodes, revisions, now, suffix)


class JobController(_PodsController):
    """Follows Jobs and pods."""

    resource, flavour = JOBS, jobs.FLAVOUR

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """See jobs.reconcile."""
        return jobs.reconcile(owner, pods, now, suffix)

    def later(self, owner: Doc, pods: Sequence[Doc], now: float) -> float | None:
        """See jobs.next_look."""
        return jobs.next_look(owner, pods, now)
