"""The arithmetic of rollouts: how many pods each ReplicaSet of a Deployment may have. Numbers in, numbers out.

Source: kube-controller-manager pkg/controller/deployment/util.
"""

import math
from collections.abc import Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile.objects import annotations_of, replicas_of, spec_of, status_of

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"


def is_rolling(deployment: Doc) -> bool:
    """Strategy RollingUpdate, the default."""
    return bool((spec_of(deployment).get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def max_surge(deployment: Doc) -> int:
    """Pods above spec.replicas that a rolling update may have; 0 under Recreate."""
    return _fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Doc) -> int:
    """Pods of spec.replicas that may be unavailable; 0 under Recreate."""
    replicas = replicas_of(deployment)
    if not is_rolling(deployment) or replicas == 0:
        return 0
    return min(_fenceposts(deployment)[1], replicas)


def _fenceposts(deployment: Doc) -> tuple[int, int]:
    """(maxSurge rounded up, maxUnavailable rounded down); never both 0, or nothing could move."""
    rolling = (spec_of(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    replicas = replicas_of(deployment)
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """An IntOrString of `total`: a number as it is, a percentage rounded up or down."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total
    return -(-share // 100) if up else share // 100


def total_replicas(replicasets: Sequence[Doc]) -> int:
    """The sum of spec.replicas."""
    return sum(replicas_of(rs) for rs in replicasets)


def available_replicas(replicasets: Sequence[Doc]) -> int:
    """The sum of status.availableReplicas."""
    return sum(int(status_of(rs).get("availableReplicas") or 0) for rs in replicasets)


def new_size(deployment: Doc, replicasets: Sequence[Doc], current: int) -> int:
    """The new ReplicaSet's size now, being `current`: as far up as all of them together leave room."""
    wanted = replicas_of(deployment)
    if not is_rolling(deployment) or current >= wanted:
        return wanted
    room = wanted + max_surge(deployment) - total_replicas(replicasets)
    return current if room <= 0 else current + min(room, wanted - current)


def old_sizes(deployment: Doc, new: Doc, old: Sequence[Doc]) -> list[int]:
    """Sizes for the old ReplicaSets (given oldest first) in the next step of a rolling update.

    First those of their pods go that are not available anyway, then as many others as the new ReplicaSet's
    available pods allow.
    """
    sizes = [replicas_of(rs) for rs in old]
    at_least = replicas_of(deployment) - max_unavailable(deployment)
    new_missing = replicas_of(new) - available_replicas([new])
    may_go = sum(sizes) + replicas_of(new) - at_least - new_missing
    if not sum(sizes) or may_go <= 0:
        return sizes
    for index, rs in enumerate(old):
        unhealthy = max(sizes[index] - available_replicas([rs]), 0)
        sizes[index] -= (gone := min(unhealthy, may_go))
        may_go -= gone
    spare = max(available_replicas([*old, new]) - at_least, 0)
    for index, size in enumerate(sizes):
        sizes[index] -= (gone := min(size, spare))
        spare -= gone
    return sizes


def proportional_sizes(deployment: Doc, active: Sequence[Doc]) -> list[int]:
    """Sizes for several ReplicaSets with pods when spec.replicas changes in the middle of a rollout.

    Each gets its share of the difference; what rounding leaves goes to the first. `active` is in the order in which
    they are considered: the largest first.
    """
    wanted = replicas_of(deployment)
    to_add = (wanted + max_surge(deployment) if wanted else 0) - total_replicas(active)
    sizes, added = [], 0
    for rs in active:
        share = _share(deployment, rs, to_add, added)
        sizes.append(replicas_of(rs) + share)
        added += share
    if sizes:
        sizes[0] = max(sizes[0] + to_add - added, 0)
    return sizes


def _share(deployment: Doc, rs: Doc, to_add: int, added: int) -> int:
    left = to_add - added
    if not replicas_of(rs) or not left:
        return 0
    fraction = _fraction(deployment, rs)
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(deployment: Doc, rs: Doc) -> int:
    size, wanted = replicas_of(rs), replicas_of(deployment)
    if not wanted:
        return -size
    before = annotated_number(rs, MAX_REPLICAS) or int(status_of(deployment).get("replicas") or 0)
    if not before:
        return 0
    return math.floor(size * (wanted + max_surge(deployment)) / before + 0.5) - size


def annotated_number(document: Doc, name: str) -> int:
    """An annotation's number; 0 when it is missing or none."""
    text = annotations_of(document).get(name) or ""
    return int(text) if text.isdecimal() else 0
