"""Deployments and their like, jobs, autoscalers, disruption budgets."""

from collections.abc import Callable
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Column
from portway.kubeapi.printing.cell import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    at,
    column,
    condition,
    container_columns,
    labels_text,
    listed,
    selector_text,
    text,
    value,
    wide,
)
from portway.kubeapi.printing.duration import human_duration, seconds_of, since

_TEMPLATE = ("spec", "template", "spec")


def _number(name: str, *path: str) -> Column:
    return column(name, at(*path, absent=0), "integer")


def _ready(doc: Doc) -> str:
    return f"{value(doc, 'status', 'readyReplicas') or 0}/{value(doc, 'spec', 'replicas') or 0}"


def _replica_columns(selector: Callable[[Doc], str]) -> tuple[Column, ...]:
    return (
        NAME,
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        AGE,
        *container_columns(*_TEMPLATE),
        wide("Selector", text(selector)),
    )


def _selector(doc: Doc) -> str:
    return selector_text(value(doc, "spec", "selector"))


_JOB_STATES = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)
"""(condition, status) in the order in which they win; the empty one asks for a deletionTimestamp."""


def _job_status(doc: Doc) -> str:
    deleted = value(doc, "metadata", "deletionTimestamp") is not None
    for name, status in _JOB_STATES:
        if condition(doc, name).get("status") == "True" if name else deleted:
            return status
    return "Running"


def _job_completions(doc: Doc) -> str:
    done, wanted = value(doc, "status", "succeeded") or 0, value(doc, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallelism = value(doc, "spec", "parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(doc: Doc, now: float) -> str:
    started, ended = value(doc, "status", "startTime"), value(doc, "status", "completionTime")
    begin = seconds_of(started) if started else None
    if begin is None:
        return ""
    end = seconds_of(ended) if ended else None
    return human_duration((now if end is None else end) - begin)


def _last_schedule(doc: Doc, now: float) -> str:
    last = value(doc, "status", "lastScheduleTime")
    return since(last, now) if last else NONE


def _boolean(*path: str) -> Cell:
    def cell(doc: Doc, _: float) -> str:
        found = value(doc, *path)
        return UNSET if found is None else "True" if found else "False"

    return cell


def _reference(doc: Doc) -> str:
    target = value(doc, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


_METRICS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(spec: Doc, status: Doc) -> str:
    key = _METRICS.get(spec.get("type", ""))
    if key is None:
        return "<unknown type>"
    target, current = value(spec, key, "target") or {}, value(status, key, "current") or {}
    prefix = f"{value(spec, key, 'name')}: " if "esource" in key else ""
    if target.get("averageValue") is not None:
        suffix = " (avg)" if key in ("external", "object") else ""
        return f"{prefix}{current.get('averageValue', '<unknown>')}/{target['averageValue']}{suffix}"
    if "esource" not in key:
        return f"{current.get('value', '<unknown>')}/{target.get('value', '<unknown>')}"
    return f"{prefix}{_percent(current, '<unknown>')}/{_percent(target, '<auto>')}"


def _percent(amount: Doc, absent: str) -> str:
    found = amount.get("averageUtilization")
    return absent if found is None else f"{found}%"


def _targets(doc: Doc) -> str:
    specs = value(doc, "spec", "metrics") or []
    statuses = value(doc, "status", "currentMetrics") or []
    padded = statuses + [{}] * (len(specs) - len(statuses))
    return listed((_metric(*pair) for pair in zip(specs, padded, strict=False)), 2, NONE, comma=", ")


def _controller(doc: Doc) -> str:
    owners = value(doc, "metadata", "ownerReferences") or ()
    owner = next((item for item in owners if item.get("controller")), None)
    if owner is None:
        return NONE
    group, slash, _ = owner.get("apiVersion", "").partition("/")
    kind = owner.get("kind", "").lower()
    return f"{kind}.{group}/{owner.get('name')}" if slash else f"{kind}/{owner.get('name')}"


def _int_or_string(*path: str) -> Cell:
    def cell(doc: Doc, _: float) -> Any:
        found = value(doc, *path)
        return "N/A" if found is None else str(found)

    return cell


COLUMNS = {
    "Deployment": (
        NAME,
        column("Ready", text(_ready)),
        column("Up-to-date", at("status", "updatedReplicas", absent=0)),
        column("Available", at("status", "availableReplicas", absent=0)),
        AGE,
        *container_columns(*_TEMPLATE),
        wide("Selector", text(_selector)),
    ),
    "ReplicaSet": _replica_columns(_selector),
    "ReplicationController": _replica_columns(lambda doc: labels_text(value(doc, "spec", "selector"))),
    "StatefulSet": (NAME, column("Ready", text(_ready)), AGE, *container_columns(*_TEMPLATE)),
    "DaemonSet": (
        NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        _number("Up-to-date", "status", "updatedNumberScheduled"),
        _number("Available", "status", "numberAvailable"),
        column("Node Selector", text(lambda doc: labels_text(value(doc, *_TEMPLATE, "nodeSelector")))),
        AGE,
        *container_columns(*_TEMPLATE),
        wide("Selector", text(_selector)),
    ),
    "Job": (
        NAME,
        column("Status", text(_job_status)),
        column("Completions", text(_job_completions)),
        column("Duration", _job_duration),
        AGE,
        *container_columns(*_TEMPLATE),
        wide("Selector", text(_selector)),
    ),
    "CronJob": (
        NAME,
        column("Schedule", at("spec", "schedule")),
        column("Timezone", at("spec", "timeZone", absent=NONE)),
        column("Suspend", _boolean("spec", "suspend"), "boolean"),
        column("Active", text(lambda doc: len(value(doc, "status", "active") or ())), "integer"),
        column("Last Schedule", _last_schedule),
        AGE,
        *container_columns("spec", "jobTemplate", *_TEMPLATE),
        wide("Selector", text(lambda doc: selector_text(value(doc, "spec", "jobTemplate", "spec", "selector")))),
    ),
    "ControllerRevision": (
        NAME,
        column("Controller", text(_controller)),
        column("Revision", at("revision", absent=0)),
        AGE,
    ),
    "HorizontalPodAutoscaler": (
        NAME,
        column("Reference", text(_reference)),
        column("Targets", text(_targets)),
        column("MinPods", at("spec", "minReplicas", absent=UNSET)),
        column("MaxPods", at("spec", "maxReplicas", absent=0)),
        column("Replicas", at("status", "currentReplicas", absent=0)),
        AGE,
    ),
    "PodDisruptionBudget": (
        NAME,
        column("Min Available", _int_or_string("spec", "minAvailable")),
        column("Max Unavailable", _int_or_string("spec", "maxUnavailable")),
        _number("Allowed Disruptions", "status", "disruptionsAllowed"),
        AGE,
    ),
}
