"""Three witnesses on shares: `lookup` says what part of the connections is whose, the ruleset has as many slots for
each, and the kernel sends so many there, within what chance allows.
"""

from collections import Counter

import pytest

from portway.forwarding import compute, lookup
from portway.model import EndpointSlice, Packet, Protocol, ProxyConfig, ServicePort, Share
from portway.nftables import compile
from portway.testing.builders import endpoint_slice, service, snapshot
from tests.chance import is_unlikely
from tests.contract.crossing import Crossing
from tests.flows import strategies
from tests.unit.nftables.test_trace import disagreement

CONFIG = ProxyConfig("node-1", strategies.NODE_ADDRESSES)
CLIENT = {"IPv4": "203.0.113.5", "IPv6": "2001:db8::5"}
CONNECTIONS = 1200
"""In some 70 counts chance is once in a million wrong."""

DOOR = service(
    "door",
    cluster_ip=("10.96.0.10", "fd00:96::10"),
    load_balancer_ips=("192.0.2.1", "2001:db8:b::1"),
    ports=tuple(ServicePort(p.lower(), p, 80, "forwarded") for p in ("TCP", "UDP")),
)


def group(name: str, weight: int, *pods: str) -> list[EndpointSlice]:
    """A backend of a route, in both families and protocols."""
    found = []
    for protocol in ("TCP", "UDP"):
        for family, prefix in (("4", "10.244."), ("6", "fd00:244::")):
            called = f"{name}-{protocol}-{family}"
            addresses = [f"{prefix}{pod}" if family == "4" else f"{prefix}{pod.replace('.', ':')}" for pod in pods]
            share = Share(name, weight)
            slice_ = endpoint_slice(
                "door", *addresses, name=called, protocol=protocol, port_name=protocol.lower(), share=share
            )
            found.append(slice_)
    return found


ROUTES = {
    "by weight": (group("a", 70, "1.2"), group("b", 30, "2.2")),
    "whatever the number of endpoints": (group("a", 1, "1.2", "1.3", "2.3"), group("b", 1, "2.2")),
    "what leads nowhere is refused": (group("a", 20, "1.2", "2.3"), group("b", 30, "2.2"), group("c", 50)),
    "weight 0": (group("a", 1, "1.2"), group("b", 0, "2.2")),
}


@pytest.mark.parametrize("groups", ROUTES.values(), ids=ROUTES.keys())
def test_shares_of_connections(node: Crossing, groups: tuple[list[EndpointSlice], ...]) -> None:
    table = compute(snapshot(DOOR, *(piece for some in groups for piece in some)), CONFIG)
    ruleset = compile(table)
    questions: tuple[tuple[str, str, Protocol], ...] = (
        ("IPv4", "192.0.2.1", "TCP"),
        ("IPv6", "2001:db8:b::1", "UDP"),
        ("IPv4", "10.96.0.10", "UDP"),
    )
    packets = [Packet(CLIENT[family], address, protocol, 80) for family, address, protocol in questions]
    for packet in packets:
        assert not (found := disagreement(table, ruleset, packet)), found
    node.load(ruleset)
    for packet, counts in zip(packets, node.counts(packets, [CONNECTIONS] * len(packets)), strict=True):
        verdict = lookup(table, packet)
        shares = dict(zip(map(str, verdict.backends), verdict.shares, strict=True))
        shares["REJECT"] = 1 - sum(shares.values())
        seen = Counter({outcome: number for (outcome, _), number in counts.items()})
        assert seen.keys() <= shares.keys()
        wrong = [(o, seen[o], share) for o, share in shares.items() if is_unlikely(seen[o], CONNECTIONS, share)]
        assert not wrong, f"{packet}: {wrong}"


def test_the_bound_tells_shares_apart() -> None:
    assert not is_unlikely(400, CONNECTIONS, 0.3)
    assert is_unlikely(600, CONNECTIONS, 0.3)
    assert is_unlikely(1, CONNECTIONS, 0.0)
    assert is_unlikely(0, CONNECTIONS, 0.05)


def test_a_refused_share_is_not_remembered_by_session_affinity(node: Crossing) -> None:
    """A client that was refused draws again; one that was not stays where it is."""
    groups = [*group("a", 1, "1.2"), *group("b", 1)]
    sticky = service("door", ports=DOOR.ports, cluster_ip=DOOR.cluster_ips, session_affinity_seconds=10800)
    table = compute(snapshot(sticky, *groups), CONFIG)
    packet = Packet(CLIENT["IPv4"], "10.96.0.10", "TCP", 80)
    node.load(compile(table))
    (counts,) = node.counts([packet], [60])
    assert {outcome for outcome, _ in counts} <= {"10.244.1.2:80", "REJECT"}
    (counts,) = node.counts([packet], [20])
    assert {outcome for outcome, _ in counts} == {"10.244.1.2:80"}
