"""Rollouts as stories on a cluster in memory, and what must hold at every moment of any of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.reconcile import deployment_status, deployments, rollout, templates
from portway.reconcile.objects import annotations_of, is_ready, name_of, spec_of, status_of
from portway.reconcile.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from portway.testing.cluster import Cluster

Doc = dict[str, Any]


def deployment(replicas: int = 4, image: str = "one", **spec: Any) -> Doc:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10} | spec
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": selector, "template": template, **spec},
    }


def rolling(surge: int | str, unavailable: int | str) -> Doc:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def running(**arguments: Any) -> Cluster:
    cluster = Cluster()
    cluster.put(DEPLOYMENTS, deployment(**arguments))
    cluster.settle()
    return cluster


def change(cluster: Cluster, **arguments: Any) -> None:
    """A user's edit, which keeps what the controller annotated."""
    old = cluster.get(DEPLOYMENTS, "web")
    new = deployment(**arguments)
    cluster.put(DEPLOYMENTS, {**old, "spec": new["spec"]})


def sizes(cluster: Cluster) -> dict[str, int]:
    """image → spec.replicas, of ReplicaSets."""
    return {image(rs): spec_of(rs)["replicas"] for rs in cluster.all(REPLICA_SETS)}


def image(owner: Doc) -> str:
    return str(spec_of(owner)["template"]["spec"]["containers"][0]["image"])


def reasons(cluster: Cluster) -> dict[str, tuple[str, str]]:
    conditions = status_of(cluster.get(DEPLOYMENTS, "web")).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


def test_a_new_deployment() -> None:
    cluster = running(replicas=4)
    current = cluster.get(DEPLOYMENTS, "web")
    counts = {key: value for key, value in status_of(current).items() if key != "conditions"}
    figures = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert counts == {"observedGeneration": 1, **dict.fromkeys(figures, 4)}
    assert reasons(cluster) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    [replicaset] = cluster.all(REPLICA_SETS)
    assert name_of(replicaset) == f"web-{replicaset['metadata']['labels']['pod-template-hash']}"
    assert annotations_of(replicaset) == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "4",
        "deployment.kubernetes.io/max-replicas": "5",
    }
    assert annotations_of(current) == {"deployment.kubernetes.io/revision": "1"}
    assert [e.message for e in cluster.events if e.reason == "ScalingReplicaSet"] == [
        f"Scaled up replica set {name_of(replicaset)} from 0 to 4"
    ]


def test_settled_means_no_more_writes() -> None:
    cluster = running()
    before = dict(cluster.objects[DEPLOYMENTS])
    assert not cluster.step()
    assert cluster.objects[DEPLOYMENTS] == before


def test_rollout_then_undo_counts_revisions() -> None:
    cluster = running(image="one")
    change(cluster, image="two")
    cluster.settle()
    assert sizes(cluster) == {"one": 0, "two": 4}
    change(cluster, image="one")
    cluster.settle()
    assert sizes(cluster) == {"one": 4, "two": 0}
    revisions = {image(rs): annotations_of(rs) for rs in cluster.all(REPLICA_SETS)}
    assert revisions["one"]["deployment.kubernetes.io/revision"] == "3"
    assert revisions["one"]["deployment.kubernetes.io/revision-history"] == "1"
    assert annotations_of(cluster.get(DEPLOYMENTS, "web"))["deployment.kubernetes.io/revision"] == "3"


def test_history_is_cut() -> None:
    cluster = running(image="0", revisionHistoryLimit=2)
    for number in range(1, 6):
        change(cluster, image=str(number), revisionHistoryLimit=2)
        cluster.settle()
    assert sorted(sizes(cluster)) == ["3", "4", "5"]


def test_paused_scales_but_does_not_roll() -> None:
    cluster = running(replicas=4)
    change(cluster, replicas=6, image="two", paused=True)
    cluster.settle()
    assert sizes(cluster) == {"one": 6}
    assert reasons(cluster)["Progressing"] == ("Unknown", "DeploymentPaused")
    change(cluster, replicas=6, image="two")
    cluster.settle()
    assert sizes(cluster) == {"one": 0, "two": 6}
    assert reasons(cluster)["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_stuck_rollout_times_out_and_recovers() -> None:
    cluster = running(replicas=4)
    cluster.healthy = lambda pod: spec_of(pod)["containers"][0]["image"] != "bad"
    change(cluster, image="bad")
    cluster.settle()
    assert reasons(cluster)["Progressing"] == ("True", "ReplicaSetUpdated")
    assert status_of(cluster.get(DEPLOYMENTS, "web"))["availableReplicas"] == 3
    wait = deployment_status.next_look(cluster.get(DEPLOYMENTS, "web"), cluster.now)
    assert wait is not None and 500 < wait <= 601
    cluster.now += wait
    cluster.settle()
    assert reasons(cluster)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    change(cluster, image="good")
    cluster.settle()
    assert reasons(cluster)["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_pod_that_fails_later_does_not_restart_the_clock() -> None:
    cluster = running(replicas=2)
    cluster.healthy = lambda pod: False
    cluster.settle()
    assert reasons(cluster) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_min_ready_seconds_holds_a_rollout_back() -> None:
    cluster = running(replicas=4, minReadySeconds=30)
    assert "availableReplicas" not in status_of(cluster.get(DEPLOYMENTS, "web"))
    cluster.now += 31
    cluster.settle()
    assert status_of(cluster.get(DEPLOYMENTS, "web"))["availableReplicas"] == 4


def test_scaling_in_the_middle_is_shared_in_proportion() -> None:
    cluster = running(replicas=10, strategy=rolling(3, 2))
    cluster.healthy = lambda pod: spec_of(pod)["containers"][0]["image"] == "one"
    change(cluster, replicas=10, image="two", strategy=rolling(3, 2))
    cluster.settle()
    assert sizes(cluster) == {"one": 8, "two": 5}
    change(cluster, replicas=15, image="two", strategy=rolling(3, 2))
    cluster.step()
    # 18 - 13 = 5 more: Kubernetes' documentation gives 3 to the larger and 2 to the smaller
    assert sizes(cluster) == {"one": 11, "two": 7}


def test_recreate_never_mixes() -> None:
    cluster = running(replicas=3, strategy={"type": "Recreate"})

    def look() -> None:
        images = {spec_of(pod)["containers"][0]["image"] for pod in cluster.all(PODS)}
        assert len(images) < 2

    cluster.watcher = look
    change(cluster, replicas=3, image="two", strategy={"type": "Recreate"})
    cluster.settle()
    assert sizes(cluster) == {"one": 0, "two": 3}


def test_equal_hashes_of_different_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = lambda d: f"same{status_of(d).get('collisionCount') or ''}"  # noqa: E731
    monkeypatch.setattr(deployments, "template_hash", counts)
    cluster = running(image="one")
    change(cluster, image="two")
    cluster.settle()
    assert sizes(cluster) == {"one": 0, "two": 4}
    assert status_of(cluster.get(DEPLOYMENTS, "web"))["collisionCount"] == 1


def test_an_empty_selector_is_refused() -> None:
    document = deployment()
    document["spec"]["selector"] = {}
    cluster = Cluster()
    cluster.put(DEPLOYMENTS, document)
    cluster.settle()
    assert [event.reason for event in cluster.events] == ["SelectingAll"]
    assert not cluster.all(REPLICA_SETS)


SHARE = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))
EDIT = st.tuples(st.integers(0, 9), st.sampled_from(["one", "two", "three"]))


