"""Job → pods until enough of them have succeeded, or too many have failed.

Source: kube-controller-manager pkg/controller/job (job_controller.go, indexed_job_utils.go, backoff_utils.go). Pods
are counted as long as they are there, and the status keeps what was counted: a pod that somebody deletes after it has
succeeded or failed still counts. Not here: podFailurePolicy, successPolicy, backoffLimitPerIndex.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.reconcile import replicas
from portway.reconcile.change import Change, Delete, Event, Update
from portway.reconcile.objects import (
    annotations_of,
    condition_of,
    has_ended,
    is_deleting,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    phase_of,
    seconds_of,
    selects,
    spec_of,
    status_of,
    timestamp,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import JOBS

KIND, COMPONENT = "Job", "job-controller"
INDEX = "batch.kubernetes.io/job-completion-index"
FLAVOUR = replicas.Flavour(JOBS, KIND, COMPONENT, lambda owner, labels: selects(spec_of(owner).get("selector"), labels))
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 600.0
"""Seconds after a failure until the next try: each twice the one before (DefaultJobPodFailureBackOff)."""


class _Job(Struct, frozen=True, dict=True):
    """A Job and its pods."""

    owner: Doc
    pods: Sequence[Doc]
    now: float

    @cached_property
    def spec(self) -> Doc:
        return spec_of(self.owner)

    @cached_property
    def active(self) -> list[Doc]:
        return [pod for pod in self.pods if not has_ended(pod) and not is_deleting(pod)]

    @cached_property
    def indexed(self) -> bool:
        return self.spec.get("completionMode") == "Indexed"

    @cached_property
    def done(self) -> set[int]:
        """The indexes that have succeeded."""
        now = {number for pod in self.pods if phase_of(pod) == "Succeeded" and (number := index_of(pod)) is not None}
        return now | set(indexes(str(status_of(self.owner).get("completedIndexes") or "")))

    @cached_property
    def succeeded(self) -> int:
        if self.indexed:
            return len(self.done)
        return self._counted("Succeeded", "succeeded")

    @cached_property
    def failed(self) -> int:
        return self._counted("Failed", "failed")

    def _counted(self, phase: str, field: str) -> int:
        """What is there, or was."""
        here = sum(phase_of(pod) == phase for pod in self.pods)
        return max(here, int(status_of(self.owner).get(field) or 0))

    @cached_property
    def is_complete(self) -> bool:
        wanted = self.spec.get("completions")
        if wanted is None:
            return self.succeeded > 0 and not self.active
        return self.succeeded >= int(wanted)

    @cached_property
    def failure(self) -> tuple[str, str] | None:
        """(reason, message) of why no more is tried."""
        if self.failed > int(self.spec.get("backoffLimit") or 0):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        limit, started = self.spec.get("activeDeadlineSeconds"), seconds_of(status_of(self.owner).get("startTime"))
        if limit is not None and started is not None and self.now - started >= int(limit):
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        return None

    @cached_property
    def pause(self) -> float:
        """Seconds until a pod may be made after the last failure."""
        moments = [moment for pod in self.pods if phase_of(pod) == "Failed" and (moment := _ended(pod)) is not None]
        if not moments:
            return 0.0
        pause = min(_FIRST_PAUSE * 2.0 ** (len(moments) - 1), _LONGEST_PAUSE)
        return float(max(0.0, max(moments) + pause - self.now))


def _ended(pod: Doc) -> float | None:
    ends = [(c.get("state") or {}).get("terminated") or {} for c in status_of(pod).get("containerStatuses") or []]
    moments = [moment for end in ends if (moment := seconds_of(end.get("finishedAt"))) is not None]
    return max(moments, default=None)


def index_of(pod: Doc) -> int | None:
    """The completion index of an Indexed Job's pod."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdigit() else None


