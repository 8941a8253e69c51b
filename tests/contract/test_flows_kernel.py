"""Witness 3, the kernel, against kube-proxy's own packet tables (nftables mode): real packets, the real rules."""

from collections.abc import Iterator
from typing import Any

import pytest

from portway.nftables import compile
from portway.testing.flows import Flow
from portway.testing.netns import Unavailable
from tests.contract.crossing import Crossing, Fate, crossing, enough, is_loopback
from tests.flows.kubernetes import flows_of, table_of
from tests.shared import cases

STATES = {
    f"{table}:{number}:{state['test']}": state
    for table in ("packet_flows", "packet_flows_derived")
    for number, state in enumerate(cases(table), 1)
    if state["proxier"] == "nftables"
}
ADDRESSES = sorted({ip for state in STATES.values() for ip in state["node"]["ips"]})


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def node(request: pytest.FixtureRequest) -> Iterator[Crossing]:
    """A node with the addresses that the tables' node has."""
    try:
        with crossing(ADDRESSES, request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _wanted(flow: Flow) -> set[str]:
    return set(flow.output.split(", "))


def _differs(flow: Flow, fate: Fate) -> str:
    """How a packet's fate is not the row's; "" when it is."""
    outputs = {output for output, _ in fate}
    forwarded = {translated for output, translated in fate if output not in ("", "REJECT", "DROP")}
    right = outputs == _wanted(flow) and (flow.masquerade is None or forwarded <= {flow.masquerade})
    return "" if right else f"{flow}: {sorted(fate)}"


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_kubernetes_packet_tables(node: Crossing, state: dict[str, Any]) -> None:
    node.load(compile(table_of(state)))
    flows = [flow for flow in flows_of(state) if not is_loopback(flow.packet)]
    assert len(flows) == len(state["flows"])
    fates = node.fates([flow.packet for flow in flows], [enough(len(_wanted(flow))) for flow in flows])
    assert not [wrong for wrong in map(_differs, flows, fates) if wrong]
