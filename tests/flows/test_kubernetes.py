"""Witness 1, `lookup`, against kube-proxy's own packet tables.

Those of nftables mode. Where the data holds tables of iptables mode as well, they are another mode's answers: nodePorts
on loopback, clusterIPs' other ports and free ServiceCIDR addresses let through, ACCEPT.
"""

from typing import Any

import pytest

from portway.forwarding import lookup
from portway.testing.flows import check, outcome_of
from tests.flows.kubernetes import flows_of, table_of
from tests.shared import cases

STATES = [
    pytest.param(state, id=f"{table}:{number}:{state['test']}")
    for table in ("packet_flows", "packet_flows_derived")
    for number, state in enumerate(cases(table), 1)
    if state["proxier"] == "nftables"
]


@pytest.mark.parametrize("state", STATES)
def test_packet_table(state: dict[str, Any]) -> None:
    table = table_of(state)
    assert check(flows_of(state), lambda packet: outcome_of(lookup(table, packet))) == len(state["flows"])