def indexes(text: str) -> Iterator[int]:
    """`0,2-4` as numbers."""
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def shortened(numbers: Collection[int]) -> str:
    """Numbers as `0,2-4`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def has_finished(job: Doc) -> bool:
    """Complete or Failed: nothing of it changes any more."""
    return any((condition_of(job, name) or {}).get("status") == "True" for name in ("Complete", "Failed"))


def reconcile(job: Doc, pods: Sequence[Doc], now: float, suffix: Callable[[], str]) -> list[Change]:
    """The next step. `pods`: at least those of its namespace that it selects or controls."""
    if is_deleting(job):
        return []
    if has_finished(job):
        return _expired(job, now)
    mine, changes = replicas.claim(FLAVOUR, job, pods)
    this = _Job(job, mine, now)
    if status_of(job).get("startTime") is None and not this.spec.get("suspend"):
        return _put(job, {**status_of(job), "startTime": timestamp(now)})
    return [*changes, *_pods(this, suffix), *_status(this)]


def next_look(job: Doc, pods: Sequence[Doc], now: float) -> float | None:
    """Seconds after which something is due without a change; None: nothing is."""
    if has_finished(job):
        left = _lifetime(job, now)
        return None if left is None else max(0.0, left)
    this = _Job(job, pods, now)
    due = [this.pause] if this.pause else []
    limit, started = this.spec.get("activeDeadlineSeconds"), seconds_of(status_of(job).get("startTime"))
    if limit is not None and started is not None:
        due.append(max(0.0, started + int(limit) - now))
    return min(due, default=None)


def _lifetime(job: Doc, now: float) -> float | None:
    """Seconds that a finished Job still has, by ttlSecondsAfterFinished."""
    ttl = spec_of(job).get("ttlSecondsAfterFinished")
    ends = [condition_of(job, name) or {} for name in ("Complete", "Failed")]
    moments = [moment for end in ends if (moment := seconds_of(end.get("lastTransitionTime"))) is not None]
    return None if ttl is None or not moments else max(moments) + int(ttl) - now


def _expired(job: Doc, now: float) -> list[Change]:
    left = _lifetime(job, now)
    return [Delete(JOBS, namespace_of(job), name_of(job), uid_of(job))] if left is not None and left <= 0 else []


def _pods(this: _Job, suffix: Callable[[], str]) -> list[Change]:
    """As many as may run at once, and no more than are missing."""
    if this.is_complete or this.failure or this.spec.get("suspend"):
        return [change for pod in this.active for change in replicas.deleted(FLAVOUR, this.owner, pod)]
    wanted = int(this.spec.get("parallelism") or 0)
    if (completions := this.spec.get("completions")) is not None:
        wanted = min(wanted, int(completions) - this.succeeded)
    elif this.succeeded:  # the work is done when one has succeeded; those that run may end
        wanted = min(wanted, len(this.active))
    surplus = len(this.active) - wanted
    if surplus > 0:
        chosen = replicas.victims(this.active, surplus, this.now, this.active)
        return [change for pod in chosen for change in replicas.deleted(FLAVOUR, this.owner, pod)]
    missing = [] if this.pause else _new(this, -surplus, suffix)
    return [change for pod in missing for change in replicas.created(FLAVOUR, this.owner, pod)]


def _new(this: _Job, count: int, suffix: Callable[[], str]) -> Iterable[Doc]:
    if not this.indexed:
        return [replicas.new_pod(FLAVOUR, this.owner, suffix()) for _ in range(count)]
    taken = this.done | {index_of(pod) for pod in this.pods if not has_ended(pod)}
    free = [number for number in range(int(this.spec.get("completions") or 0)) if number not in taken]
    return [_with_index(this.owner, replicas.new_pod(FLAVOUR, this.owner, suffix()), n) for n in free[:count]]


def _with_index(owner: Doc, pod: Doc, number: int) -> Doc:
    """Its index in the name, the hostname, a label, an annotation and the environment."""
    name = f"{name_of(owner)}-{number}"
    ending = name_of(pod).rpartition("-")[2]
    marked = with_metadata(
        pod,
        name=f"{name}-{ending}",
        generateName=f"{name}-",
        labels={**labels_of(pod), INDEX: str(number)},
        annotations={**annotations_of(pod), INDEX: str(number)},
    )
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
    spec = {**spec_of(pod), "hostname": name}
    for field in ("containers", "initContainers"):
        if spec.get(field):
            spec[field] = [{**one, "env": [*(one.get("env") or []), variable]} for one in spec[field]]
    return {**marked, "spec": spec}


def _status(this: _Job) -> list[Change]:
    active = 0 if this.is_complete or this.failure or this.spec.get("suspend") else len(this.active)
    figures = {
        "active": active,
        "ready": sum(map(is_ready, this.active)) if active else 0,
        "succeeded": this.succeeded,
        "failed": this.failed,
    }
    status: Doc = {name: number for name, number in figures.items() if number or name == "ready"}
    if started := status_of(this.owner).get("startTime"):
        status["startTime"] = started
    if this.indexed and this.done:
        status["completedIndexes"] = shortened(this.done)
    conditions, events = _conditions(this)
    if conditions:
        status["conditions"] = conditions
    if this.is_complete:
        status["completionTime"] = timestamp(this.now)
    return [*_put(this.owner, status), *events]


def _put(job: Doc, status: Doc) -> list[Change]:
    return [] if status == status_of(job) else [Update(JOBS, {**job, "status": status}, "status")]


def _conditions(this: _Job) -> tuple[list[Doc], list[Change]]:
    """How it stands, and the news of it."""
    if this.is_complete:
        reached = "Reached expected number of succeeded pods"
        told = Event(this.owner, "Normal", "Completed", "Job completed", COMPONENT)
        kinds = ("SuccessCriteriaMet", "Complete")
        return [_condition(this, kind, "CompletionsReached", reached) for kind in kinds], [told]
    if failure := this.failure:
        told = Event(this.owner, "Warning", *failure, COMPONENT)
        return [_condition(this, kind, *failure) for kind in ("FailureTarget", "Failed")], [told]
    suspended = condition_of(this.owner, "Suspended")
    if this.spec.get("suspend"):
        if suspended and suspended.get("status") == "True":
            return [suspended], []
        told = Event(this.owner, "Normal", "Suspended", "Job suspended", COMPONENT)
        return [_condition(this, "Suspended", "JobSuspended", "Job suspended")], [told]
    if suspended is None:
        return [], []
    if suspended.get("status") == "False":
        return [suspended], []
    resumed = _condition(this, "Suspended", "JobResumed", "Job resumed") | {"status": "False"}
    return [resumed], [Event(this.owner, "Normal", "Resumed", "Job resumed", COMPONENT)]


def _condition(this: _Job, kind: str, reason: str, message: str) -> Doc:
    now = timestamp(this.now)
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": "True", "reason": reason, "message": message} | times
