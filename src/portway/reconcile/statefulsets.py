"""StatefulSet → its pods, each with a name, an order and claims that it keeps.

Source: kube-controller-manager pkg/controller/statefulset (stateful_set_control.go, stateful_set_utils.go). Each call
takes one step; the next is taken when the pods have moved.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.reconcile import replicas
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.objects import (
    controller_reference,
    has_ended,
    is_available,
    is_controlled_by,
    is_deleting,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    replicas_of,
    selects,
    spec_of,
    status_of,
    uid_of,
)
from portway.reconcile.resources import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from portway.reconcile.revisions import LABEL, History, history

KIND, COMPONENT = "StatefulSet", "statefulset-controller"
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
FLAVOUR = replicas.Flavour(
    STATEFUL_SETS, KIND, COMPONENT, lambda owner, labels: selects(spec_of(owner).get("selector"), labels)
)


class _Set(Struct, frozen=True):
    """A StatefulSet, its pods and its past."""

    owner: Doc
    pods: Mapping[int, Doc]
    """By ordinal."""
    past: History
    claims: Container[tuple[str, str]]
    """(namespace, name) of those there are."""
    now: float

    @property
    def first(self) -> int:
        return int((spec_of(self.owner).get("ordinals") or {}).get("start") or 0)

    @property
    def wanted(self) -> range:
        return range(self.first, self.first + replicas_of(self.owner))

    @property
    def in_order(self) -> bool:
        return spec_of(self.owner).get("podManagementPolicy") != "Parallel"

    @property
    def current(self) -> str:
        return str(status_of(self.owner).get("currentRevision") or self.past.update)

    @property
    def partition(self) -> int:
        """The first ordinal that an update may touch."""
        strategy = spec_of(self.owner).get("updateStrategy") or {}
        return self.first + int((strategy.get("rollingUpdate") or {}).get("partition") or 0)

    def is_settled(self, pod: Doc) -> bool:
        """Running, and available: the next one may follow."""
        min_ready = int(spec_of(self.owner).get("minReadySeconds") or 0)
        return not is_deleting(pod) and is_available(pod, min_ready, self.now)


def ordinal_of(owner: Doc, pod: Doc) -> int | None:
    """The number in its name; None for a pod that is none of the set's."""
    prefix, _, number = name_of(pod).rpartition("-")
    return int(number) if prefix == name_of(owner) and number.isdigit() and str(int(number)) == number else None


def reconcile(
    owner: Doc, pods: Sequence[Doc], revisions: Iterable[Doc], claims: Container[tuple[str, str]], now: float
) -> list[Change]:
    """The next step. `pods`: at least those of its namespace that it selects or controls; `claims`: (namespace, name)
    of those there are.
    """
    named = [pod for pod in pods if ordinal_of(owner, pod) is not None or is_controlled_by(pod, owner)]
    mine, changes = replicas.claim(FLAVOUR, owner, named) if not is_deleting(owner) else (_controlled(owner, pods), [])
    spoken_of = {labels_of(pod).get(LABEL, "") for pod in mine} | {str(status_of(owner).get("currentRevision") or "")}
    by_ordinal = {number: pod for pod in mine if (number := ordinal_of(owner, pod)) is not None}
    this = _Set(owner, by_ordinal, history(owner, KIND, revisions, spoken_of), claims, now)
    if is_deleting(owner):
        return _status(this)
    return [*changes, *this.past.changes, *_step(this), *_status(this)]


def _controlled(owner: Doc, pods: Iterable[Doc]) -> list[Doc]:
    return [pod for pod in pods if is_controlled_by(pod, owner)]


def _step(this: _Set) -> list[Change]:
    """Missing pods first, then those too many, then those of an old revision; one at a time where order matters."""
    changes: list[Change] = []
    for number in this.wanted:
        done, more = _filled(this, number)
        changes += more
        if not done and this.in_order:
            return changes
    changes += _condemned(this)
    return changes or list(_outdated(this))


def _filled(this: _Set, number: int) -> tuple[bool, list[Change]]:
    """Whether a wanted pod is there as it should be, and what is to be done if not."""
    pod = this.pods.get(number)
    if pod is None:
        return False, _created(this, number)
    if has_ended(pod) and not is_deleting(pod):
        message = f"StatefulSet {namespace_of(pod)}/{name_of(this.owner)} is recreating failed Pod {name_of(pod)}"
        return False, [_gone(pod), Event(this.owner, "Warning", "RecreatingFailedPod", message, COMPONENT)]
    return this.is_settled(pod), []


def _condemned(this: _Set) -> list[Change]:
    """Those with numbers that are not wanted, the highest first."""
    left = [pod for number, pod in sorted(this.pods.items(), reverse=True) if number not in this.wanted]
    if not left or (this.in_order and any(is_deleting(pod) for pod in left)):
        return []
    chosen = [pod for pod in (left[:1] if this.in_order else left) if not is_deleting(pod)]
    return [change for pod in chosen for change in _deleted(this.owner, pod)]


