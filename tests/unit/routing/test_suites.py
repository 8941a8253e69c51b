"""The suites by `decide`, and that the order of documents does not matter."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.routing.compute import compute
from portway.testing.doordocs import documents
from portway.testing.doorsuites import Suite, answer, fate, seen_headers, whole
from portway.testing.gatewaysuites import GATEWAY_SUITES
from portway.testing.ingresssuites import INGRESS_SUITES

SUITES = (*INGRESS_SUITES, *GATEWAY_SUITES)


@pytest.mark.parametrize("suite", SUITES, ids=repr)
def test_suite(suite: Suite) -> None:
    _, table = whole(suite)
    found = []
    for row in suite.rows:
        decision = answer(table, suite.door, row)
        found.append((row.request.host, row.request.target, fate(table, decision)))
        if decision is not None and decision.code == "ROUTED":
            assert decision.path == (row.path or row.request.target)
            assert set(row.headers) <= set(seen_headers(decision, row.request))
            assert "x-remove" not in dict(seen_headers(decision, row.request))
    assert found == [(row.request.host, row.request.target, row.fate) for row in suite.rows]


@given(st.sampled_from(SUITES), st.randoms())
def test_the_order_of_documents_does_not_matter(suite: Suite, random: Random) -> None:
    shuffled = list(suite.documents)
    random.shuffle(shuffled)
    doors = compute(documents(*shuffled))
    before = compute(documents(*suite.documents))
    assert (doors.listeners, doors.pools, doors.forwards) == (before.listeners, before.pools, before.forwards)
    assert {(r.kind, r.name): r for r in doors.routes} == {(r.kind, r.name): r for r in before.routes}
    assert doors.gateways == before.gateways
