"""When a real packet agrees with a trace, and when it does not."""

from typing import Any

import pytest
from msgspec.structs import replace

from portway.analysis.policy import Judged
from portway.analysis.trace import Trace
from portway.cli.agreement import agreement, tries
from portway.model import Backend

FORWARDED = Trace(
    "t", "outside", "FORWARDED", True, disposition="forward", backends=(Backend("10.0.0.1", 80, "n", "web-1"),)
)
PARTLY = replace(FORWARDED, shares=(0.2,), refused=0.8)
UNDECLARED = replace(FORWARDED, undeclared=FORWARDED.backends)
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
        # what a process is told of its own datagram, whether its node drops or refuses it
        (DROPPED, {"outcome": "not permitted"}, True),
        (REJECTED, {"outcome": "not permitted"}, True),
        (FORWARDED, {"outcome": "not permitted"}, False),
        # the pod itself refuses where nothing listens, and it has declared no such port
        (UNDECLARED, {"outcome": "refused"}, True),
        (UNDECLARED, {"outcome": "answered", "reply": {"pod": "web-1"}}, True),
        (UNDECLARED, {"outcome": "silent"}, False),
        # a share of the connections is refused
        (PARTLY, {"outcome": "refused"}, True),
        (PARTLY, {"outcome": "answered", "reply": {"pod": "web-1"}}, True),
        (PARTLY, {"outcome": "silent"}, False),
    ],
)
def test_agreement(found: Trace, fact: dict[str, Any], agrees: bool) -> None:
    assert agreement(found, fact) is agrees


BACKENDS = tuple(Backend(f"10.0.0.{n}", 80, "n", f"web-{n}") for n in (1, 2, 3))
JUDGED = tuple(Judged(backend, backend.target != "web-1", "RULE_ALLOWS", "Ingress") for backend in BACKENDS)
SOME = Trace("t", "outside", "FORWARDED", True, disposition="forward", backends=BACKENDS, judged=JUDGED)
NONE = replace(SOME, judged=tuple(replace(j, allowed=False) for j in JUDGED), arrives=False, disposition="drop")
UNSURE = replace(SOME, undeclared=BACKENDS[2:])
STICKY = replace(SOME, sticky=True)


@pytest.mark.parametrize(
    ("found", "silent", "answered", "agrees"),
    [
        (SOME, 20, {"web-2": 9, "web-3": 9}, True),
        (SOME, 38, {}, False),
        (SOME, 0, {"web-2": 19, "web-3": 19}, False),
        (SOME, 20, {"web-2": 18}, False),
        (SOME, 20, {"web-1": 1, "web-2": 9, "web-3": 8}, False),
        (SOME, 20, {"web-2": 9, "web-3": 8}, False),  # one was refused
        (SOME, 20, {"": 18}, True),
        (UNSURE, 20, {"web-2": 9}, True),
        (UNSURE, 20, {"web-2": 9, "web-3": 9}, True),
        (UNSURE, 20, {"web-3": 9}, False),
        (STICKY, 38, {}, True),
        (STICKY, 0, {"web-2": 38}, True),
        (STICKY, 0, {"web-1": 38}, False),
        (STICKY, 1, {"web-2": 37}, False),
        (STICKY, 0, {"web-2": 19, "web-3": 19}, False),
    ],
)
def test_agreement_of_several(found: Trace, silent: int, answered: dict[str, int], agrees: bool) -> None:
    refused = 9 if found is UNSURE and len(answered) == 1 else 0
    fact = {"outcome": "mixed", "tries": 38, "silent": silent, "refused": refused, "answered": answered}
    assert agreement(found, fact) is agrees


def test_one_is_enough_where_all_fare_alike() -> None:
    assert tries(FORWARDED) == tries(NONE) == tries(REJECTED) == 1
    assert 30 < tries(SOME) < 50
    assert agreement(NONE, {"outcome": "silent"})
    assert not agreement(NONE, {"outcome": "answered"})