def _outdated(this: _Set) -> Iterator[Change]:
    """Under RollingUpdate, the highest pod of another revision, once all above it are as they should be."""
    if (spec_of(this.owner).get("updateStrategy") or {}).get("type") == "OnDelete":
        return
    for number in reversed(this.wanted):
        pod = this.pods.get(number)
        if number < this.partition or pod is None:
            return
        if labels_of(pod).get(LABEL) != this.past.update and not is_deleting(pod):
            yield from _deleted(this.owner, pod)
            return
        if not this.is_settled(pod):
            return


def _created(this: _Set, number: int) -> list[Change]:
    pod = new_pod(this.owner, number, this.past, _revision(this, number))
    message = f"create Pod {name_of(pod)} in StatefulSet {name_of(this.owner)} successful"
    claims: list[Change] = [
        Create(PERSISTENT_VOLUME_CLAIMS, claim)
        for claim in _claims(this.owner, number)
        if (namespace_of(claim), name_of(claim)) not in this.claims
    ]
    return [*claims, Create(PODS, pod), Event(this.owner, "Normal", "SuccessfulCreate", message, COMPONENT)]


def _revision(this: _Set, number: int) -> str:
    """An update goes from the highest number down to the partition; below it pods come back as they were."""
    strategy = spec_of(this.owner).get("updateStrategy") or {}
    if strategy.get("rollingUpdate") is None:
        kept = number < this.first + int(status_of(this.owner).get("currentReplicas") or 0)
    else:
        kept = number < this.partition
    return this.current if kept else this.past.update


def new_pod(owner: Doc, number: int, past: History, revision: str) -> Doc:
    """The pod of that number, by the template of that revision."""
    template = past.template(revision, owner)
    name = f"{name_of(owner)}-{number}"
    labels = {**labels_of(template), LABEL: revision, POD_NAME: name, POD_INDEX: str(number)}
    metadata = {key: meta(template)[key] for key in ("annotations", "finalizers") if meta(template).get(key)}
    spec = {**spec_of(template), "hostname": name}
    if service := spec_of(owner).get("serviceName"):
        spec["subdomain"] = service
    if mounted := [_volume(owner, claim, number) for claim in spec_of(owner).get("volumeClaimTemplates") or []]:
        taken = {volume["name"] for volume in mounted}
        spec["volumes"] = [*mounted, *(v for v in spec.get("volumes") or [] if v.get("name") not in taken)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata
        | {
            "name": name,
            "namespace": namespace_of(owner),
            "labels": labels,
            "ownerReferences": [controller_reference(owner, "apps/v1", KIND)],
        },
        "spec": spec,
    }


def _volume(owner: Doc, claim: Doc, number: int) -> Doc:
    return {"name": name_of(claim), "persistentVolumeClaim": {"claimName": _claim_name(owner, claim, number)}}


def _claim_name(owner: Doc, claim: Doc, number: int) -> str:
    return f"{name_of(claim)}-{name_of(owner)}-{number}"


def _claims(owner: Doc, number: int) -> Iterator[Doc]:
    for claim in spec_of(owner).get("volumeClaimTemplates") or []:
        labels = {**labels_of(claim), **((spec_of(owner).get("selector") or {}).get("matchLabels") or {})}
        metadata = {"name": _claim_name(owner, claim, number), "namespace": namespace_of(owner), "labels": labels}
        yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec_of(claim)}


def _gone(pod: Doc) -> Delete:
    return Delete(PODS, namespace_of(pod), name_of(pod), uid_of(pod))


def _deleted(owner: Doc, pod: Doc) -> list[Change]:
    message = f"delete Pod {name_of(pod)} in StatefulSet {name_of(owner)} successful"
    return [_gone(pod), Event(owner, "Normal", "SuccessfulDelete", message, COMPONENT)]


def _status(this: _Set) -> list[Change]:
    """What there is, by revision; an update that is complete becomes the current revision."""
    pods = list(this.pods.values())
    current, update = this.current, this.past.update
    named = {
        name: sum(labels_of(pod).get(LABEL) == name and not is_deleting(pod) for pod in pods)
        for name in (current, update)
    }
    ready = sum(is_ready(pod) for pod in pods)
    rolling = (spec_of(this.owner).get("updateStrategy") or {}).get("type") != "OnDelete"
    if rolling and named[update] == len(pods) == ready and this.partition <= this.first:
        current = update
    figures = {
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": sum(map(this.is_settled, pods)),
        "currentReplicas": named.get(current, 0),
        "updatedReplicas": named[update],
    }
    status: Doc = {
        **{name: number for name, number in figures.items() if number or name in ("replicas", "availableReplicas")},
        "observedGeneration": meta(this.owner).get("generation") or 0,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": status_of(this.owner).get("collisionCount") or 0,
    }
    if status == status_of(this.owner):
        return []
    return [Update(STATEFUL_SETS, {**this.owner, "status": status}, "status")]
