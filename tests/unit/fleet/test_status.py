"""A pod's status from what its containers do."""

from typing import Any

import pytest

from portway.fleet.kubelet.container import Pauses
from portway.fleet.kubelet.status import ContainerState, Runtime, status, waiting

_RUNNING = {"running": {"startedAt": "then"}}


def _ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def _status(*containers: ContainerState, pod: dict[str, Any] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {}} | (pod or {})
    return status(document, Runtime(["10.0.0.2", "fd00::2"], ["172.18.0.11"], containers, [], "start"), "now")


def _container(state: dict[str, Any], ready: bool = False, last: dict[str, Any] | None = None) -> ContainerState:
    return ContainerState("c", "image", state, last or {}, ready)


def _condition(document: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(condition for condition in document["conditions"] if condition["type"] == kind)


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [waiting("ContainerCreating")], "Pending"),
        ("Always", [_RUNNING, waiting("ContainerCreating")], "Pending"),
        ("Always", [_RUNNING], "Running"),
        ("Always", [_ended(0)], "Running"),
        ("Never", [_RUNNING, _ended(0)], "Running"),
        ("Never", [_ended(0), _ended(0)], "Succeeded"),
        ("Never", [_ended(0), _ended(1)], "Failed"),
        ("OnFailure", [_ended(0)], "Succeeded"),
        ("OnFailure", [_ended(1)], "Running"),
    ],
)
def test_phase(policy: str, states: list[dict[str, Any]], phase: str) -> None:
    containers = [_container(state) for state in states]
    assert _status(*containers, pod={"spec": {"restartPolicy": policy}})["phase"] == phase


def test_ready() -> None:
    ready = _condition(_status(_container(_RUNNING, ready=True)), "Ready")
    assert ready == {"type": "Ready", "status": "True", "lastTransitionTime": "now"}
    unready = _condition(_status(_container(_RUNNING)), "Ready")
    assert (unready["status"], unready["reason"]) == ("False", "ContainersNotReady")
    assert unready["message"] == "containers with unready status: [c]"


def test_a_crash_loop_is_running_and_not_ready() -> None:
    document = _status(_container(waiting("CrashLoopBackOff"), last=_ended(1)))
    assert document["phase"] == "Running"
    assert _condition(document, "Ready")["status"] == "False"


def test_gates_and_the_annotation_hold_readiness_back() -> None:
    container = _container(_RUNNING, ready=True)
    gated: dict[str, Any] = {"spec": {"readinessGates": [{"conditionType": "lb"}]}}
    assert _condition(_status(container, pod=gated), "Ready")["reason"] == "ReadinessGatesNotReady"
    gated["status"] = {"conditions": [{"type": "lb", "status": "True"}]}
    open_gate = _status(container, pod=gated)
    assert _condition(open_gate, "Ready")["status"] == "True"
    assert _condition(open_gate, "lb") == {"type": "lb", "status": "True"}, "others' conditions stay"
    out = {"metadata": {"name": "p", "annotations": {"portway.dev/ready": "false"}}}
    taken_out = _status(container, pod=out)
    assert _condition(taken_out, "Ready")["reason"] == "TakenOut"
    assert _condition(taken_out, "ContainersReady")["status"] == "True"


def test_before_the_nodes_rules_know_it_nothing_is_started() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"initContainers": [{"name": "first"}]}}
    creating = _container(waiting("ContainerCreating"))
    runtime = Runtime(["10.0.0.2"], ["172.18.0.11"], [creating], [], "start", admitted=False)
    document = status(pod, runtime, "now")
    assert (document["phase"], document["podIP"]) == ("Pending", "10.0.0.2")
    kinds = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    assert {_condition(document, kind)["status"] for kind in kinds} == {"False"}
    assert _condition(document, "Initialized")["message"] == "containers with incomplete status: [first]"
    assert _condition(status({"metadata": {}, "spec": {}}, runtime, "now"), "Initialized")["status"] == "True"


def test_what_does_not_change_keeps_its_time() -> None:
    container = _container(_RUNNING, ready=True)
    first = _status(container, pod={"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}})
    again = status(
        {"metadata": {"name": "p"}, "spec": {}, "status": first},
        Runtime(["10.0.0.2", "fd00::2"], ["172.18.0.11"], [container], [], "later"),
        "later",
    )
    assert again == first


def test_restarts_wait_as_kubernetes_does() -> None:
    pauses, pause, seen = Pauses(), None, []
    for _ in range(8):
        pause = pauses.after(pause, ran=1.0)
        seen.append(pause)
    assert seen == [0, 10, 20, 40, 80, 160, 300, 300]
    assert pauses.after(300.0, ran=601.0) == 0
