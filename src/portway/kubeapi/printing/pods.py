"""Pods and their templates: READY, STATUS and RESTARTS are the sum of what each container's status says."""

from typing import Any

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.printing.cell import (
    AGE,
    NAME,
    NONE,
    at,
    column,
    condition,
    container_columns,
    labels_text,
    text,
    value,
    wide,
)
from portway.kubeapi.printing.duration import seconds_of, since


class _Restarts(Struct, frozen=True):
    """How often containers were started again, and when one last ended."""

    count: int = 0
    last: str = ""

    def plus(self, status: Doc) -> "_Restarts":
        ended = value(status, "lastState", "terminated", "finishedAt") or ""
        later = (seconds_of(ended) or 0.0) > (seconds_of(self.last) or 0.0) if ended else False
        return _Restarts(self.count + (status.get("restartCount") or 0), ended if later else self.last)


class PodSummary(Struct, frozen=True):
    """A pod in three cells."""

    reason: str
    """The STATUS column: a phase, or what a container waits for or died of."""
    ready: int
    total: int
    restarts: int
    last_restart: str


def summary(doc: Doc) -> PodSummary:
    """The logic of `kubectl get pods`."""
    sidecars = _sidecars(doc)
    total = len(value(doc, "spec", "containers") or ()) + len(sidecars)
    init_reason, ready, restarts, sidecar_restarts = _init(doc, sidecars)
    reason = init_reason or _phase(doc)
    if not init_reason or condition(doc, "Initialized").get("status") == "True":
        reason, running, restarts = _ordinary(doc, reason, sidecar_restarts)
        ready += running
    return PodSummary(_ending(doc, reason), ready, total, restarts.count, restarts.last)


def _sidecars(doc: Doc) -> set[str]:
    init = value(doc, "spec", "initContainers") or ()
    return {container.get("name", "") for container in init if container.get("restartPolicy") == "Always"}


def _phase(doc: Doc) -> str:
    if condition(doc, "PodScheduled").get("reason") == "SchedulingGated":
        return "SchedulingGated"
    return str(value(doc, "status", "reason") or value(doc, "status", "phase") or "")


def _init(doc: Doc, sidecars: set[str]) -> tuple[str, int, _Restarts, _Restarts]:
    """(why it still initialises or "", ready sidecars, all restarts so far, those of sidecars)."""
    ready, restarts, of_sidecars = 0, _Restarts(), _Restarts()
    count = len(value(doc, "spec", "initContainers") or ())
    for index, status in enumerate(value(doc, "status", "initContainerStatuses") or ()):
        restarts = restarts.plus(status)
        sidecar = status.get("name") in sidecars
        of_sidecars = of_sidecars.plus(status) if sidecar else of_sidecars
        if _done(status):
            continue
        if sidecar and status.get("started"):
            ready += bool(status.get("ready"))
            continue
        return _init_reason(status, index, count), ready, restarts, of_sidecars
    return "", ready, restarts, of_sidecars


def _done(status: Doc) -> bool:
    ended = value(status, "state", "terminated")
    return ended is not None and not ended.get("exitCode")


def _init_reason(status: Doc, index: int, count: int) -> str:
    ended, waiting = value(status, "state", "terminated"), value(status, "state", "waiting", "reason")
    if ended is not None:
        return f"Init:{_end(ended)}"
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{count}"


def _end(ended: Doc) -> str:
    """Why a container ended."""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode') or 0}"


def _ordinary(doc: Doc, reason: str, restarts: _Restarts) -> tuple[str, int, _Restarts]:
    """(reason, ready containers, restarts): the first container's trouble is what is shown."""
    ready, failed = 0, ""
    for status in reversed(value(doc, "status", "containerStatuses") or []):
        restarts = restarts.plus(status)
        state = status.get("state") or {}
        if value(state, "waiting", "reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _end(state["terminated"])
            failed = reason if state["terminated"].get("exitCode") else failed
        elif status.get("ready") and state.get("running") is not None:
            ready += 1
    return _not_all_completed(doc, reason, ready, failed), ready, restarts


def _not_all_completed(doc: Doc, reason: str, ready: int, failed: str) -> str:
    """A pod with one container at its end and another still running is not Completed."""
    if reason != "Completed":
        return reason
    if ready and condition(doc, "Ready").get("status") == "True":
        return "Running"
    return failed or ("NotReady" if ready else reason)


def _ending(doc: Doc, reason: str) -> str:
    if not value(doc, "metadata", "deletionTimestamp"):
        return reason
    if value(doc, "status", "reason") == "NodeLost":
        return "Unknown"
    return reason if value(doc, "status", "phase") in ("Succeeded", "Failed") else "Terminating"


def _ready(doc: Doc) -> str:
    found = summary(doc)
    return f"{found.ready}/{found.total}"


def _restart_text(doc: Doc, now: float) -> str:
    found = summary(doc)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({since(found.last_restart, now)} ago)"
    return str(found.restarts)


def _address(doc: Doc) -> str:
    addresses = value(doc, "status", "podIPs") or [{"ip": value(doc, "status", "podIP")}]
    return addresses[0].get("ip") or NONE


def _gates(doc: Doc) -> str:
    gates = value(doc, "spec", "readinessGates") or ()
    passed = [gate for gate in gates if condition(doc, gate.get("conditionType", "")).get("status") == "True"]
    return f"{len(passed)}/{len(gates)}" if gates else NONE


_ENDED = {
    "Succeeded": ("Succeeded", "The pod has completed successfully."),
    "Failed": ("Failed", "The pod failed."),
}


def row_conditions(doc: Doc) -> list[Doc]:
    """A Table row's conditions: clients may hide pods that are through."""
    reason, message = _ENDED.get(value(doc, "status", "phase"), ("", ""))
    return [{"type": "Completed", "status": "True", "reason": reason, "message": message}] if reason else []


def _template_labels(doc: Doc) -> Any:
    return labels_text(value(doc, "template", "metadata", "labels"))


_CONTAINERS, _IMAGES = container_columns("template", "spec")

COLUMNS = {
    "Pod": (
        NAME,
        column("Ready", text(_ready)),
        column("Status", text(lambda doc: summary(doc).reason)),
        column("Restarts", _restart_text),
        AGE,
        wide("IP", text(_address)),
        wide("Node", at("spec", "nodeName", absent=NONE)),
        wide("Nominated Node", at("status", "nominatedNodeName", absent=NONE)),
        wide("Readiness Gates", text(_gates)),
    ),
    "PodTemplate": (
        NAME,
        column("Containers", _CONTAINERS.cell),
        column("Images", _IMAGES.cell),
        column("Pod Labels", text(_template_labels)),
    ),
}
