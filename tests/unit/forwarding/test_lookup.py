"""`lookup`'s whole verdict: reason codes, who decided, hairpin, ties. The outcomes themselves: tests/flows."""

import pytest

from portway.forwarding import ForwardingTable, Inputs, compute, lookup, recompute
from portway.model import (
    Disposition,
    Endpoint,
    LocalDetector,
    Packet,
    ProxyConfig,
    Reason,
    Service,
    ServicePortName,
    Snapshot,
)
from portway.testing.builders import endpoint, endpoint_slice, node, proxy_config, service, snapshot

OUTSIDE, POD, NODE = "203.0.113.5", "10.244.1.9", "172.18.0.11"


def ask(table: ForwardingTable, destination: str, port: int = 80, source: str = POD) -> tuple[Disposition, Reason, str]:
    verdict = lookup(table, Packet(source, destination, "TCP", port))
    return verdict.disposition, verdict.reason, verdict.frontend


def table_of(value: Service, *endpoints: Endpoint | str) -> ForwardingTable:
    pieces = (endpoint_slice(value.name, *endpoints),) if endpoints else ()
    return compute(snapshot(value, *pieces), proxy_config())


def test_every_reason_has_its_packet() -> None:
    away = table_of(service(internal_traffic_policy="Local"), "10.244.2.2@node-2")
    here = table_of(service(node_port=30080), "10.244.1.2")
    leaving = table_of(service(), endpoint("10.244.1.2", terminating=True))
    ranges = service(load_balancer_ips=("192.0.2.1",), load_balancer_source_ranges=("198.51.100.0/24",))
    answers = {
        Reason.FORWARDED: ask(here, "10.96.0.10"),
        Reason.FORWARDED_TERMINATING: ask(leaving, "10.96.0.10"),
        Reason.NO_ENDPOINTS: ask(table_of(service()), "10.96.0.10"),
        Reason.NO_LOCAL_ENDPOINT: ask(away, "10.96.0.10"),
        Reason.SOURCE_NOT_ALLOWED: ask(table_of(ranges), "192.0.2.1", source=OUTSIDE),
        Reason.SERVICE_PORT_UNDEFINED: ask(here, "10.96.0.10", 81),
        Reason.CLUSTER_IP_UNALLOCATED: ask(here, "10.96.0.99"),
        Reason.NOT_A_FRONTEND: ask(here, "203.0.113.99"),
    }
    assert {reason: answer for reason, answer in answers.items() if answer[1] is not reason} == {}
    assert set(answers) == set(Reason)
    assert [answer[0].value for answer in answers.values()] == [
        "forward",
        "forward",
        "reject",
        "drop",
        "drop",
        "reject",
        "drop",
        "pass",
    ]


@pytest.mark.parametrize(
    ("destination", "port", "frontend"),
    [
        ("10.96.0.10", 80, "clusterIP"),
        ("192.0.2.1", 80, "loadBalancerIP"),
        ("198.51.100.1", 80, "externalIP"),
        (NODE, 30080, "nodePort"),
    ],
)
def test_the_verdict_names_the_frontend_and_the_service_port(destination: str, port: int, frontend: str) -> None:
    value = service(node_port=30080, load_balancer_ips=("192.0.2.1",), external_ips=("198.51.100.1",))
    verdict = lookup(table_of(value, "10.244.1.2"), Packet(OUTSIDE, destination, "TCP", port))
    assert verdict.frontend == frontend
    assert verdict.service_port == ServicePortName("default", "web", "", "TCP")
    assert [str(b) for b in verdict.backends] == ["10.244.1.2:80"]


def test_hairpin_is_for_this_node_s_own_pods_only() -> None:
    value = service()
    both = table_of(value, "10.244.1.2@node-1", "10.244.2.2@node-2")
    own = lookup(both, Packet("10.244.1.2", "10.96.0.10", "TCP", 80))
    other = lookup(both, Packet("10.244.2.2", "10.96.0.10", "TCP", 80))
    assert [str(b) for b in own.hairpin] == ["10.244.1.2:80"]
    assert other.hairpin == ()
    assert not own.masquerade


def test_hairpin_is_for_whom_any_service_knows_on_this_node() -> None:
    """The rule knows pods, not Services; a slice by hand may leave the node out."""
    known, unknown = service(), service("by-hand", cluster_ip="10.96.0.11")
    slices = (endpoint_slice("web", "10.244.1.2"), endpoint_slice("by-hand", endpoint("10.244.1.2", "")))
    packet = Packet("10.244.1.2", "10.96.0.11", "TCP", 80)
    assert lookup(compute(snapshot(unknown, slices[1]), proxy_config()), packet).hairpin == ()
    both = lookup(compute(snapshot(known, unknown, *slices), proxy_config()), packet)
    assert [str(b) for b in both.hairpin] == ["10.244.1.2:80"]


