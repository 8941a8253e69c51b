"""A Job's pods until enough have succeeded or too many have failed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.reconcile import jobs
from portway.reconcile.change import Change
from portway.reconcile.objects import condition_of
from tests.unit.reconcile.simulation import Simulation

Doc = dict[str, Any]


def owner(**spec: Any) -> Doc:
    labels = {"batch.kubernetes.io/controller-uid": "owner"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m"}]}}
    defaults = {"completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed"}
    return {
        "metadata": {"namespace": "shop", "name": "migrate", "uid": "owner"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **defaults, **spec},
    }


def step(this: Simulation) -> list[Change]:
    return jobs.reconcile(this.owner, list(this.pods.values()), this.now, this.suffix)


def active(this: Simulation) -> list[str]:
    return [name for name, pod in this.pods.items() if (pod.get("status") or {}).get("phase", "Running") == "Running"]


def begun(**spec: Any) -> Simulation:
    made = Simulation(owner(**spec), step)
    made.settle()
    return made


def says(this: Simulation, kind: str) -> str:
    return str((condition_of(this.owner, kind) or {}).get("reason", ""))


def test_as_many_at_once_as_may_be_and_no_more_than_are_missing() -> None:
    this = begun(completions=5, parallelism=2)
    seen = []
    while not jobs.has_finished(this.owner):
        seen.append(len(active(this)))
        this.becomes(active(this)[0], "Succeeded")
        this.settle()
    assert seen == [2, 2, 2, 2, 1] and this.owner["status"]["succeeded"] == 5
    assert says(this, "Complete") == "CompletionsReached" and this.owner["status"]["completionTime"]
    assert [one.reason for one in this.news].count("Completed") == 1


def test_each_failure_waits_twice_as_long_and_then_it_is_given_up() -> None:
    this = begun(backoffLimit=2)
    pauses = []
    while not jobs.has_finished(this.owner):
        this.becomes(active(this)[0], "Failed")
        this.settle()
        assert not active(this)
        if (pause := jobs.next_look(this.owner, list(this.pods.values()), this.now)) is not None:
            pauses.append(pause)
            this.now += pause
            this.settle()
    assert pauses == [10.0, 20.0]
    assert says(this, "Failed") == "BackoffLimitExceeded" and this.owner["status"]["failed"] == 3


def test_too_long_is_too_long() -> None:
    this = begun(activeDeadlineSeconds=30)
    assert jobs.next_look(this.owner, list(this.pods.values()), this.now) == 30.0
    this.now += 30
    this.settle()
    assert says(this, "Failed") == "DeadlineExceeded" and not this.pods


def test_suspended_and_resumed() -> None:
    this = Simulation(owner(suspend=True), step)
    this.settle()
    assert not this.pods and says(this, "Suspended") == "JobSuspended"
    this.owner["spec"]["suspend"] = False
    this.settle()
    assert len(this.pods) == 1 and says(this, "Suspended") == "JobResumed"


def test_without_completions_one_success_is_enough_and_the_others_may_end() -> None:
    this = begun(completions=None, parallelism=3)
    first, second, third = active(this)
    this.becomes(first, "Succeeded")
    this.settle()
    assert active(this) == [second, third] and not jobs.has_finished(this.owner)
    this.becomes(second, "Succeeded")
    this.becomes(third, "Succeeded")
    this.settle()
    assert says(this, "Complete") and this.owner["status"]["succeeded"] == 3


def test_a_pod_that_somebody_deletes_still_counts() -> None:
    this = begun(completions=2)
    [first] = active(this)
    this.becomes(first, "Succeeded")
    this.settle()
    del this.pods[first]
    this.settle()
    assert this.owner["status"]["succeeded"] == 1 and len(active(this)) == 1


def test_indexes_are_each_done_once() -> None:
    this = begun(completions=4, parallelism=2, completionMode="Indexed")
    done = []
    while not jobs.has_finished(this.owner):
        name = active(this)[-1]
        pod = this.pods[name]
        done.append(pod["spec"]["hostname"])
        assert name.startswith(f"{pod['spec']['hostname']}-")
        assert pod["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
        this.becomes(name, "Succeeded")
        this.settle()
    assert sorted(done) == [f"migrate-{n}" for n in range(4)]
    assert this.owner["status"]["completedIndexes"] == "0-3"


def test_it_goes_when_its_time_is_over() -> None:
    this = begun(ttlSecondsAfterFinished=60)
    this.becomes(active(this)[0], "Succeeded")
    this.settle()
    assert jobs.next_look(this.owner, [], this.now) == 60.0
    this.now += 59
    this.settle()
    assert not this.gone
    this.now += 1
    this.act()
    assert this.gone


@pytest.mark.parametrize(("text", "numbers"), [("", []), ("0", [0]), ("0-2,5,7-8", [0, 1, 2, 5, 7, 8])])
def test_indexes_in_short(text: str, numbers: list[int]) -> None:
    assert list(jobs.indexes(text)) == numbers and jobs.shortened(numbers) == text


@given(st.sets(st.integers(0, 50)))
def test_short_is_the_same(numbers: set[int]) -> None:
    assert set(jobs.indexes(jobs.shortened(numbers))) == numbers
