"""Deployment → ReplicaSets: rollouts, scaling, history.

Source: kube-controller-manager pkg/controller/deployment (sync.go, rolling.go, recreate.go). A Deployment's new
ReplicaSet is the one with its pod template; all others are old. Each call takes one step; the next is taken when the
ReplicaSets have moved.
"""

from collections.abc import Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.reconcile import deployment_status, rollout
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.objects import (
    annotations_of,
    by_creation,
    controller_of,
    controller_reference,
    has_ended,
    is_controlled_by,
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    replicas_of,
    selects,
    spec_of,
    status_of,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import DEPLOYMENTS, REPLICA_SETS
from portway.reconcile.templates import HASH, bare_template, template_hash

COMPONENT = "deployment-controller"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    rollout.DESIRED,
    rollout.MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
}


class Sets(Struct, frozen=True):
    """A Deployment's ReplicaSets."""

    new: Doc | None
    old: list[Doc]
    """Oldest first."""

    @property
    def all(self) -> list[Doc]:
        """The new one first."""
        return [self.new, *self.old] if self.new else self.old

    @property
    def active(self) -> list[Doc]:
        """Those that want pods."""
        return [rs for rs in self.all if replicas_of(rs) > 0]


def reconcile(deployment: Doc, replicasets: Sequence[Doc], pods: Sequence[Doc], now: float) -> list[Change]:
    """The next step.

    `replicasets`: at least those of its namespace that it selects or controls. `pods`: those of its ReplicaSets
    (read under strategy Recreate only).
    """
    if (spec_of(deployment).get("selector") or {}) == {}:
        return _selects_everything(deployment)
    mine, claims = _claim(deployment, replicasets)
    if claims:
        return claims
    sets = _sorted_out(deployment, mine)
    if is_deleting(deployment):
        return deployment_status.update(deployment, sets.new, sets.all, now, rolling_out=False)
    revisions = _revisions(deployment, sets)
    if revisions:
        return revisions
    if spec_of(deployment).get("paused") or _is_scaled(deployment, sets):
        changes = _scale(deployment, sets)
        if not changes and spec_of(deployment).get("paused"):
            changes = _clean_up(deployment, sets.old)
        return changes + deployment_status.update(deployment, sets.new, sets.all, now, rolling_out=False)
    changes = _roll(deployment, sets) if rollout.is_rolling(deployment) else _recreate(deployment, sets, pods)
    if not changes and deployment_status.is_complete(deployment, sets.new, sets.all):
        changes = _clean_up(deployment, sets.old)
    if any(isinstance(change, Update) and change.resource == DEPLOYMENTS for change in changes):
        return changes
    created = next((name_of(change.document) for change in changes if isinstance(change, Create)), "")
    return changes + deployment_status.update(deployment, sets.new, sets.all, now, rolling_out=True, created=created)


def _selects_everything(deployment: Doc) -> list[Change]:
    generation = meta(deployment).get("generation")
    if status_of(deployment).get("observedGeneration") == generation:
        return []
    message = "This deployment is selecting all pods. A non-empty selector is required."
    status = {**status_of(deployment), "observedGeneration": generation}
    return [
        Event(deployment, "Warning", "SelectingAll", message, COMPONENT),
        Update(DEPLOYMENTS, {**deployment, "status": status}, "status"),
    ]


def _claim(deployment: Doc, replicasets: Sequence[Doc]) -> tuple[list[Doc], list[Change]]:
    selector = spec_of(deployment)["selector"]
    mine: list[Doc] = []
    changes: list[Change] = []
    for rs in replicasets:
        matches = selects(selector, labels_of(rs))
        references = meta(rs).get("ownerReferences") or []
        if is_controlled_by(rs, deployment):
            if matches:
                mine.append(rs)
            elif not is_deleting(rs):
                kept = [ref for ref in references if ref.get("uid") != uid_of(deployment)]
                changes.append(Update(REPLICA_SETS, with_metadata(rs, ownerReferences=kept or None)))
        elif matches and controller_of(rs) is None and not is_deleting(rs) and not is_deleting(deployment):
            adopted = [*references, _reference(deployment)]
            changes.append(Update(REPLICA_SETS, with_metadata(rs, ownerReferences=adopted)))
    return mine, changes


