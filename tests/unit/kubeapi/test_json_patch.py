"""RFC 6902 against the `jsonpatch` package, and the API server's own answers."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi.errors import ApiError
from portway.kubeapi.patch import json_patch
from portway.kubeapi.patch.equality import same

KEYS = st.sampled_from(["a", "b", "c/d", "e~f", ""])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
DOCS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def paths(value: Any, prefix: str = "") -> list[str]:
    """The pointers to every place in a value."""
    found = [prefix]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, f"{prefix}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


@st.composite
def documents_and_patches(draw: st.DrawFn) -> tuple[Any, list[dict[str, Any]]]:
    doc = draw(DOCS)
    known = paths(doc)[1:]
    tail = st.sampled_from(["", "/a", "/0", "/1", "/-"])
    pointers = st.tuples(st.sampled_from(known), tail).map("".join)
    operation = st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": pointers, "value": VALUES}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": pointers}),
        st.fixed_dictionaries(
            {"op": st.just("test"), "path": pointers, "value": LEAVES.filter(lambda v: v is not None)}
        ),
        st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": pointers, "from": pointers}),
    )
    return doc, draw(st.lists(operation, min_size=1, max_size=4))


@given(documents_and_patches())
def test_agrees_with_jsonpatch(case: tuple[Any, list[dict[str, Any]]]) -> None:
    doc, patch = case
    before = copy.deepcopy(case)
    try:
        wanted = jsonpatch.apply_patch(copy.deepcopy(doc), patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        wanted = None
    try:
        found = json_patch.apply(doc, patch)
    except ApiError as error:
        assert error.code == 422
        found = None
    assert case == before, "neither the document nor the patch may change"
    assert same(found, wanted)


def test_shares_what_it_does_not_touch() -> None:
    doc = {"a": {"deep": [1]}, "b": {"c": 1}}
    result = json_patch.apply(doc, [{"op": "replace", "path": "/b/c", "value": 2}])
    assert result == {"a": {"deep": [1]}, "b": {"c": 2}}
    assert result["a"] is doc["a"]


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ({"op": "add", "path": "/l/-1", "value": 9}, {"l": [1, 2, 9]}),
        ({"op": "remove", "path": "/l/-1"}, {"l": [1]}),
        ({"op": "test", "path": "/absent", "value": None}, {"l": [1, 2]}),
    ],
)
def test_servers_extensions(operation: dict[str, Any], wanted: Any) -> None:
    assert json_patch.apply({"l": [1, 2]}, [operation]) == wanted


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        ({"op": "test", "path": "/a", "value": 2}, "testing value /a failed: test failed"),
        ({"op": "test", "path": "/a", "value": True}, "testing value /a failed: test failed"),
        ({"op": "remove", "path": "/x"}, 'remove operation does not apply: doc is missing key: "x": missing value'),
        (
            {"op": "replace", "path": "/x/y", "value": 1},
            'replace operation does not apply: doc is missing key: "x": missing value',
        ),
        (
            {"op": "add", "path": "/l/7", "value": 1},
            "add operation does not apply: Unable to access invalid index: 7: invalid index referenced",
        ),
        ({"op": "frob", "path": "/a"}, "Unexpected kind: frob"),
        ({"op": "add", "path": "/a"}, 'add operation does not apply: missing "value"'),
        ({"op": "move", "path": "/a"}, 'move operation does not apply: missing "from"'),
        ({"op": "add", "value": 1}, "add operation does not apply: missing path"),
        ({"path": "/a"}, "Unexpected kind: unknown"),
    ],
)
def test_refused(operation: dict[str, Any], cause: str) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch.apply({"a": 1, "l": []}, [operation])
    status = caught.value.status
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == "the server rejected our request due to an error in our request"
    assert [item["message"] for item in status["details"]["causes"]] == [cause]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({}, "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        (["x"], "error decoding patch: json: cannot unmarshal string into Go value of type jsonpatch.Operation"),
    ],
)
def test_malformed(patch: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch.apply({}, patch)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_too_many_operations() -> None:
    operation = {"op": "test", "path": "", "value": {}}
    with pytest.raises(ApiError, match="is 10000, got 10001") as caught:
        json_patch.apply({}, [operation] * 10_001)
    assert caught.value.code == 413
