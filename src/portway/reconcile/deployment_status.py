"""A Deployment's status: figures and the conditions that `kubectl rollout status` reads.

Source: kube-controller-manager pkg/controller/deployment (progress.go, sync.go calculateStatus).
"""

from collections.abc import Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile import rollout
from portway.reconcile.change import Change, Update
from portway.reconcile.objects import (
    meta,
    name_of,
    replicas_of,
    seconds_of,
    spec_of,
    status_of,
    timestamp,
)
from portway.reconcile.resources import DEPLOYMENTS

_NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of those that never time out (MaxInt32)."""


def update(
    deployment: Doc,
    new: Doc | None,
    replicasets: Sequence[Doc],
    now: float,
    *,
    rolling_out: bool,
    created: str = "",
) -> list[Change]:
    """The status's write, if it has changed.

    `rolling_out`: this step is part of a rollout, not of scaling or a pause. `created`: the ReplicaSet that it makes.
    """
    status = figures(deployment, new, replicasets)
    conditions = {c["type"]: c for c in status_of(deployment).get("conditions") or []}
    _set(conditions, _available(deployment, status), now)
    if created and _has_deadline(deployment):
        message = f'Created new replica set "{created}"'
        _set(conditions, _condition("Progressing", "True", "NewReplicaSetCreated", message), now)
    elif rolling_out:
        _progress(deployment, new, status, conditions, now)
    else:
        _pause(deployment, conditions, now)
    status["conditions"] = list(conditions.values())
    if _nonzero(status) == _nonzero(status_of(deployment)):
        return []
    return [Update(DEPLOYMENTS, {**deployment, "status": status}, "status")]


def _nonzero(status: Doc) -> Doc:
    return {key: value for key, value in status.items() if value not in (0, None, [])}


def figures(deployment: Doc, new: Doc | None, replicasets: Sequence[Doc]) -> Doc:
    """The counts, without conditions; zeroes are left out."""
    available = rollout.available_replicas(replicasets)
    counts = {
        "observedGeneration": meta(deployment).get("generation") or 0,
        "replicas": _sum(replicasets, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(replicasets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(rollout.total_replicas(replicasets) - available, 0),
        "collisionCount": status_of(deployment).get("collisionCount") or 0,
    }
    return {name: count for name, count in counts.items() if count}


def _sum(replicasets: Sequence[Doc], field: str) -> int:
    return sum(int(status_of(rs).get(field) or 0) for rs in replicasets)


def is_complete(deployment: Doc, new: Doc | None, replicasets: Sequence[Doc]) -> bool:
    """All pods wanted are of the new template and available, and no others are left."""
    return _complete(deployment, figures(deployment, new, replicasets))


def _complete(deployment: Doc, status: Doc) -> bool:
    wanted = replicas_of(deployment)
    return all(status.get(field, 0) == wanted for field in ("replicas", "updatedReplicas", "availableReplicas"))


def _available(deployment: Doc, status: Doc) -> Doc:
    enough = replicas_of(deployment) - rollout.max_unavailable(deployment)
    if status.get("availableReplicas", 0) >= enough:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _condition(kind: str, status: str, reason: str, message: str) -> Doc:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _set(conditions: dict[str, Doc], condition: Doc, now: float, *, touch: bool = False) -> None:
    """Set it unless status and reason are the same already; `touch`: even then, with a new lastUpdateTime."""
    old = conditions.get(condition["type"], {})
    same = (old.get("status"), old.get("reason")) == (condition["status"], condition["reason"])
    if same and not touch:
        return
    since = old["lastTransitionTime"] if old.get("status") == condition["status"] else timestamp(now)
    conditions[condition["type"]] = {**condition, "lastUpdateTime": timestamp(now), "lastTransitionTime": since}


def _has_deadline(deployment: Doc) -> bool:
    return spec_of(deployment).get("progressDeadlineSeconds") not in (None, _NO_DEADLINE)


def _progress(deployment: Doc, new: Doc | None, status: Doc, conditions: dict[str, Doc], now: float) -> None:
    if not _has_deadline(deployment):
        conditions.pop("Progressing", None)
        return
    current = conditions.get("Progressing", {})
    settled = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    if settled and current.get("reason") == "NewReplicaSetAvailable":
        return  # a pod that fails later is no rollout
    subject = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if _complete(deployment, status):
        message = f"{subject} has successfully progressed."
        _set(conditions, _condition("Progressing", "True", "NewReplicaSetAvailable", message), now)
    elif not current or current.get("reason") == "DeploymentPaused" or _moved_on(status_of(deployment), status):
        message = f"{subject} is progressing."
        _set(conditions, _condition("Progressing", "True", "ReplicaSetUpdated", message), now, touch=True)
    elif deadline(deployment, current, now) == 0:
        message = f"{subject} has timed out progressing."
        _set(conditions, _condition("Progressing", "False", "ProgressDeadlineExceeded", message), now)


def _moved_on(old: Doc, new: Doc) -> bool:
    """More pods of the new template, fewer of others, or more of them ready or available than last time."""

    def outdated(status: Doc) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    more = any(new.get(f, 0) > old.get(f, 0) for f in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return more or outdated(new) < outdated(old)


def deadline(deployment: Doc, progressing: Doc, now: float) -> float | None:
    """Seconds until the rollout counts as stuck, 0 when it does; None when it cannot."""
    if not _has_deadline(deployment) or progressing.get("reason") in (None, "NewReplicaSetAvailable"):
        return None
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return 0
    since = seconds_of(progressing.get("lastUpdateTime"))
    if since is None:
        return None
    return max(since + float(spec_of(deployment)["progressDeadlineSeconds"]) - now, 0)


def next_look(deployment: Doc, now: float) -> float | None:
    """Seconds after which time alone may change the status; None: never."""
    if spec_of(deployment).get("paused"):
        return None
    conditions = {c["type"]: c for c in status_of(deployment).get("conditions") or []}
    left = deadline(deployment, conditions.get("Progressing", {}), now)
    return left + 1 if left else None


def _pause(deployment: Doc, conditions: dict[str, Doc], now: float) -> None:
    """Being paused stops the clock; `kubectl rollout status` says so."""
    current = conditions.get("Progressing", {})
    if not _has_deadline(deployment) or current.get("reason") == "ProgressDeadlineExceeded":
        return
    if spec_of(deployment).get("paused"):
        condition = _condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        _set(conditions, condition, now)
