"""ReplicationController → its pods: a ReplicaSet whose selector is a plain map."""

from collections.abc import Callable, Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile import replicas
from portway.reconcile.change import Change
from portway.reconcile.objects import contains_all, spec_of
from portway.reconcile.resources import REPLICATION_CONTROLLERS

FLAVOUR = replicas.Flavour(
    REPLICATION_CONTROLLERS,
    "ReplicationController",
    "replication-controller",
    lambda owner, labels: contains_all(labels, spec_of(owner).get("selector") or {}),
)


def reconcile(controller: Doc, pods: Sequence[Doc], now: float, suffix: Callable[[], str]) -> list[Change]:
    """See replicas.sync."""
    return replicas.sync(FLAVOUR, controller, pods, now, suffix)
