"""The steps that `hops` tells of a verdict: by the frontend's family, the client's place, the number of candidates."""

import pytest

from portway.forwarding import ForwardingTable, compute, hops, lookup
from portway.model import EndpointSlice, Hop, Packet, Service, Share
from portway.testing.builders import endpoint_slice, proxy_config, service, snapshot

OUTSIDE, NODE = "203.0.113.5", "172.18.0.11"
WEB = service(node_port=30080, port_name="http", port=81)
DUAL = service("dual", cluster_ip=("fd00:96::10", "10.96.0.20"))


def table_of(value: Service, *pieces: EndpointSlice) -> ForwardingTable:
    return compute(snapshot(value, *pieces), proxy_config())


def way(table: ForwardingTable, destination: str, port: int, source: str = OUTSIDE) -> tuple[Hop, ...]:
    packet = Packet(source, destination, "TCP", port)
    return hops(table, packet, lookup(table, packet))


def test_one_candidate_is_a_step() -> None:
    table = table_of(WEB, endpoint_slice("web", "10.244.1.2", port_name="http", port=8080))
    assert way(table, NODE, 30080) == (
        Hop("node", "node-1", NODE, 30080, note=f"SNAT {OUTSIDE} → the node's address"),
        Hop("service", "default/web", "10.96.0.10", 81, "http"),
        Hop("pod", "10.244.1.2", "10.244.1.2", 8080, note=f"DNAT {NODE}:30080 → 10.244.1.2:8080"),
    )


def test_several_candidates_are_told_of() -> None:
    table = table_of(WEB, endpoint_slice("web", "10.244.1.2", "10.244.1.3", port_name="http"))
    assert [hop.note for hop in way(table, NODE, 30080)][1:] == [f"DNAT {NODE}:30080 → one of 2"]


def test_shares_are_told_of() -> None:
    groups = [
        endpoint_slice("web", "10.244.1.2", "10.244.1.3", name="a", port_name="http", share=Share("a", 1)),
        endpoint_slice("web", "10.244.1.4", name="b", port_name="http", share=Share("b", 1)),
        endpoint_slice("web", name="c", port_name="http", share=Share("c", 1)),
    ]
    refused = "33.3% of connections refused (NO_ENDPOINTS)"
    assert way(table_of(WEB, *groups), NODE, 30080)[1].note == f"DNAT {NODE}:30080 → one of 3 by weight, {refused}"
    assert way(table_of(WEB, *groups[1:]), NODE, 30080)[1].note == "50% of connections refused (NO_ENDPOINTS)"


def test_the_family_is_that_of_the_packet() -> None:
    table = table_of(DUAL, endpoint_slice("dual", "fd00:244:1::2"), endpoint_slice("dual", "10.244.1.2", name="v4"))
    for address, pod in (("fd00:96::10", "[fd00:244:1::2]:80"), ("10.96.0.20", "10.244.1.2:80")):
        _, service_hop, pod_hop = way(table, address, 80, source="10.244.1.9" if "." in address else "fd00:244:1::9")
        assert service_hop.address == address
        assert pod_hop.note.endswith(f"→ {pod}")


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("10.244.1.9", "source 10.244.1.9 kept"),
        ("10.244.1.2", "source 10.244.1.2 kept, unless the pod meets itself (then SNAT)"),
        (OUTSIDE, f"SNAT {OUTSIDE} → the node's address"),
    ],
)
def test_what_becomes_of_the_client_s_address(source: str, note: str) -> None:
    table = table_of(service(), endpoint_slice("web", "10.244.1.2", "10.244.1.3"))
    assert way(table, "10.96.0.10", 80, source)[0].note == note


def test_a_refused_packet_ends_at_the_service() -> None:
    assert [hop.kind for hop in way(table_of(service()), "10.96.0.10", 80)] == ["node", "service"]
    assert [hop.kind for hop in way(table_of(service()), "10.96.0.10", 443)] == ["node"]


def test_what_is_left_alone_has_no_steps() -> None:
    assert way(table_of(service()), "198.51.100.1", 80) == ()