def _reference(deployment: Doc) -> Doc:
    return controller_reference(deployment, DEPLOYMENTS.api_version, "Deployment")


def _sorted_out(deployment: Doc, mine: Sequence[Doc]) -> Sets:
    """The oldest ReplicaSet with the Deployment's template is the new one, even when a younger one is equal."""
    wanted = bare_template(deployment)
    ordered = by_creation(mine)
    new = next((rs for rs in ordered if bare_template(rs) == wanted), None)
    return Sets(new, [rs for rs in ordered if rs is not new])


def new_replicaset(deployment: Doc, size: int, revision: int) -> Doc:
    """The ReplicaSet of the Deployment's template."""
    digest = template_hash(deployment)
    template = spec_of(deployment).get("template") or {}
    labels = {**labels_of(template), HASH: digest}
    selector = spec_of(deployment)["selector"]
    spec: Doc = {
        "replicas": size,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
        "template": {**template, "metadata": {**meta(template), "labels": labels}},
    }
    if spec_of(deployment).get("minReadySeconds"):
        spec["minReadySeconds"] = spec_of(deployment)["minReadySeconds"]
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": _copied_annotations(deployment) | _size_annotations(deployment) | {REVISION: str(revision)},
            "ownerReferences": [_reference(deployment)],
        },
        "spec": spec,
    }


def _copied_annotations(deployment: Doc) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}


def _size_annotations(deployment: Doc) -> dict[str, str]:
    wanted = replicas_of(deployment)
    return {rollout.DESIRED: str(wanted), rollout.MAX_REPLICAS: str(wanted + rollout.max_surge(deployment))}


def _revision(document: Doc) -> int:
    return rollout.annotated_number(document, REVISION)


def _revisions(deployment: Doc, sets: Sets) -> list[Change]:
    """The new ReplicaSet has the highest revision and what it copies; the Deployment says which it is."""
    if sets.new is None:
        return []
    newest = max((_revision(rs) for rs in sets.old), default=0) + 1
    annotations = annotations_of(sets.new) | _copied_annotations(deployment)
    current = _revision(sets.new)
    if current < newest:
        annotations[REVISION] = str(newest)
        if current:  # it was new before: an undo
            history = annotations.get(REVISION_HISTORY)
            annotations[REVISION_HISTORY] = f"{history},{current}" if history else str(current)
    min_ready = spec_of(deployment).get("minReadySeconds") or 0
    if annotations != annotations_of(sets.new) or min_ready != (spec_of(sets.new).get("minReadySeconds") or 0):
        updated = with_metadata(sets.new, annotations=annotations)
        return [Update(REPLICA_SETS, {**updated, "spec": {**spec_of(updated), "minReadySeconds": min_ready}})]
    if annotations_of(deployment).get(REVISION) != annotations[REVISION]:
        own = annotations_of(deployment) | {REVISION: annotations[REVISION]}
        return [Update(DEPLOYMENTS, with_metadata(deployment, annotations=own))]
    return []


def _is_scaled(deployment: Doc, sets: Sets) -> bool:
    """Whether spec.replicas has changed since the ReplicaSets were sized."""
    wanted = str(replicas_of(deployment))
    return any(annotations_of(rs).get(rollout.DESIRED, wanted) != wanted for rs in sets.active)


def _scale(deployment: Doc, sets: Sets) -> list[Change]:
    """Scaling proper, which never starts a rollout: one ReplicaSet follows; several share the difference."""
    active = sets.active
    latest = sets.new or (max(sets.old, key=_revision) if sets.old else None)
    if len(active) <= 1:
        single = active[0] if active else latest
        return _resized(deployment, [single], [replicas_of(deployment)]) if single else []
    if _is_saturated(deployment, sets.new):
        old = [rs for rs in sets.old if replicas_of(rs)]
        return _resized(deployment, old, [0] * len(old))
    if not rollout.is_rolling(deployment):
        return []
    considered = by_creation(active)
    if replicas_of(deployment) + rollout.max_surge(deployment) > rollout.total_replicas(active):
        considered.reverse()  # of equal size, the newer grow first and the older shrink first
    considered.sort(key=lambda rs: -replicas_of(rs))
    return _resized(deployment, considered, rollout.proportional_sizes(deployment, considered))


