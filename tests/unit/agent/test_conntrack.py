"""Which UDP flows are forgotten: kube-proxy's own table."""

from typing import Any

import pytest

from portway.agent.conntrack import Flow, serving, stale
from portway.kubeapi import decode
from tests.shared import cases

UDP = 17


def flow_of(row: dict[str, Any]) -> Flow:
    """A row of the table; any destination is the node's own address, since that is what a nodePort has."""
    return Flow(row["origDst"] or "198.51.100.7", row["origDstPort"], (row["replySrc"], row["replySrcPort"]))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["test"]) for case in cases("conntrack_cleanup")])
def test_kubernetes_table(case: dict[str, Any]) -> None:
    services = {service.name: service for service in map(decode.service, case["services"])}
    slices = [decode.endpoint_slice(doc) for doc in case["endpointSlices"]]
    endpoints = {}
    for name, service in services.items():
        endpoints.update(serving(service, [piece for piece in slices if piece.service == name]))
    flows = [flow_of(row) for row in case["before"] if row["protocol"] == UDP]
    gone = set(stale(flows, endpoints))
    assert {flow for flow in flows if flow not in gone} == {flow_of(r) for r in case["after"] if r["protocol"] == UDP}


def test_a_flow_to_an_endpoints_former_port_is_stale() -> None:
    """As when a Service's targetPort changes (e2e: "when UDP service target port changes for a NodePort service")."""
    endpoints = {("", 30053): frozenset({("10.244.1.2", 9090)})}
    old, new = (Flow("172.18.0.11", 30053, ("10.244.1.2", port)) for port in (8080, 9090))
    assert list(stale([old, new], endpoints)) == [old]
