"""Which records a reader gets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.accesslog import Record
from portway.accesslog.lines import moment
from portway.accesslog.selection import Selection
from tests.unit.accesslog.builders import NOON, connection, denial, pod, refusal

LATER = connection(10.0)
DIRECT = denial(0.0, service=None, frontend=None, entry="podIP", backend=pod("db-0"))


@pytest.mark.parametrize(
    ("given_", "record", "taken"),
    [
        ({}, connection(), True),
        ({}, refusal(), True),
        ({"namespace": "shop"}, connection(), True),
        ({"namespace": "default"}, connection(), False),
        ({"namespace": "shop"}, refusal(), False),
        ({"namespace": "shop"}, DIRECT, True),
        ({"services": frozenset({("shop", "web")})}, connection(), True),
        ({"services": frozenset({("shop", "api"), ("other", "web")})}, connection(), False),
        ({"services": frozenset({("shop", "web")})}, DIRECT, False),
        ({"denied": True}, connection(), False),
        ({"denied": True}, refusal(), True),
        ({"denied": True}, denial(), True),
        ({"since": NOON + 5}, connection(), False),
        ({"since": NOON + 5}, LATER, True),
        ({"since": moment(LATER)}, LATER, True),
        ({"until": moment(LATER)}, LATER, False),
        ({"until": NOON + 5}, connection(), True),
        ({"since": NOON + 5}, connection(0.0, 3600.0), True),
    ],
)
def test_selection(given_: dict[str, Any], record: Record, taken: bool) -> None:
    assert Selection(**given_).takes(record) is taken


@given(st.lists(st.sampled_from([connection(), LATER, refusal(3.0), denial(4.0), DIRECT])), st.floats(NOON, NOON + 20))
def test_two_halves_of_a_time_are_the_whole(records: list[Record], cut: float) -> None:
    before, after = Selection(until=cut), Selection(since=cut)
    assert all(before.takes(record) != after.takes(record) for record in records)
