"""Nodes' files as one log: complete, and in the order of time."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from portway.accesslog.lines import Entry
from portway.accesslog.order import in_order, merged
from tests.unit.accesslog.builders import connection

MOMENTS = st.lists(st.integers(0, 60).map(float), max_size=30)


def entry(at: float, name: str = "") -> Entry:
    record = connection(at, 0.0, flow_id=name)
    return Entry(record, msgspec.json.encode(record))


@given(st.lists(MOMENTS, max_size=4), st.integers(0, 20))
def test_nothing_is_lost_and_nothing_comes_twice(files: list[list[float]], slack: int) -> None:
    written = [[entry(at, f"{file}-{i}") for i, at in enumerate(moments)] for file, moments in enumerate(files)]
    found = list(merged(written, slack))
    assert Counter(one.line for one in found) == Counter(one.line for file in written for one in file)


@given(st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10))), max_size=4))
def test_what_is_written_late_by_less_than_the_slack_is_in_order(files: list[list[tuple[int, int]]]) -> None:
    """Each event happens at a moment and is written down up to 10 seconds later."""
    written = [[entry(at) for at, late in sorted(events, key=sum)] for events in files]
    moments = [one.moment for one in merged(written, 10)]
    assert moments == sorted(moments)


@given(MOMENTS)
def test_those_of_one_moment_stay_as_they_were_written(moments: list[float]) -> None:
    found = in_order([entry(at, str(number)) for number, at in enumerate(moments)], 100)
    keys = [(one.moment, int(one.record.flow_id)) for one in found]
    assert keys == sorted(keys)


def test_it_holds_no_more_than_the_slack() -> None:
    """The first entry is given out when the file has moved on by the slack, not at its end."""
    read = []

    def file() -> object:
        for at in range(1000):
            read.append(at)
            yield entry(float(at))

    next(in_order(file(), 5))  # type: ignore[arg-type]
    assert len(read) == 7
