"""Names, order and revisions of a StatefulSet's pods."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from portway.reconcile import statefulsets
from portway.reconcile.change import Change
from portway.reconcile.objects import labels_of
from portway.reconcile.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS
from tests.unit.reconcile.simulation import Simulation

Doc = dict[str, Any]


def owner(replicas: int = 3, image: str = "one", **spec: Any) -> Doc:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": image}]}}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    return {
        "metadata": {"namespace": "shop", "name": "db", "uid": "owner", "generation": 1},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": template,
            "updateStrategy": rolling,
            **spec,
        },
    }


def step(this: Simulation) -> list[Change]:
    revisions = list(this.stored[CONTROLLER_REVISIONS].values())
    claims = {("shop", name) for name in this.stored[PERSISTENT_VOLUME_CLAIMS]} | this.elsewhere
    return statefulsets.reconcile(this.owner, list(this.pods.values()), revisions, claims, this.now)


def running(document: Doc) -> Simulation:
    made = Simulation(document, step)
    made.settle()
    return made


def image_of(pod: Doc) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def images(this: Simulation) -> dict[str, str]:
    return {name: image_of(pod) for name, pod in sorted(this.pods.items())}


def test_one_after_the_other_each_when_the_last_is_ready() -> None:
    this = Simulation(owner(3), step)
    this.act()
    this.settle(everything_runs=False)
    assert list(this.pods) == ["db-0"], "which is not ready"
    this.becomes("db-0")
    this.act()
    assert list(this.pods) == ["db-0", "db-1"]
    this.settle()
    assert list(this.pods) == ["db-0", "db-1", "db-2"]
    status = this.owner["status"]
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (3, 3, 3)
    assert status["currentRevision"] == status["updateRevision"]


def test_who_each_is() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    this = running(owner(2, volumeClaimTemplates=[claim], ordinals={"start": 5}))
    pod = this.pods["db-6"]
    assert pod["spec"]["hostname"] == "db-6" and pod["spec"]["subdomain"] == "db"
    assert labels_of(pod)["statefulset.kubernetes.io/pod-name"] == "db-6"
    assert labels_of(pod)["apps.kubernetes.io/pod-index"] == "6"
    assert pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-6"}}]
    assert sorted(this.stored[PERSISTENT_VOLUME_CLAIMS]) == ["data-db-5", "data-db-6"]


def test_a_claim_of_another_namespace_is_none_of_its() -> None:
    this = Simulation(owner(1, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}]), step)
    this.elsewhere = {("other", "data-db-0")}
    this.settle()
    assert list(this.stored[PERSISTENT_VOLUME_CLAIMS]) == ["data-db-0"]


def test_fewer_go_from_the_highest_down_and_claims_stay() -> None:
    this = running(owner(4, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}]))
    this.log.clear()
    this.owner["spec"]["replicas"] = 1
    this.settle()
    assert this.log == [("deleted", "db-3"), ("deleted", "db-2"), ("deleted", "db-1")]
    assert len(this.stored[PERSISTENT_VOLUME_CLAIMS]) == 4


def test_an_update_goes_from_the_highest_down_to_the_partition_and_waits_for_each() -> None:
    this = running(owner(3))
    before = this.owner["status"]["currentRevision"]
    this.log.clear()
    this.owner["spec"] = owner(3, "two")["spec"]
    this.owner["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1
    this.settle()
    assert this.log == [("deleted", "db-2"), ("made", "db-2"), ("deleted", "db-1"), ("made", "db-1")]
    assert images(this) == {"db-0": "one", "db-1": "two", "db-2": "two"}
    assert this.owner["status"]["currentRevision"] == before != this.owner["status"]["updateRevision"]
    del this.pods["db-0"]
    this.settle()
    assert images(this)["db-0"] == "one", "below the partition it comes back as it was"
    this.owner["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0
    this.settle()
    assert set(images(this).values()) == {"two"}
    assert this.owner["status"]["currentRevision"] == this.owner["status"]["updateRevision"]


def test_an_update_that_does_not_run_touches_no_other() -> None:
    this = running(owner(3))
    this.log.clear()
    this.owner["spec"] = owner(3, "broken")["spec"]
    this.settle(everything_runs=False)
    assert this.log == [("deleted", "db-2"), ("made", "db-2")]


def test_going_back_uses_the_revision_that_is_there() -> None:
    this = running(owner(1))
    for image in ("two", "one"):
        this.owner["spec"] = owner(1, image)["spec"]
        this.settle()
    numbers = {name: one["revision"] for name, one in this.stored[CONTROLLER_REVISIONS].items()}
    assert sorted(numbers.values()) == [2, 3] and numbers[this.owner["status"]["updateRevision"]] == 3


def test_history_is_kept_as_long_as_wanted() -> None:
    this = running(owner(1, revisionHistoryLimit=2))
    for number in range(6):
        this.owner["spec"] = owner(1, f"image-{number}", revisionHistoryLimit=2)["spec"]
        this.settle()
    assert sorted(one["revision"] for one in this.stored[CONTROLLER_REVISIONS].values()) == [5, 6, 7]


def test_one_that_has_failed_is_made_again() -> None:
    this = running(owner(2))
    this.log.clear()
    this.becomes("db-0", "Failed")
    this.settle()
    assert this.log == [("deleted", "db-0"), ("made", "db-0")]
    assert [one.reason for one in this.news][-2:] == ["RecreatingFailedPod", "SuccessfulCreate"]


def test_all_at_once_where_order_does_not_matter() -> None:
    this = Simulation(owner(3, podManagementPolicy="Parallel"), step)
    this.act()
    assert list(this.pods) == ["db-0", "db-1", "db-2"]
    this.owner["spec"]["replicas"] = 0
    this.act()
    assert not this.pods


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["one", "two"]), st.integers(0, 5)), max_size=5))
def test_whatever_is_asked_for_it_comes_to_rest_as_wanted(wishes: list[tuple[int, str, int]]) -> None:
    this = running(owner(2))
    for replicas, image, lost in wishes:
        this.owner["spec"] = owner(replicas, image)["spec"]
        this.act()
        this.pods.pop(f"db-{lost}", None)
        this.settle()
        assert images(this) == {f"db-{number}": image for number in range(replicas)}
        assert this.owner["status"].get("readyReplicas", 0) == replicas
