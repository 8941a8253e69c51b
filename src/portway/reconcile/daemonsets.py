"""DaemonSet → one pod on every node that may have it.

Source: kube-controller-manager pkg/controller/daemon (daemon_controller.go, update.go). Under RollingUpdate old pods go
by maxUnavailable; maxSurge is taken for more of the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.reconcile import replicas, rollout, scheduler
from portway.reconcile.change import Change, Event, Update
from portway.reconcile.objects import (
    by_creation,
    has_ended,
    is_available,
    is_controlled_by,
    is_deleting,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    phase_of,
    selects,
    spec_of,
    status_of,
    with_metadata,
)
from portway.reconcile.resources import DAEMON_SETS
from portway.reconcile.revisions import LABEL, History, history

KIND, COMPONENT = "DaemonSet", "daemonset-controller"
_GENERATION = "pod-template-generation"
FLAVOUR = replicas.Flavour(
    DAEMON_SETS, KIND, COMPONENT, lambda owner, labels: selects(spec_of(owner).get("selector"), labels)
)
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""What every DaemonSet's pods tolerate (util/daemonset_util.go)."""


class _Daemons(Struct, frozen=True):
    """A DaemonSet on its nodes."""

    owner: Doc
    nodes: Mapping[str, bool]
    """Whether each may have its pod."""
    pods: Mapping[str, list[Doc]]
    """By the node that they have or want, oldest first; those that have ended left out."""
    ended: Sequence[Doc]
    past: History
    now: float

    @property
    def desired(self) -> int:
        return sum(self.nodes.values())

    def is_new(self, pod: Doc) -> bool:
        return labels_of(pod).get(LABEL) == self.past.hash

    def is_there(self, pod: Doc) -> bool:
        """Available."""
        return not is_deleting(pod) and is_available(
            pod, int(spec_of(self.owner).get("minReadySeconds") or 0), self.now
        )


def reconcile(
    owner: Doc,
    pods: Sequence[Doc],
    nodes: Sequence[Doc],
    revisions: Iterable[Doc],
    now: float,
    suffix: Callable[[], str],
) -> list[Change]:
    """The next step. `pods`: at least those of its namespace that it selects or controls; `nodes`: all."""
    if is_deleting(owner):
        mine, changes = [pod for pod in pods if is_controlled_by(pod, owner)], list[Change]()
    else:
        mine, changes = replicas.claim(FLAVOUR, owner, pods)
    hashes = {f"{name_of(owner)}-{labels_of(pod).get(LABEL, '')}" for pod in mine}
    this = _placed(owner, mine, nodes, history(owner, KIND, revisions, hashes), now)
    if is_deleting(owner):
        return _status(this)
    placed = [*_failed(this), *_managed(this, suffix)]
    return [*changes, *this.past.changes, *(placed or _rolled(this)), *_status(this)]


def _placed(owner: Doc, mine: Sequence[Doc], nodes: Iterable[Doc], past: History, now: float) -> _Daemons:
    model = {"metadata": meta(spec_of(owner).get("template") or {}), "spec": _spec(owner, past)}
    may = {name_of(node): not scheduler.refusal(model, node, scheduler.Load()) for node in nodes}
    found: dict[str, list[Doc]] = {}
    for pod in by_creation(mine):
        if not has_ended(pod):
            found.setdefault(node_of(pod), []).append(pod)
    return _Daemons(owner, may, found, [pod for pod in mine if has_ended(pod)], past, now)


def node_of(pod: Doc) -> str:
    """The node that it has, or that its affinity names."""
    if node := spec_of(pod).get("nodeName"):
        return str(node)
    nodes = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    terms = (nodes.get(_REQUIRED) or {}).get("nodeSelectorTerms") or []
    named = [field for term in terms for field in term.get("matchFields") or [] if field.get("key") == "metadata.name"]
    return str((named[0].get("values") or [""])[0]) if named else ""


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _failed(this: _Daemons) -> Iterator[Change]:
    for pod in this.ended:
        if not is_deleting(pod):
            named = f"{namespace_of(pod)}/{name_of(pod)} on node {node_of(pod)}"
            message = f"Found failed daemon pod {named}, will try to kill it"
            yield from replicas.deleted(FLAVOUR, this.owner, pod)
            if phase_of(pod) == "Failed":
                yield Event(this.owner, "Warning", "FailedDaemonPod", message, COMPONENT)


