"""When a real packet agrees with a trace, and when it does not."""

from typing import Any

import pytest

from portway.analysis.trace import Trace
from portway.cli.trace import agreement
from portway.model import Backend

FORWARDED = Trace(
    "t", "outside", "FORWARDED", True, disposition="forward", backends=(Backend("10.0.0.1", 80, "n", "web-1"),)
)
REJECTED = Trace("t", "outside", "NO_ENDPOINTS", False, disposition="reject")
DROPPED = Trace("t", "outside", "NO_LOCAL_ENDPOINT", False, disposition="drop")
UNTOUCHED = Trace("t", "outside", "NODEPORT_UNSET", False, disposition="pass")


@pytest.mark.parametrize(
    ("found", "fact", "agrees"),
    [
        (FORWARDED, {"outcome": "answered", "reply": {"pod": "web-1"}}, True),
        (FORWARDED, {"outcome": "answered", "reply": {"pod": "web-2"}}, False),
        (FORWARDED, {"outcome": "answered"}, True),
        (FORWARDED, {"outcome": "refused"}, False),
        (FORWARDED, {"outcome": "silent"}, False),
        (REJECTED, {"outcome": "refused"}, True),
        (REJECTED, {"outcome": "silent"}, False),
        (REJECTED, {"outcome": "answered"}, False),
        (DROPPED, {"outcome": "silent"}, True),
        (DROPPED, {"outcome": "refused"}, False),
        (UNTOUCHED, {"outcome": "refused"}, True),
        (UNTOUCHED, {"outcome": "unreachable"}, True),
        (UNTOUCHED, {"outcome": "answered", "reply": {}}, False),
    ],
)
def test_agreement(found: Trace, fact: dict[str, Any], agrees: bool) -> None:
    assert agreement(found, fact) is agrees
