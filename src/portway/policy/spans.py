"""Sets of whole numbers as spans: sorted, disjoint, never adjacent, so that equal sets are equal values.

Ports and addresses alike are such numbers.
"""

from collections.abc import Iterable
from functools import lru_cache

Span = tuple[int, int]
"""From the first to the last, both included."""
Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """All of them, whatever their order and overlaps."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            if last > found[-1][1]:
                found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


@lru_cache(maxsize=4096)
def minus(spans: Spans, taken: Spans) -> Spans:
    """What is in the first and not in the second."""
    found: list[Span] = []
    for first, last in spans:
        for gone, end in taken:
            if end < first or gone > last:
                continue
            if gone > first:
                found.append((first, gone - 1))
            first = end + 1
        if first <= last:
            found.append((first, last))
    return tuple(found)


def common(one: Spans, other: Spans) -> Spans:
    """What is in both."""
    return minus(one, minus(one, other))


def covers(whole: Spans, part: Spans) -> bool:
    """Whether everything of the second is in the first."""
    return not minus(part, whole)
