"""What is refused or dropped says why, where somebody listens; and who may come, comes."""

import pytest
from msgspec.structs import replace

from portway.forwarding import compute
from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Node,
    Packet,
    Reason,
    Service,
    ServicePort,
    Snapshot,
)
from portway.nftables import Ruleset, compile, trace
from portway.nftables.statement import Log
from tests.unit.nftables.test_program import CONFIG

HTTP = (ServicePort("http", "TCP", 80, 8080, 30001),)
POD = Endpoint("10.244.2.2", "node-2")


def ruleset(log_group: int = 7, *, served: bool = True, node_port_range: tuple[int, int] = (0, 0)) -> Ruleset:
    """A guarded load balancer, and a Service that is served on its own nodes only."""
    guarded = Service(
        "shop",
        "guarded",
        "LoadBalancer",
        HTTP,
        ("10.96.0.1",),
        load_balancer_ips=("192.0.2.1",),
        load_balancer_source_ranges=("203.0.113.0/25",),
    )
    near = Service(
        "shop",
        "near",
        "NodePort",
        (ServicePort("http", "TCP", 80, 8080, 30002),),
        ("10.96.0.2",),
        external_traffic_policy="Local",
        internal_traffic_policy="Local",
    )
    pods = (POD,) if served else ()
    pieces = [EndpointSlice("shop", n, n, (EndpointPort("http", "TCP", 8080),), pods) for n in ("guarded", "near")]
    snapshot = Snapshot(
        {("shop", s.name): s for s in (guarded, near)},
        {("shop", p.name): p for p in pieces},
        {"node-1": Node("node-1", CONFIG.node_addresses)},
        ("10.96.0.0/24",),
    )
    return compile(compute(snapshot, replace(CONFIG, log_group=log_group, node_port_range=node_port_range)))


@pytest.mark.parametrize(
    ("packet", "served", "reason"),
    [
        (Packet("203.0.113.5", "192.0.2.1", "TCP", 80), True, None),
        (Packet("203.0.113.200", "192.0.2.1", "TCP", 80), True, Reason.SOURCE_NOT_ALLOWED),
        (Packet("203.0.113.5", "192.0.2.1", "TCP", 80), False, Reason.NO_ENDPOINTS),
        (Packet("203.0.113.200", "192.0.2.1", "TCP", 80), False, Reason.SOURCE_NOT_ALLOWED),
        (Packet("203.0.113.200", "172.18.0.11", "TCP", 30002), True, Reason.NO_LOCAL_ENDPOINT),
        (Packet("10.244.1.9", "10.96.0.2", "TCP", 80), True, Reason.NO_LOCAL_ENDPOINT),
        (Packet("10.244.1.9", "10.96.0.2", "TCP", 80), False, Reason.NO_ENDPOINTS),
        (Packet("10.244.1.9", "10.96.0.1", "TCP", 81), True, Reason.SERVICE_PORT_UNDEFINED),
        (Packet("10.244.1.9", "10.96.0.77", "TCP", 80), True, Reason.CLUSTER_IP_UNALLOCATED),
    ],
)
def test_each_end_is_logged_with_its_reason(packet: Packet, served: bool, reason: Reason | None) -> None:
    loud, quiet = (trace(ruleset(group, served=served), packet, CONFIG.node_addresses) for group in (7, 0))
    assert loud.outcome == quiet.outcome
    assert (loud.outcome == "FORWARD") == (reason is None)
    last = ruleset(served=served).chains[loud.steps[-1].chain]
    said = [s.prefix for rule in last.rules for s in rule if isinstance(s, Log)]
    assert said == ([reason.value] if reason else [])


@pytest.mark.parametrize(
    ("packet", "told"),
    [
        (Packet("203.0.113.5", "172.18.0.11", "TCP", 30999), True),
        (Packet("203.0.113.5", "172.18.0.11", "UDP", 30001), True),
        (Packet("172.18.0.11", "172.18.0.11", "TCP", 30999), True),
        (Packet("203.0.113.5", "172.18.0.11", "SCTP", 30999), False),
        (Packet("203.0.113.5", "172.18.0.11", "TCP", 29999), False),
        (Packet("203.0.113.5", "127.0.0.1", "TCP", 30999), False),
        (Packet("203.0.113.5", "10.244.1.9", "TCP", 30999), False),
        (Packet("203.0.113.5", "172.18.0.11", "TCP", 30001), False),
    ],
)
def test_an_unset_node_port_is_told_and_left_alone(packet: Packet, told: bool) -> None:
    found = trace(ruleset(node_port_range=(30000, 32767)), packet, (*CONFIG.node_addresses, "127.0.0.1"))
    assert (found.steps[-1].did == "goto unset-node-port") == told
    assert found.outcome == ("FORWARD" if found.candidates else "")
    for silent in (ruleset(0, node_port_range=(30000, 32767)), ruleset(7)):
        assert "unset-node-port" not in silent.chains


def test_nobody_listening_nothing_is_logged() -> None:
    chains = ruleset(0).chains.values()
    assert not any(isinstance(s, Log) for chain in chains for rule in chain.rules for s in rule)
