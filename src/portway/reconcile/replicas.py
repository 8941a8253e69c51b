"""As many pods as wanted: the core that ReplicaSets and ReplicationControllers share.

Source: kube-controller-manager's ReplicaSet controller and controller.ActivePodsWithRanks (the victims' order).
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.objects import (
    annotations_of,
    contains_all,
    controller_of,
    controller_reference,
    is_active,
    is_available,
    is_controlled_by,
    is_deleting,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    phase_of,
    ready_since,
    replicas_of,
    seconds_of,
    spec_of,
    status_of,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import PODS

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_LONGEST_PREFIX = 58
"""A generated name's part before its five random characters (k8s names.MaxGeneratedNameLength)."""


class Flavour(Struct, frozen=True):
    """What differs between ReplicaSets and ReplicationControllers."""

    resource: Resource
    kind: str
    component: str
    matches: Callable[[Doc, Mapping[str, str]], bool]
    """(owner, a pod's labels): its selector selects them."""


def sync(
    flavour: Flavour,
    owner: Doc,
    pods: Sequence[Doc],
    now: float,
    suffix: Callable[[], str],
    related: Sequence[Doc] = (),
) -> list[Change]:
    """Pods to create, delete, adopt or release, and the owner's new status.

    `pods`: at least those of its namespace that it selects or controls. `related`: pods of its siblings (ReplicaSets
    of one Deployment), so that victims are taken from crowded nodes first.
    """
    if is_deleting(owner):
        return _status_changes(flavour, owner, [p for p in pods if is_controlled_by(p, owner) and is_active(p)], now)
    claimed, changes = claim(flavour, owner, pods)
    active = [pod for pod in claimed if is_active(pod)]
    surplus = len(active) - replicas_of(owner)
    if surplus < 0:
        for _ in range(-surplus):
            changes += created(flavour, owner, new_pod(flavour, owner, suffix()))
    elif surplus > 0:
        for pod in victims(active, surplus, now, [*active, *related]):
            changes += deleted(flavour, owner, pod)
    return changes + _status_changes(flavour, owner, active, now)


def claim(flavour: Flavour, owner: Doc, pods: Sequence[Doc]) -> tuple[list[Doc], list[Change]]:
    """The pods that are the owner's, orphans that match among them; and the changes that make it so."""
    mine: list[Doc] = []
    changes: list[Change] = []
    for pod in pods:
        matches = flavour.matches(owner, labels_of(pod))
        if is_controlled_by(pod, owner):
            if matches:
                mine.append(pod)
            elif not is_deleting(pod):
                changes.append(Update(PODS, _released(pod, owner)))
        elif matches and controller_of(pod) is None and is_active(pod):
            mine.append(pod)
            changes.append(Update(PODS, _adopted(flavour, pod, owner)))
    return mine, changes


def _adopted(flavour: Flavour, pod: Doc, owner: Doc) -> Doc:
    references = meta(pod).get("ownerReferences") or []
    return with_metadata(pod, ownerReferences=[*references, _reference(flavour, owner)])


def _released(pod: Doc, owner: Doc) -> Doc:
    kept = [ref for ref in meta(pod)["ownerReferences"] if ref.get("uid") != uid_of(owner)]
    return with_metadata(pod, ownerReferences=kept or None)


def _reference(flavour: Flavour, owner: Doc) -> Doc:
    return controller_reference(owner, flavour.resource.api_version, flavour.kind)


def created(flavour: Flavour, owner: Doc, pod: Doc) -> list[Change]:
    """The pod, and the news of it."""
    news = Event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}", flavour.component)
    return [Create(PODS, pod), news]


def deleted(flavour: Flavour, owner: Doc, pod: Doc) -> list[Change]:
    """Its end, and the news of it."""
    news = Event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", flavour.component)
    return [Delete(PODS, namespace_of(pod), name_of(pod), uid_of(pod)), news]


