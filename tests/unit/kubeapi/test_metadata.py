"""Generic rules of metadata, row by row."""

from typing import Any

import pytest

from portway.kubeapi import metadata
from portway.kubeapi.errors import Doc

GOOD: Doc = {"name": "web", "namespace": "shop", "resourceVersion": "7", "uid": "u1"}
KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "x"}


def complaints(changes: Doc, old: Doc | None = None, namespaced: bool = True) -> list[str]:
    before = {"metadata": GOOD | old} if old is not None else None
    return [str(error) for error in metadata.validate({"metadata": GOOD | changes}, namespaced, None, before)]


CREATE: list[tuple[Doc, list[str]]] = [
    ({}, []),
    ({"name": "", "generateName": "web-"}, ["metadata.name: Required value: name or generateName is required"]),
    ({"namespace": ""}, ["metadata.namespace: Required value"]),
    ({"namespace": "a.b"}, ['metadata.namespace: Invalid value: "a.b": must not contain dots']),
    ({"generation": -1}, ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"]),
    ({"labels": {"": "x"}}, [
        'metadata.labels: Invalid value: "": name part must be non-empty',
        f'metadata.labels: Invalid value: "": {KEY}',
    ]),
    ({"labels": {"app": "a" * 64}}, [
        f'metadata.labels: Invalid value: "{"a" * 64}": must be no more than 63 bytes',
    ]),
    ({"annotations": {"Example.COM/Key": "any text: {}"}}, []),
    ({"annotations": {"a b": ""}}, [f'metadata.annotations: Invalid value: "a b": {KEY}']),
    ({"annotations": {"a": "b" * 262144}}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
    ({"annotations": {"a": "b" * 262143}}, []),
    ({"ownerReferences": [OWNER]}, []),
    ({"ownerReferences": [{}]}, [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ]),
    ({"finalizers": ["example.com/test"]}, []),
    ({"finalizers": ["kubernetes", "mine"]}, [
        'metadata.finalizers[1]: Invalid value: "mine": '
        "name is neither a standard finalizer name nor is it fully qualified",
    ]),
    ({"ownerReferences": [OWNER | {"apiVersion": "a/b/c"}]}, [
        'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty',
    ]),
    ({"finalizers": ["orphan", "foregroundDeletion"]}, [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: '
        "finalizer orphan and foregroundDeletion cannot be both set",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CREATE)
def test_create(changes: Doc, expected: list[str]) -> None:
    assert complaints(changes) == expected


def test_cluster_scoped_objects_have_no_namespace() -> None:
    assert complaints({}, namespaced=False) == ["metadata.namespace: Forbidden: not allowed on this type"]
    assert complaints({"namespace": None}, namespaced=False) == []


def test_only_one_owner_controls() -> None:
    owners = [OWNER | {"controller": True}, OWNER | {"name": "b", "controller": True}]
    (complaint,) = complaints({"ownerReferences": owners})
    assert complaint.startswith('metadata.ownerReferences: Invalid value: [{"apiVersion":"v1"')
    assert complaint.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/b'
    )


IMMUTABLE: list[tuple[str, Any, str]] = [
    ("name", "other", '"other"'),
    ("namespace", "", '""'),
    ("uid", "u2", '"u2"'),
    ("creationTimestamp", None, "null"),
    ("deletionTimestamp", "2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
    ("deletionGracePeriodSeconds", 30, "30"),
]


@pytest.mark.parametrize(("field", "value", "shown"), IMMUTABLE)
def test_update_keeps_the_identity(field: str, value: Any, shown: str) -> None:
    old = {"creationTimestamp": "2025-12-31T00:00:00Z"}
    new = old | {field: value}
    assert complaints(new, old) == [f"metadata.{field}: Invalid value: {shown}: field is immutable"]


def test_update_needs_a_resource_version_and_no_younger_generation() -> None:
    assert complaints({"resourceVersion": "", "generation": 1}, {"generation": 2}) == [
        'metadata.resourceVersion: Invalid value: "": must be specified for an update',
        "metadata.generation: Invalid value: 1: must not be decremented",
    ]


def test_update_does_not_check_the_name_again() -> None:
    assert complaints({"name": "Old_Name"}, {"name": "Old_Name"}) == []


def test_a_deletion_under_way_only_loses_finalizers() -> None:
    old = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b", "a/c"]}
    assert complaints(old | {"finalizers": ["a/c"]}, old) == []
    assert complaints(old | {"finalizers": ["a/c", "x/y"]}, old) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"x/y"}'
    ]


SELECTORS: list[tuple[Doc, list[str]]] = [
    ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, []),
    ({"matchExpressions": [{"key": "a", "operator": "In"}]}, [
        "s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ]),
    ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, [
        "s.matchExpressions[0].values: Forbidden: "
        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ]),
    ({"matchExpressions": [{"key": "a", "operator": "Equals", "values": ["b"]}]}, [
        's.matchExpressions[0].operator: Invalid value: "Equals": not a valid selector operator',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("selector", "expected"), SELECTORS)
def test_label_selectors(selector: Doc, expected: list[str]) -> None:
    assert [str(error) for error in metadata.validate_label_selector("s", selector)] == expected


def test_old_label_values_may_be_tolerated() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["not ok"]}]}
    (complaint,) = metadata.validate_label_selector("s", selector)
    assert complaint.field == "s.matchExpressions[0].values[0]"
    assert metadata.validate_label_selector("s", selector, any_value=True) == []
