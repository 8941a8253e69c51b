"""Which pods a ReplicaSet makes, takes, lets go and gives up."""

from collections.abc import Iterator
from typing import Any

import pytest

from portway.reconcile import replicas, replicasets, replicationcontrollers
from portway.reconcile.change import Create, Delete, Event, Update
from portway.reconcile.objects import name_of, timestamp

Doc = dict[str, Any]
NOW = 10_000_000.0


def owner(count: int = 2, **spec: Any) -> Doc:
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}}, "spec": {"containers": []}}
    return {
        "metadata": {"namespace": "shop", "name": "web", "uid": "owner", "generation": 3},
        "spec": {"replicas": count, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


MINE = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "owner", "controller": True}]


def pod(name: str, **changes: Any) -> Doc:
    """A running, ready pod of the owner's, an hour old; `changes` say what is different."""
    metadata = {"namespace": "shop", "name": name, "uid": name, "labels": {"app": "web"}, "ownerReferences": MINE}
    metadata["creationTimestamp"] = timestamp(NOW - changes.pop("age", 3600))
    metadata |= changes.pop("metadata", {})
    since = timestamp(NOW - changes.pop("ready_for", 3600))
    ready = {"type": "Ready", "status": str(changes.pop("ready", True)), "lastTransitionTime": since}
    restarts = [{"restartCount": changes.pop("restarts", 0)}]
    status = {"phase": changes.pop("phase", "Running"), "conditions": [ready], "containerStatuses": restarts}
    spec = {"nodeName": changes.pop("node", "node-1")}
    assert not changes, changes
    return {"metadata": {k: v for k, v in metadata.items() if v is not None}, "spec": spec, "status": status}


def suffixes() -> Iterator[str]:
    yield from ("aaaaa", "bbbbb", "ccccc")


def sync(document: Doc, pods: list[Doc], **arguments: Any) -> list[Any]:
    source = suffixes()
    return replicasets.reconcile(document, pods, NOW, lambda: next(source), **arguments)


def test_missing_pods_are_made_of_the_template() -> None:
    changes = sync(owner(2), [])
    pods = [change.document for change in changes if isinstance(change, Create)]
    assert [name_of(p) for p in pods] == ["web-aaaaa", "web-bbbbb"]
    assert pods[0]["metadata"]["labels"] == {"app": "web"} and pods[0]["metadata"]["annotations"] == {"a": "b"}
    [reference] = pods[0]["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("ReplicaSet", "owner", True)
    messages = [change.message for change in changes if isinstance(change, Event)]
    assert messages == ["Created pod: web-aaaaa", "Created pod: web-bbbbb"]
    [status] = [change.document["status"] for change in changes if isinstance(change, Update)]
    assert status == {"replicas": 0, "observedGeneration": 3}


def test_long_names_leave_room_for_the_suffix() -> None:
    long = owner(1)
    long["metadata"]["name"] = "w" * 63
    [created] = [change.document for change in sync(long, []) if isinstance(change, Create)]
    assert name_of(created) == "w" * 58 + "aaaaa"


def test_ended_and_leaving_pods_do_not_count() -> None:
    gone = pod("gone", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    changes = sync(owner(2), [pod("a"), pod("failed", phase="Failed"), gone])
    assert len([change for change in changes if isinstance(change, Create)]) == 1
    assert not [change for change in changes if isinstance(change, Delete)]


def test_an_orphan_that_matches_is_adopted_and_counts() -> None:
    orphan = pod("orphan", metadata={"ownerReferences": None})
    changes = sync(owner(1), [orphan])
    adopted = next(change for change in changes if isinstance(change, Update) and change.subresource == "")
    assert adopted.document["metadata"]["ownerReferences"][0]["uid"] == "owner"
    assert not [change for change in changes if isinstance(change, Create | Delete)]


def test_a_pod_of_another_owner_is_left_alone() -> None:
    other = [{**MINE[0], "uid": "other"}]
    changes = sync(owner(0), [pod("x", metadata={"ownerReferences": other})])
    assert [change.subresource for change in changes if isinstance(change, Update)] == ["status"]


def test_a_pod_that_no_longer_matches_is_let_go() -> None:
    changes = sync(owner(1), [pod("x", metadata={"labels": {"app": "else"}})])
    released = next(change for change in changes if isinstance(change, Update) and change.subresource == "")
    assert "ownerReferences" not in released.document["metadata"]
    assert [change for change in changes if isinstance(change, Create)]


def test_an_owner_that_goes_makes_nothing() -> None:
    going = owner(5)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not [change for change in sync(going, [pod("a")]) if isinstance(change, Create | Delete)]


def test_nothing_to_do_is_nothing() -> None:
    settled = owner(1)
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    settled["status"] = {**dict.fromkeys(counts, 1), "observedGeneration": 3}
    assert sync(settled, [pod("a")]) == []


COST = "controller.kubernetes.io/pod-deletion-cost"
VICTIMS: list[tuple[str, Doc, Doc]] = [
    # why, the one that goes, the one that stays: controller.ActivePodsWithRanks
    ("unassigned before assigned", pod("go", node=""), pod("stay", phase="Pending")),
    ("pending before running", pod("go", phase="Pending"), pod("stay", phase="Running", ready=False)),
    ("unknown before running", pod("go", phase="Unknown"), pod("stay", phase="Running", ready=False)),
    ("not ready before ready", pod("go", ready=False), pod("stay", restarts=9)),
    ("lower cost first", pod("go", metadata={"annotations": {COST: "-5"}}), pod("stay", restarts=9)),
    ("a bad cost is none", pod("go", restarts=1, metadata={"annotations": {COST: "x"}}), pod("stay")),
    ("the crowded node first", pod("go", node="node-2"), pod("stay", node="node-1", restarts=9)),
    ("ready for a shorter time first", pod("go", ready_for=60), pod("stay", ready_for=3600, restarts=9)),
    ("more restarts first", pod("go", restarts=2), pod("stay", restarts=1, age=60)),
    ("younger first", pod("go", age=600), pod("stay", age=3600)),
    ("equal ages by uid, not by seconds", pod("a-go", age=3700), pod("stay", age=3600)),
]


@pytest.mark.parametrize(("goes", "stays"), [v[1:] for v in VICTIMS], ids=[v[0] for v in VICTIMS])
def test_victims(goes: Doc, stays: Doc) -> None:
    related = [goes, stays, pod("crowd", node="node-2")]
    for given in ([goes, stays], [stays, goes]):
        assert replicas.victims(given, 1, NOW, related) == [goes]


def test_availability_is_waited_for() -> None:
    document = owner(1, minReadySeconds=30)
    young = pod("a", ready_for=10)
    assert "availableReplicas" not in replicas.counts(document, [young], NOW)
    assert replicas.next_look(document, [young], NOW) == 20
    assert replicas.counts(document, [young], NOW + 20)["availableReplicas"] == 1
    assert replicas.next_look(document, [pod("old")], NOW) is None
    assert replicas.next_look(owner(1), [young], NOW) is None


def test_a_replication_controller_selects_by_a_map() -> None:
    document = owner(1)
    document["spec"]["selector"] = {"app": "web"}
    changes = replicationcontrollers.reconcile(document, [], NOW, lambda: "aaaaa")
    [created] = [change.document for change in changes if isinstance(change, Create)]
    [reference] = created["metadata"]["ownerReferences"]
    assert (reference["apiVersion"], reference["kind"]) == ("v1", "ReplicationController")
