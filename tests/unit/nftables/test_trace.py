"""Witness 2: the compiled Ruleset, interpreted, says what kube-proxy's packet tables and `lookup` say."""

from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.forwarding import ForwardingTable, compute, lookup
from portway.model import Disposition, Packet, ProxyConfig, Snapshot
from portway.nftables import Ruleset, Trace, compile, trace
from portway.nftables.statement import Statement
from portway.nftables.structure import NO_ENDPOINTS
from portway.nftables.trace import meanings
from portway.testing.flows import Outcome, check
from tests.flows import strategies
from tests.flows.kubernetes import flows_of, table_of
from tests.shared import cases

STATES = [
    pytest.param(state, id=f"{table}:{number}:{state['test']}")
    for table in ("packet_flows", "packet_flows_derived")
    for number, state in enumerate(cases(table), 1)
    if state["proxier"] == "nftables"
]


def outcome_of(way: Trace) -> Outcome:
    """In a packet table's words."""
    because = "\n    ".join(f"{step.hook}: {step.chain}: {step.did}" for step in way.steps) or "no rule matched"
    everyone = bool(way.candidates) and set(way.hairpin) == set(way.candidates)
    # what is refused or dropped goes nowhere, so that nothing of ours marks it
    return Outcome(way.output, way.masquerade or everyone if way.candidates else None, because)


@pytest.mark.parametrize("state", STATES)
def test_kubernetes_packet_tables(state: dict[str, Any]) -> None:
    table = table_of(state)
    ruleset = compile(table)
    local = table.config.node_addresses
    assert check(flows_of(state), lambda packet: outcome_of(trace(ruleset, packet, local))) == len(state["flows"])


OUTPUT = {Disposition.REJECT: "REJECT", Disposition.DROP: "DROP", Disposition.PASS: ""}


def disagreement(table: ForwardingTable, ruleset: Ruleset, packet: Packet) -> str:
    """What the two witnesses say differently; "" when they agree."""
    verdict, way = lookup(table, packet), trace(ruleset, packet, table.config.node_addresses)
    said = OUTPUT.get(verdict.disposition) or ", ".join(sorted(map(str, verdict.backends)))
    masquerade = verdict.masquerade and verdict.disposition is Disposition.FORWARD
    hairpin = sorted(map(str, verdict.hairpin))
    drawn = Counter(dict(zip(map(str, verdict.backends), verdict.weights or [1] * len(verdict.backends), strict=True)))
    refused = (verdict.refused, NO_ENDPOINTS if verdict.refused else "")
    meant = (said, masquerade, hairpin, drawn, refused, dict[str, str]())
    found = sorted(way.hairpin) if not way.masquerade else hairpin
    done = (way.output, way.masquerade, found, Counter(way.candidates), (way.holes, way.refused_by), way.stopped)
    return (
        ""
        if meant == done
        else f"{packet}\nmeant {meant} for {verdict.reason}\ndone  {done}\n{outcome_of(way).because}"
    )


@settings(max_examples=100, deadline=None)
@given(data=st.data(), snapshot=strategies.any_clusters, config=strategies.configs())
def test_lookup_and_trace_agree(data: st.DataObject, snapshot: Snapshot, config: ProxyConfig) -> None:
    table = compute(snapshot, config)
    ruleset = compile(table)
    for packet in data.draw(strategies.packets(snapshot)):
        assert not (found := disagreement(table, ruleset, packet)), found


def test_every_statement_has_a_meaning() -> None:
    assert set(meanings()) == set(get_args(Statement))