def test_a_terminating_fallback_is_told_per_policy() -> None:
    value = service(node_port=30080, external_traffic_policy="Local")
    table = table_of(value, endpoint("10.244.1.2", terminating=True), "10.244.2.2@node-2")
    assert ask(table, NODE, 30080, OUTSIDE)[1] is Reason.FORWARDED_TERMINATING
    assert ask(table, NODE, 30080, POD)[1] is Reason.FORWARDED
    assert ask(table, "10.96.0.10")[1] is Reason.FORWARDED


def test_of_two_services_with_one_frontend_the_first_by_name_has_it() -> None:
    a, b = service("a", external_ips=("192.0.2.1",)), service("b", cluster_ip="10.96.0.11", external_ips=("192.0.2.1",))
    slices = endpoint_slice("a", "10.244.1.2"), endpoint_slice("b", "10.244.1.3")
    for order in ((a, b), (b, a)):
        verdict = lookup(compute(snapshot(*order, *slices), proxy_config()), Packet(OUTSIDE, "192.0.2.1", "TCP", 80))
        assert verdict.service_port == ServicePortName("default", "a", "", "TCP")


def test_an_external_ip_without_endpoints_leaves_the_packet_to_a_node_port() -> None:
    """5.10 step 3: only frontends with endpoints are looked up first."""
    dead = service("dead", cluster_ip="10.96.0.11", port=30080, external_ips=(NODE,))
    table = compute(snapshot(dead, service(node_port=30080), endpoint_slice("web", "10.244.1.2")), proxy_config())
    assert ask(table, NODE, 30080, OUTSIDE) == (Disposition.FORWARD, Reason.FORWARDED, "nodePort")


def test_recompute_touches_only_what_changed_and_keeps_slots() -> None:
    inputs = Inputs("node-1")
    for name, number in ("a", 1), ("b", 2):
        inputs.put_service(("default", name), service(name, cluster_ip=f"10.96.0.{number}"))
        inputs.put_slice(("default", f"{name}-1"), endpoint_slice(name, "10.244.1.2", "10.244.1.3", "10.244.1.4"))
    inputs.taken()
    before = compute(inputs.snapshot, proxy_config(), inputs.slices_of)
    inputs.put_slice(("default", "a-1"), endpoint_slice("a", "10.244.1.3", "10.244.1.4"))
    changed = inputs.taken()
    after = recompute(before, inputs.snapshot, changed, inputs.slices_of)
    assert changed == {("default", "a")}
    assert after.contributions[("default", "b")] is before.contributions[("default", "b")]
    slots = after.contributions[("default", "a")].frontends[0].target.cluster
    assert [b.address for b in slots] == ["10.244.1.4", "10.244.1.3"]


def test_a_relabelled_slice_concerns_both_services() -> None:
    inputs = Inputs()
    inputs.put_slice(("default", "s"), endpoint_slice("a", "10.1.1.1", name="s"))
    inputs.taken()
    inputs.put_slice(("default", "s"), endpoint_slice("b", "10.1.1.1", name="s"))
    assert inputs.taken() == {("default", "a"), ("default", "b")}
    assert list(inputs.slices_of) == [("default", "b")]


def test_what_did_not_change_concerns_nobody() -> None:
    inputs = Inputs()
    for _ in range(2):
        inputs.put_service(("default", "web"), service())
        inputs.put_slice(("default", "web-1"), endpoint_slice())
        first, again = inputs.taken(), inputs.taken()
        assert again == frozenset()
    assert first == frozenset()
    inputs.put_service(("default", "gone"), None)
    inputs.put_slice(("default", "gone"), None)
    assert inputs.taken() == frozenset()


def test_this_node_s_zone_concerns_every_service_another_s_none() -> None:
    inputs = Inputs("node-1")
    inputs.put_service(("default", "web"), service())
    inputs.taken()
    inputs.put_node("node-2", node("node-2", zone="zone-b"))
    assert inputs.taken() == frozenset()
    inputs.put_node("node-1", node("node-1", zone="zone-a"))
    assert inputs.taken() == {("default", "web")}
    inputs.put_node("node-1", None)
    assert inputs.taken() == {("default", "web")}


def test_an_empty_cluster_leaves_everything_alone() -> None:
    table = compute(Snapshot(), ProxyConfig("node-1", local_detector=LocalDetector()))
    assert ask(table, "10.96.0.1") == (Disposition.PASS, Reason.NOT_A_FRONTEND, "")
