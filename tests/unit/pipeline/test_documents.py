"""Create, update and delete of a Kind made up for it: what the pipeline does, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import pipeline
from portway.kubeapi.errors import ApiError, Doc, FieldError
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline import DeleteOptions, Mark, Remove, Request

NOW = "2030-01-01T00:00:00Z"


class Claims:
    """Writes down what becomes of it."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps

    def commit(self) -> None:
        self._steps.append("commit")

    def rollback(self) -> None:
        self._steps.append("rollback")


def kind(steps: list[str], **hooks: Any) -> Kind:
    """A Kind whose hooks note that they were called."""

    def note(name: str, result: Any = None) -> Any:
        def hook(*_: Any) -> Any:
            steps.append(name)
            return result

        return hook

    noted = {
        "default": note("default"),
        "begin_create": note("begin_create", Claims(steps)),
        "begin_update": note("begin_update", Claims(steps)),
        "prepare_create": note("prepare_create"),
        "prepare_update": note("prepare_update"),
        "validate": note("validate", []),
        "warnings": note("warnings", ["careful"]),
    }
    return Kind(kind="Thing", plural="things", status=True, generation=True, **(noted | hooks))


def request(of: Kind, **rest: Any) -> Request:
    known: dict[str, Any] = {"namespace": "n", "name": "x", "now": NOW, "uid": "u", "suffix": "abcde"}
    return Request(kind=of, **(known | rest))


def stored(**parts: Any) -> Doc:
    metadata = {"name": "x", "namespace": "n", "uid": "u", "generation": 1, "creationTimestamp": NOW}
    return {"kind": "Thing", "apiVersion": "v1", "metadata": metadata} | parts


def test_create_runs_the_hooks_in_kubernetes_order() -> None:
    steps: list[str] = []
    prepared = pipeline.create({"metadata": {"name": "x"}}, request(kind(steps)))
    assert steps == ["default", "begin_create", "prepare_create", "validate", "warnings"]
    assert prepared.doc == stored() and prepared.warnings == ["careful"]
    prepared.commit()
    assert steps[-1] == "commit"


def test_update_runs_the_hooks_in_kubernetes_order() -> None:
    steps: list[str] = []
    pipeline.update({"metadata": {"name": "x"}}, stored(), 7, request(kind(steps)))
    assert steps == ["default", "begin_update", "prepare_update", "validate", "warnings"]


def bad(*_: Any) -> list[FieldError]:
    return [FieldError("FieldValueRequired", "spec.a"), FieldError("FieldValueRequired", "spec.a")]


def broken(*_: Any) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("hooks", [{"validate": bad}, {"prepare_create": broken}, {"prepare_update": broken}])
def test_what_fails_after_allocation_gives_it_back(hooks: dict[str, Any]) -> None:
    for creates in (True, False):
        steps: list[str] = []
        wanted, body = request(kind(steps, **hooks)), {"metadata": {"name": "x"}}
        try:
            prepared = pipeline.create(body, wanted) if creates else pipeline.update(body, stored(), 7, wanted)
            prepared.commit()
        except (ApiError, ZeroDivisionError):
            assert steps[-1] == "rollback"
        assert steps.count("commit") + steps.count("rollback") == 1


def test_errors_are_named_once_and_caused_each() -> None:
    with pytest.raises(ApiError) as refused:
        pipeline.create({"metadata": {"name": "x"}}, request(kind([], validate=bad)))
    assert refused.value.message == 'Thing "x" is invalid: spec.a: Required value'
    assert refused.value.details and len(refused.value.details["causes"]) == 2


def test_generated_names_leave_room_for_the_suffix() -> None:
    prepared = pipeline.create({"metadata": {"generateName": "g" * 100}}, request(kind([])))
    assert prepared.doc["metadata"]["name"] == "g" * 58 + "abcde"