def new_pod(flavour: Flavour, owner: Doc, suffix: str) -> Doc:
    """A pod of the owner's template, named after the owner."""
    template = spec_of(owner).get("template") or {}
    prefix = f"{name_of(owner)}-"
    metadata: Doc = {
        "name": prefix[:_LONGEST_PREFIX] + suffix,
        "generateName": prefix,
        "namespace": namespace_of(owner),
        "ownerReferences": [_reference(flavour, owner)],
    }
    for part in ("labels", "annotations", "finalizers"):
        if meta(template).get(part):
            metadata[part] = meta(template)[part]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec_of(template)}


def victims(active: Sequence[Doc], count: int, now: float, related: Sequence[Doc]) -> list[Doc]:
    """The pods that Kubernetes would miss least, first to go first."""
    crowd = Counter(uid_node for uid_node in _nodes_of(related))
    return sorted(active, key=lambda pod: _worth(pod, now, crowd))[:count]


def _nodes_of(pods: Sequence[Doc]) -> list[str]:
    distinct = {uid_of(pod): pod for pod in pods if is_active(pod)}
    return [spec_of(pod).get("nodeName") or "" for pod in distinct.values()]


def _worth(pod: Doc, now: float, crowd: Mapping[str, int]) -> tuple[Any, ...]:
    """Least first: the order of controller.ActivePodsWithRanks, each step only where those before are equal."""
    node = spec_of(pod).get("nodeName") or ""
    created = seconds_of(meta(pod).get("creationTimestamp"))
    ready = is_ready(pod)
    return (
        bool(node),
        {"Pending": 0, "Unknown": 1, "Running": 2}.get(phase_of(pod), 0),
        ready,
        _deletion_cost(pod),
        -crowd.get(node, 0),
        _age_bucket(ready_since(pod), now) if ready else 0,
        -_restarts(pod),
        _age_bucket(created, now),
        uid_of(pod),
    )


def _age_bucket(since: float | None, now: float) -> int:
    """Ages that differ by less than a factor of two count as equal (LogarithmicScaleDown); unknown is youngest."""
    return -1 if since is None else int(math.log2(max(now - since, 1.0)))


def _deletion_cost(pod: Doc) -> int:
    try:
        return int(annotations_of(pod).get(_DELETION_COST, "0"))
    except ValueError:
        return 0


def _restarts(pod: Doc) -> int:
    return max((c.get("restartCount") or 0 for c in status_of(pod).get("containerStatuses") or []), default=0)


def counts(owner: Doc, active: Sequence[Doc], now: float) -> Doc:
    """The status's figures for these pods, zeroes left out as Kubernetes does."""
    wanted = meta(spec_of(owner).get("template") or {}).get("labels") or {}
    min_ready = spec_of(owner).get("minReadySeconds") or 0
    figures = {
        "fullyLabeledReplicas": sum(contains_all(labels_of(pod), wanted) for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in active),
    }
    status: Doc = {"replicas": len(active), **{name: number for name, number in figures.items() if number}}
    generation = meta(owner).get("generation")
    return status | {"observedGeneration": generation} if generation else status


def _status_changes(flavour: Flavour, owner: Doc, active: Sequence[Doc], now: float) -> list[Change]:
    old, new = status_of(owner), counts(owner, active, now)
    if old.get("conditions"):
        new["conditions"] = old["conditions"]
    return [] if old == new else [Update(flavour.resource, {**owner, "status": new}, "status")]


def next_look(owner: Doc, pods: Sequence[Doc], now: float) -> float | None:
    """Seconds until a ready pod becomes available by waiting (minReadySeconds); None when none will."""
    min_ready = spec_of(owner).get("minReadySeconds") or 0
    if not min_ready:
        return None
    left = [since + min_ready - now for pod in pods if is_ready(pod) and (since := ready_since(pod)) is not None]
    return min((max(seconds, 0.0) for seconds in left if seconds > -1.0), default=None)
