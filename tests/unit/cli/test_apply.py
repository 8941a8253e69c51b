"""The patch that `portway up -f` sends: everything wanted, and null for what was applied and is wanted no more."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.cli.apply import three_way
from portway.kubeapi.patch import merge

LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"])
DOCUMENTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES.filter(lambda x: x is not None)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("last", "wanted", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"b": 1}, {"a": None, "b": 1}),
        ({"m": {"x": 1, "y": 2}}, {"m": {"y": 3}}, {"m": {"x": None, "y": 3}}),
        ({"l": [1, 2]}, {"l": [1]}, {"l": [1]}),
        ({"m": 1}, {"m": {"x": 1}}, {"m": {"x": 1}}),
    ],
)
def test_three_way(last: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]) -> None:
    assert three_way(last, wanted) == patch


@given(last=DOCUMENTS, wanted=DOCUMENTS)
def test_applied_to_what_was_applied_last_it_gives_what_is_wanted(last: dict[str, Any], wanted: dict[str, Any]) -> None:
    result = merge.apply(copy.deepcopy(last), three_way(last, wanted))
    assert _without_empty(result) == _without_empty(wanted)


@given(last=DOCUMENTS, wanted=DOCUMENTS)
def test_what_others_set_stays(last: dict[str, Any], wanted: dict[str, Any]) -> None:
    live = copy.deepcopy(last) | {"theirs": 1}
    assert merge.apply(live, three_way(last, wanted))["theirs"] == 1


def _without_empty(document: Any) -> Any:
    """An object left without fields and one never there mean the same to the API."""
    if not isinstance(document, dict):
        return document
    cleaned = {key: _without_empty(value) for key, value in document.items()}
    return {key: value for key, value in cleaned.items() if value != {}}