def test_clients_do_not_say_what_the_server_knows() -> None:
    claimed = {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": NOW, "generation": 9}
    prepared = pipeline.create({"metadata": {"name": "x"} | claimed}, request(kind([])))
    assert prepared.doc["metadata"] == stored()["metadata"]
    with pytest.raises(ApiError, match="resourceVersion should not be set on objects to be created"):
        pipeline.create({"metadata": {"name": "x", "resourceVersion": "3"}}, request(kind([])))


GENERATIONS: list[tuple[Doc, int]] = [
    ({}, 1),
    ({"status": {"a": 1}}, 1),
    ({"metadata": {"name": "x", "labels": {"a": "b"}}}, 1),
    ({"metadata": {"name": "x", "generation": 7}}, 1),
    ({"spec": {"a": 2}}, 2),
    ({"data": {}}, 2),
]


@pytest.mark.parametrize(("change", "generation"), GENERATIONS)
def test_generation_counts_what_is_wanted(change: Doc, generation: int) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"a": 1}} | change
    new = pipeline.update(body, stored(spec={"a": 1}, status={}), 7, request(kind([]))).doc
    assert new["metadata"]["generation"] == generation
    assert new["status"] == {}


def test_status_updates_leave_the_rest() -> None:
    body = stored(spec={"a": 2}, status={"s": 1})
    body["metadata"] = body["metadata"] | {"labels": {"l": "1"}, "finalizers": ["a/b"]}
    new = pipeline.update_status(body, stored(spec={"a": 1}), 7, request(kind([]))).doc
    expected = stored(spec={"a": 1}, status={"s": 1})
    expected["metadata"] = expected["metadata"] | {"labels": {"l": "1"}}
    assert new == expected


def test_an_equal_document_is_not_a_change() -> None:
    old = stored(spec={"a": 1})
    assert not pipeline.update(
        {"metadata": {"name": "x", "labels": {}}, "spec": {"a": 1}}, old, 7, request(kind([]))
    ).changed
    assert pipeline.update({"metadata": {"name": "x"}, "spec": {"a": True}}, old, 7, request(kind([]))).changed


POD = Kind(kind="Pod", plural="pods")


def pod(**metadata: Any) -> Doc:
    doc = stored(kind="Pod", spec={"nodeName": "n", "terminationGracePeriodSeconds": 20})
    doc["metadata"] = doc["metadata"] | metadata
    return doc


DELETIONS: list[tuple[Doc, DeleteOptions, type, Any]] = [
    (pod(), DeleteOptions(), Mark, 20),
    (pod(), DeleteOptions(grace_seconds=3), Mark, 3),
    (pod(), DeleteOptions(grace_seconds=-1), Mark, 1),
    (pod(), DeleteOptions(grace_seconds=0), Remove, None),
    (pod(finalizers=["a/b"]), DeleteOptions(grace_seconds=0), Mark, 0),
    (pod(), DeleteOptions(propagation="Foreground", grace_seconds=0), Mark, 0),
    (pod() | {"spec": {}}, DeleteOptions(), Remove, None),
    (pod() | {"status": {"phase": "Succeeded"}}, DeleteOptions(), Remove, None),
    (pod(deletionTimestamp=NOW, deletionGracePeriodSeconds=20), DeleteOptions(), Mark, 20),
    (pod(deletionTimestamp=NOW, deletionGracePeriodSeconds=20), DeleteOptions(grace_seconds=60), Mark, 20),
    (pod(deletionTimestamp=NOW, deletionGracePeriodSeconds=20), DeleteOptions(grace_seconds=5), Mark, 5),
    (pod(deletionTimestamp=NOW, deletionGracePeriodSeconds=20), DeleteOptions(grace_seconds=0), Remove, None),
]


@pytest.mark.parametrize(("old", "options", "decision", "grace"), DELETIONS)
def test_deletions(old: Doc, options: DeleteOptions, decision: type, grace: int | None) -> None:
    made = pipeline.delete(old, 7, options, request(POD))
    assert type(made) is decision
    if isinstance(made, Mark):
        assert made.doc["metadata"]["deletionGracePeriodSeconds"] == grace
        assert made.doc["metadata"]["deletionTimestamp"]


names = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(names, values, max_size=4), st.dictionaries(names, names, max_size=3), st.integers(1, 2**62))
def test_a_stored_document_reads_back_with_its_version(doc: Doc, annotations: dict[str, str], revision: int) -> None:
    """Whatever is in it, also text that looks like metadata, comes back; the version is where it belongs."""
    import json

    whole = doc | {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": "x", "annotations": annotations}}
    read = json.loads(pipeline.with_revision(pipeline.encode(whole), revision))
    assert read["metadata"].pop("resourceVersion") == str(revision)
    if not annotations:
        del whole["metadata"]["annotations"]
    assert read == whole