@settings(max_examples=150, deadline=None)
@given(first=EDIT, edits=st.lists(st.tuples(st.integers(0, 6), EDIT), min_size=1, max_size=4), surge=SHARE, down=SHARE)
def test_a_rolling_update_keeps_its_promises(first: Any, edits: Any, surge: Any, down: Any) -> None:
    """From a complete state, through template changes at any moment: never too few available, never too many."""
    strategy = rolling(surge, down)
    replicas = first[0]
    cluster = running(replicas=replicas, image=first[1], strategy=strategy)
    wanted = cluster.get(DEPLOYMENTS, "web")
    most, least = replicas + rollout.max_surge(wanted), replicas - rollout.max_unavailable(wanted)

    def look() -> None:
        active = cluster.pods()
        assert len(active) <= most
        assert sum(map(is_ready, active)) >= least

    cluster.watcher = look
    for steps, (_, picture) in edits:
        for _ in range(steps):
            cluster.step()
        change(cluster, replicas=replicas, image=picture, strategy=strategy)
    cluster.settle()
    assert {i: n for i, n in sizes(cluster).items() if n} == ({edits[-1][1][1]: replicas} if replicas else {})


@settings(max_examples=150, deadline=None)
@given(first=EDIT, edits=st.lists(st.tuples(st.integers(0, 6), EDIT), min_size=1, max_size=4), surge=SHARE, down=SHARE)
def test_any_edits_converge(first: Any, edits: Any, surge: Any, down: Any) -> None:
    strategy = rolling(surge, down)
    cluster = running(replicas=first[0], image=first[1], strategy=strategy)
    for steps, (replicas, picture) in edits:
        for _ in range(steps):
            cluster.step()
        change(cluster, replicas=replicas, image=picture, strategy=strategy)
    cluster.settle()
    replicas, picture = edits[-1][1]
    assert {i: n for i, n in sizes(cluster).items() if n} == ({picture: replicas} if replicas else {})
    assert len(cluster.pods()) == replicas
    assert reasons(cluster)["Progressing"] == ("True", "NewReplicaSetAvailable")


FENCES = [
    # replicas, maxSurge, maxUnavailable, surge, unavailable: pkg/controller/deployment/util
    (10, 0, 0, 0, 1),
    (10, 0, "30%", 0, 3),
    (10, "1%", "0%", 1, 0),
    (10, "39%", "39%", 4, 3),
    (10, 0, "9%", 0, 1),
    (2, "50%", "50%", 1, 1),
    (0, "25%", "25%", 0, 0),
    (1, 5, 5, 5, 1),
]


@pytest.mark.parametrize(("replicas", "surge", "down", "up", "fewer"), FENCES)
def test_fenceposts(replicas: int, surge: Any, down: Any, up: int, fewer: int) -> None:
    wanted = deployment(replicas, strategy=rolling(surge, down))
    assert (rollout.max_surge(wanted), rollout.max_unavailable(wanted)) == (up, fewer)


def test_the_hash_looks_like_kubernetes() -> None:
    digest = templates.template_hash(deployment())
    assert 1 <= len(digest) <= 10 and set(digest) <= set("bcdfghjklmnpqrstvwxz2456789")
    relabelled = deployment()
    relabelled["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = "x"
    assert templates.template_hash(relabelled) == digest


def test_what_says_nothing_makes_no_other_template() -> None:
    one, other = deployment(), deployment()
    [container] = other["spec"]["template"]["spec"]["containers"]
    container |= {"tty": False, "ports": [], "env": None}
    other["spec"]["template"]["metadata"] |= {"creationTimestamp": None, "annotations": {}, "generation": 0}
    assert templates.bare_template(one) == templates.bare_template(other)
    container["securityContext"] = {"runAsUser": 0}
    assert templates.bare_template(one) != templates.bare_template(other)
