"""JSON's equality: Python holds True and 1 for equal, JSON does not."""

from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two decoded JSON values are equal; 1 and 1.0 are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