def _managed(this: _Daemons, suffix: Callable[[], str]) -> Iterator[Change]:
    """Pods that are missing, where they are not wanted, or twice on a node."""
    for node, wanted in this.nodes.items():
        there = [pod for pod in this.pods.get(node, ()) if not is_deleting(pod)]
        if wanted and not this.pods.get(node):
            yield from _created(this, node, suffix())
        for pod in there[1:] if wanted else there:
            yield from replicas.deleted(FLAVOUR, this.owner, pod)


def _rolled(this: _Daemons) -> list[Change]:
    """Old pods that may go now: those that are not there anyway, then as many as may be missing."""
    strategy = spec_of(this.owner).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    running = [pod for node, pods in this.pods.items() if this.nodes.get(node) for pod in pods]
    old = [pod for pod in running if not this.is_new(pod) and not is_deleting(pod)]
    missing = this.desired - sum(map(this.is_there, running))
    room = _allowed(strategy.get("rollingUpdate") or {}, this.desired) - missing
    idle = [pod for pod in old if not this.is_there(pod)]
    chosen = [*idle, *[pod for pod in old if this.is_there(pod)][: max(0, room)]]
    return [change for pod in chosen for change in replicas.deleted(FLAVOUR, this.owner, pod)]


def _allowed(rolling: Doc, desired: int) -> int:
    """How many may be missing: at least one."""
    amounts = (rolling.get(name) or 0 for name in ("maxUnavailable", "maxSurge"))
    return max(1, *(rollout.scaled(amount, desired, up=True) for amount in amounts))


def _created(this: _Daemons, node: str, suffix: str) -> list[Change]:
    pod = replicas.new_pod(FLAVOUR, this.owner, suffix)
    generation = str(meta(this.owner).get("generation") or 1)
    pod = with_metadata(pod, labels={**labels_of(pod), LABEL: this.past.hash, _GENERATION: generation})
    pod["spec"] = _bound(_spec(this.owner, this.past), node)
    return replicas.created(FLAVOUR, this.owner, pod)


def _spec(owner: Doc, past: History) -> Doc:
    """The template's, with what every daemon tolerates."""
    spec = spec_of(past.template(past.update, owner))
    network = [("node.kubernetes.io/network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else []
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in (*_TOLERATED, *network)]
    return {**spec, "tolerations": [*(spec.get("tolerations") or []), *added]}


def _bound(spec: Doc, node: str) -> Doc:
    """The scheduler may choose this node only; what the template wants of a node was asked already."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = spec.get("affinity") or {}
    nodes = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [{"matchFields": [field]}]}}
    return {**spec, "affinity": {**affinity, "nodeAffinity": nodes}}


def _status(this: _Daemons) -> list[Change]:
    first = {node: pods[0] for node, pods in this.pods.items() if pods}
    on = {node: pod for node, pod in first.items() if this.nodes.get(node)}
    available = sum(map(this.is_there, on.values()))
    figures = {
        "updatedNumberScheduled": sum(map(this.is_new, on.values())),
        "numberAvailable": available,
        "numberUnavailable": this.desired - available,
    }
    status: Doc = {
        "currentNumberScheduled": len(on),
        "numberMisscheduled": len(first) - len(on),
        "desiredNumberScheduled": this.desired,
        "numberReady": sum(is_ready(pod) for pod in on.values()),
        "observedGeneration": meta(this.owner).get("generation") or 0,
        **{name: number for name, number in figures.items() if number},
    }
    if status == status_of(this.owner):
        return []
    return [Update(DAEMON_SETS, {**this.owner, "status": status}, "status")]
