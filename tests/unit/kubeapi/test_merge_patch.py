"""RFC 7386: its own examples and its laws."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi.errors import ApiError
from portway.kubeapi.patch import merge
from portway.kubeapi.patch.equality import same

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"])


def objects(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(
        leaves,
        lambda deeper: st.lists(deeper, max_size=2) | st.dictionaries(KEYS, deeper, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(KEYS, inner, max_size=3)


DOCS = objects(LEAVES)
PATCHES = objects(st.none() | LEAVES)

RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("doc", "patch", "wanted"), RFC)
def test_rfc_examples(doc: Any, patch: Any, wanted: Any) -> None:
    assert merge.apply(doc, patch) == wanted


@given(DOCS, PATCHES)
def test_applied_twice_is_applied_once(doc: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((doc, patch))
    once = merge.apply(doc, patch)
    assert same(merge.apply(once, patch), once)
    assert (doc, patch) == before


@given(DOCS, DOCS)
def test_diff_leads_to_the_new_document(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert same(merge.apply(old, merge.diff(old, new)), new)


@given(DOCS)
def test_no_difference_is_the_empty_patch(doc: dict[str, Any]) -> None:
    assert merge.diff(doc, copy.deepcopy(doc)) == {}
    assert all(merge.apply(doc, {})[key] is doc[key] for key in doc)


@pytest.mark.parametrize(("patch", "kind"), [([], "array"), ("x", "string"), (1, "number"), (None, "null")])
def test_refused(patch: Any, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        merge.apply({}, patch)
    message = f"error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    assert (caught.value.code, caught.value.message) == (400, message)
