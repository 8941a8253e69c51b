"""A pod's status from what its containers do. Pure; sources: pkg/kubelet/status/generate.go, kubelet_pods.go."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from portway.kubeapi.errors import Doc

READY_ANNOTATION = "portway.dev/ready"


class ContainerState(Struct):
    """What one container does; `state` and `last` are `v1.ContainerState` documents."""

    name: str
    image: str
    state: Doc
    last: Doc = {}
    ready: bool = False
    restarts: int = 0
    identity: str = ""
    """containerID, e.g. "portway://UID/web"."""

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def document(self) -> Doc:
        """The `v1.ContainerStatus`."""
        return {
            "name": self.name,
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "started": self.running,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.identity,
        }


class Runtime(Struct):
    """What a kubelet knows of a pod."""

    pod_ips: Sequence[str]
    host_ips: Sequence[str]
    containers: Sequence[ContainerState]
    init_containers: Sequence[ContainerState]
    started: str
    """RFC 3339."""
    admitted: bool = True
    """Its network is there and the node's rules know it."""


def waiting(reason: str, message: str = "") -> Doc:
    """A container that does not run, and why."""
    state = {"reason": reason}
    return {"waiting": state | {"message": message} if message else state}


def status(pod: Doc, runtime: Runtime, now: str) -> Doc:
    """The pod's whole `status`; transition times of what did not change stay. `now`: RFC 3339."""
    old: Doc = pod.get("status") or {}
    phase = _phase(pod, runtime.containers)
    return {
        "phase": phase,
        "conditions": _conditions(pod, runtime, phase, old.get("conditions") or [], now),
        "hostIP": runtime.host_ips[0],
        "hostIPs": [{"ip": address} for address in runtime.host_ips],
        "podIP": runtime.pod_ips[0],
        "podIPs": [{"ip": address} for address in runtime.pod_ips],
        "startTime": old.get("startTime") or runtime.started,
        "containerStatuses": [container.document for container in runtime.containers],
    } | _init_statuses(runtime)


def _init_statuses(runtime: Runtime) -> Doc:
    if not runtime.init_containers:
        return {}
    return {"initContainerStatuses": [container.document for container in runtime.init_containers]}


def _phase(pod: Doc, containers: Sequence[ContainerState]) -> str:
    """getPhase: Pending until every container was started, then by what became of them."""
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    ended = [container for container in containers if "terminated" in container.state]
    if any("waiting" in c.state and not c.last for c in containers):
        return "Pending"
    if len(ended) < len(containers) or policy == "Always":
        return "Running"
    if all(container.state["terminated"]["exitCode"] == 0 for container in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(pod: Doc, runtime: Runtime, phase: str, old: Sequence[Doc], now: str) -> list[Doc]:
    wanted = dict(_wanted(pod, runtime, phase))
    before = {condition.get("type", ""): condition for condition in old}
    kept = [condition for condition in old if condition.get("type") not in wanted]
    return [*kept, *(_condition(kind, *value, before.get(kind), now) for kind, value in wanted.items())]


def _wanted(pod: Doc, runtime: Runtime, phase: str) -> Iterable[tuple[str, tuple[bool, str, str]]]:
    """(type, (status, reason, message))."""
    yield "PodReadyToStartContainers", (runtime.admitted and phase not in ("Succeeded", "Failed"), "", "")
    yield "Initialized", _initialized(pod, runtime, phase)
    containers_ready = _containers_ready(runtime.containers, phase)
    yield "ContainersReady", containers_ready
    yield "Ready", _ready(pod, containers_ready)


def _initialized(pod: Doc, runtime: Runtime, phase: str) -> tuple[bool, str, str]:
    missing = [c["name"] for c in (pod.get("spec") or {}).get("initContainers") or [] if not runtime.admitted]
    if missing:
        return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(missing)}]"
    return True, "PodCompleted" if phase == "Succeeded" else "", ""


def _containers_ready(containers: Sequence[ContainerState], phase: str) -> tuple[bool, str, str]:
    if phase in ("Succeeded", "Failed"):
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    unready = [container.name for container in containers if not container.ready]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _ready(pod: Doc, containers: tuple[bool, str, str]) -> tuple[bool, str, str]:
    if not containers[0]:
        return containers
    if taken_out(pod):
        return False, "TakenOut", f'annotation {READY_ANNOTATION} is "false"'
    have = {c.get("type"): c.get("status") for c in (pod.get("status") or {}).get("conditions") or []}
    for gate in (pod.get("spec") or {}).get("readinessGates") or []:
        kind = gate.get("conditionType", "")
        if have.get(kind) != "True":
            state = "does not exist" if kind not in have else 'is not "True"'
            return False, "ReadinessGatesNotReady", f'the status of pod readiness gate "{kind}" {state}'
    return True, "", ""


def taken_out(pod: Doc) -> bool:
    """Whether a person has said that this pod is not ready."""
    return str((pod["metadata"].get("annotations") or {}).get(READY_ANNOTATION, "")).lower() == "false"


def _condition(kind: str, true: bool, reason: str, message: str, old: Doc | None, now: str) -> Doc:
    value = "True" if true else "False"
    since = now if old is None or old.get("status") != value else old.get("lastTransitionTime") or now
    condition: dict[str, Any] = {"type": kind, "status": value, "lastTransitionTime": since}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
