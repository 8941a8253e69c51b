"""ReplicaSet → its pods."""

from collections.abc import Callable, Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile import replicas
from portway.reconcile.change import Change
from portway.reconcile.objects import selects, spec_of
from portway.reconcile.resources import REPLICA_SETS

FLAVOUR = replicas.Flavour(
    REPLICA_SETS,
    "ReplicaSet",
    "replicaset-controller",
    lambda owner, labels: selects(spec_of(owner).get("selector"), labels),
)


def reconcile(
    replicaset: Doc, pods: Sequence[Doc], now: float, suffix: Callable[[], str], related: Sequence[Doc] = ()
) -> list[Change]:
    """See replicas.sync."""
    return replicas.sync(FLAVOUR, replicaset, pods, now, suffix, related)