def _is_saturated(deployment: Doc, new: Doc | None) -> bool:
    wanted = replicas_of(deployment)
    if new is None or annotations_of(new).get(rollout.DESIRED) != str(wanted):
        return False
    return replicas_of(new) == wanted == rollout.available_replicas([new])


def _resized(deployment: Doc, replicasets: Sequence[Doc], sizes: Sequence[int]) -> list[Change]:
    """Updates of those whose size or size annotations are not right, with an Event for each size that changes."""
    changes: list[Change] = []
    for rs, size in zip(replicasets, sizes, strict=True):
        annotations = annotations_of(rs) | _size_annotations(deployment)
        if size == replicas_of(rs) and annotations == annotations_of(rs):
            continue
        sized = {**with_metadata(rs, annotations=annotations), "spec": {**spec_of(rs), "replicas": size}}
        changes.append(Update(REPLICA_SETS, sized))
        if size != replicas_of(rs):
            changes.append(_scaled_event(deployment, name_of(rs), replicas_of(rs), size))
    return changes


def _moved(deployment: Doc, replicasets: Sequence[Doc], sizes: Sequence[int]) -> list[Change]:
    """`_resized`, of those only whose size changes."""
    pairs = [(rs, size) for rs, size in zip(replicasets, sizes, strict=True) if size != replicas_of(rs)]
    return _resized(deployment, [rs for rs, _ in pairs], [size for _, size in pairs])


def _scaled_event(deployment: Doc, name: str, before: int, after: int) -> Event:
    way = "up" if after > before else "down"
    message = f"Scaled {way} replica set {name} from {before} to {after}"
    return Event(deployment, "Normal", "ScalingReplicaSet", message, COMPONENT)


def _roll(deployment: Doc, sets: Sets) -> list[Change]:
    if sets.new is None:
        return _created(deployment, sets)
    size = rollout.new_size(deployment, sets.all, replicas_of(sets.new))
    return _moved(deployment, [sets.new], [size]) or _moved(
        deployment, sets.old, rollout.old_sizes(deployment, sets.new, sets.old)
    )


def _recreate(deployment: Doc, sets: Sets, pods: Sequence[Doc]) -> list[Change]:
    """All old pods go before the first new one comes."""
    down = _moved(deployment, sets.old, [0] * len(sets.old))
    if down or _old_pods_run(sets, pods):
        return down
    if sets.new is None:
        return _created(deployment, sets)
    return _moved(deployment, [sets.new], [replicas_of(deployment)])


def _old_pods_run(sets: Sets, pods: Sequence[Doc]) -> bool:
    """Pods that are being deleted run until they are gone."""
    old = {uid_of(rs) for rs in sets.old}
    return any((controller_of(pod) or {}).get("uid") in old and not has_ended(pod) for pod in pods)


def _created(deployment: Doc, sets: Sets) -> list[Change]:
    size = rollout.new_size(deployment, sets.all, 0)
    revision = max((_revision(rs) for rs in sets.old), default=0) + 1
    new = new_replicaset(deployment, size, revision)
    if any(name_of(rs) == name_of(new) for rs in sets.old):  # another template, the same hash: count it and try again
        status = status_of(deployment)
        collided = {**status, "collisionCount": (status.get("collisionCount") or 0) + 1}
        return [Update(DEPLOYMENTS, {**deployment, "status": collided}, "status")]
    created: list[Change] = [Create(REPLICA_SETS, new)]
    return created if not size else [*created, _scaled_event(deployment, name_of(new), 0, size)]


def _clean_up(deployment: Doc, old: Sequence[Doc]) -> list[Change]:
    """Old ReplicaSets beyond revisionHistoryLimit, lowest revisions first, none that still has pods."""
    limit = spec_of(deployment).get("revisionHistoryLimit")
    alive = sorted((rs for rs in old if not is_deleting(rs)), key=_revision)
    surplus = len(alive) - (len(alive) if limit is None else int(limit))
    return [
        Delete(REPLICA_SETS, namespace_of(rs), name_of(rs), uid_of(rs))
        for rs in alive[: max(surplus, 0)]
        if not replicas_of(rs) and not status_of(rs).get("replicas") and _is_observed(rs)
    ]


def _is_observed(rs: Doc) -> bool:
    return (meta(rs).get("generation") or 0) <= (status_of(rs).get("observedGeneration") or 0)
