"""StatefulSets, DaemonSets and Jobs: which changes concern which of them."""

from collections.abc import Sequence

from portway.client import Key
from portway.controllers.cluster import Cluster, suffix
from portway.controllers.podowners import PodOwnerController
from portway.kubeapi.errors import Doc
from portway.reconcile import daemonsets, jobs, scheduler, statefulsets
from portway.reconcile.change import Change
from portway.reconcile.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    JOBS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    STATEFUL_SETS,
)


class StatefulSetController(PodOwnerController):
    """Follows StatefulSets and pods."""

    resource, flavour = STATEFUL_SETS, statefulsets.FLAVOUR

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """See statefulsets.reconcile."""
        claims = self.caches[PERSISTENT_VOLUME_CLAIMS].objects
        revisions = self.caches[CONTROLLER_REVISIONS].owned_by(owner)
        return statefulsets.reconcile(owner, pods, revisions, claims, now)


class DaemonSetController(PodOwnerController):
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


class JobController(PodOwnerController):
    """Follows Jobs and pods."""

    resource, flavour = JOBS, jobs.FLAVOUR

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """See jobs.reconcile."""
        return jobs.reconcile(owner, pods, now, suffix)

    def later(self, owner: Doc, pods: Sequence[Doc], now: float) -> float | None:
        """See jobs.next_look."""
        return jobs.next_look(owner, pods, now)
