"""Services with very many endpoints: what is remembered gives what computing anew gives."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portway.forwarding import ForwardingTable, Inputs, Target, compute
from portway.forwarding.large import edited
from portway.model import Backend, Endpoint, EndpointSlice, Service
from portway.testing.builders import endpoint, endpoint_slice, proxy_config, service

WEB = ("default", "web")
CONFIG = proxy_config()


def inputs_of(value: Service, *pieces: EndpointSlice) -> Inputs:
    inputs = Inputs("node-1", large=0)
    inputs.put_service(WEB, value)
    for piece in pieces:
        put(inputs, piece)
    return inputs


def put(inputs: Inputs, piece: EndpointSlice) -> None:
    inputs.put_slice((piece.namespace, piece.name), piece)


def target_of(table: ForwardingTable) -> Target:
    return table.contributions[WEB].frontends[0].target


def same_up_to_slots(a: ForwardingTable, b: ForwardingTable) -> bool:
    return _unordered(a) == _unordered(b)


def _unordered(table: ForwardingTable) -> list[Any]:
    frontends = table.contributions[WEB].frontends
    return [(f.kind, f.address, f.port, f.local_policy, f.source_ranges, _sets(f.target)) for f in frontends]


def _sets(target: Target) -> Any:
    flags = target.has_endpoints, target.cluster_terminating, target.local_terminating
    return sorted(target.cluster), sorted(target.local), flags


@st.composite
def _slices(draw: st.DrawFn) -> EndpointSlice:
    """One of four slices, nearly always with addresses of its own."""
    number = draw(st.integers(0, 3))
    network = draw(st.sampled_from((number, number, number, number, 0)))
    hosts = draw(st.lists(st.integers(1, 5), unique=True, max_size=5))
    return endpoint_slice("web", *(draw(_endpoint(f"10.244.{network}.{host}")) for host in hosts), name=f"s{number}")


def _endpoint(address: str) -> st.SearchStrategy[Endpoint]:
    node = st.sampled_from(("node-1", "node-2"))
    conditions = st.sampled_from(((True, True, False),) * 3 + ((False, True, True), (False, False, False)))
    pod = st.sampled_from(("", "web-0"))
    return st.builds(lambda n, c, p: Endpoint(address, n, "", c[0], c[1], c[2], (), (), p), node, conditions, pod)


_services = st.builds(
    service,
    node_port=st.sampled_from((0, 30080)),
    internal_traffic_policy=st.sampled_from(("Cluster", "Local")),
    external_traffic_policy=st.sampled_from(("Cluster", "Local")),
)


@settings(max_examples=150)
@given(value=_services, pieces=st.lists(_slices(), max_size=15))
@example(service(), [endpoint_slice("web", "10.1.1.1", name="s0"), endpoint_slice("web", "10.1.1.1", name="s1")])
def test_each_change_gives_what_computing_anew_gives(value: Service, pieces: list[EndpointSlice]) -> None:
    inputs = inputs_of(value)
    table = inputs.compute(CONFIG)
    for piece in pieces:
        put(inputs, piece)
        table = inputs.recompute(table)
        assert same_up_to_slots(table, compute(inputs.snapshot, CONFIG))


def test_what_a_change_does_not_name_stays_the_same_object_in_the_same_slot() -> None:
    inputs = inputs_of(service(), endpoint_slice("web", *(f"10.244.1.{i}" for i in range(1, 9))))
    before = inputs.compute(CONFIG)
    put(inputs, endpoint_slice("web", *(f"10.244.1.{i}" for i in range(2, 9))))
    after = inputs.recompute(before)
    old, new = target_of(before).cluster, target_of(after).cluster
    assert [b.address for b in new] == ["10.244.1.8", *(f"10.244.1.{i}" for i in range(2, 8))]
    assert all(a is b for a, b in zip(old[1:7], new[1:], strict=True))
    assert new[0] is old[7]


def test_a_change_that_moves_nothing_keeps_the_very_tuple() -> None:
    idle = endpoint("10.244.1.9", ready=False)
    inputs = inputs_of(service(), endpoint_slice("web", "10.244.1.1", "10.244.1.2"))
    before = inputs.compute(CONFIG)
    put(inputs, endpoint_slice("web", idle, name="web-2"))
    assert target_of(inputs.recompute(before)).cluster is target_of(before).cluster


def test_a_change_copies_nothing_of_what_the_last_one_made() -> None:
    inputs = inputs_of(service(), endpoint_slice("web", "10.244.1.1", "10.244.1.2"))
    whole = inputs.compute(CONFIG)
    put(inputs, endpoint_slice("web", "10.244.1.1"))
    first = inputs.recompute(whole)
    assert len(target_of(whole).cluster) == 2, "what was computed as a whole is left alone"
    put(inputs, endpoint_slice("web", "10.244.1.3"))
    second = inputs.recompute(first)
    assert second.contributions is first.contributions
    assert [b.address for b in target_of(second).cluster] == ["10.244.1.3"]


def test_another_table_than_the_last_is_computed_in_full() -> None:
    inputs = inputs_of(service(), endpoint_slice("web", "10.244.1.1", "10.244.1.2"))
    first = inputs.compute(CONFIG)
    put(inputs, endpoint_slice("web", "10.244.1.1"))
    inputs.recompute(first)
    put(inputs, endpoint_slice("web", "10.244.1.1", "10.244.1.3"))
    late = inputs.recompute(first)
    assert {b.address for b in target_of(late).cluster} == {"10.244.1.1", "10.244.1.3"}


def test_a_new_address_of_this_node_reaches_the_source_ranges() -> None:
    ranges = service(load_balancer_ips=("192.0.2.1",), load_balancer_source_ranges=("172.20.0.0/16",))
    inputs = inputs_of(ranges, endpoint_slice("web", "10.244.1.1"))
    moved = proxy_config("node-1", "172.20.0.1")
    table = msgspec.structs.replace(inputs.compute(CONFIG), config=moved)
    assert same_up_to_slots(inputs.recompute(table, [WEB]), compute(inputs.snapshot, moved))


@pytest.mark.parametrize(
    "later",
    [
        endpoint("10.244.1.2", zone_hints=("zone-a",)),
        endpoint("10.244.1.2", node_hints=("node-1",)),
        endpoint("10.244.1.1"),
        endpoint("10.244.1.2", terminating=True),
    ],
    ids=["zone hint", "node hint", "in two slices", "terminating"],
)
def test_what_is_not_simple(later: Endpoint) -> None:
    inputs = inputs_of(service(), endpoint_slice("web", "10.244.1.1"))
    table = inputs.compute(CONFIG)
    for piece in (
        endpoint_slice("web", later, name="web-2"),
        endpoint_slice(name="web-1"),
        endpoint_slice("web", later),
    ):
        put(inputs, piece)
        table = inputs.recompute(table)
        assert same_up_to_slots(table, compute(inputs.snapshot, CONFIG))


_numbers = st.sets(st.integers(1, 20), max_size=10)


@given(start=_numbers, wanted=_numbers)
def test_edited_slots_keep_the_law(start: set[int], wanted: set[int]) -> None:
    slots = tuple(Backend(f"10.0.0.{n}", 80) for n in sorted(start))
    positions = {(b.address, b.port): slot for slot, b in enumerate(slots)}
    coming = {(f"10.0.0.{n}", 80): Backend(f"10.0.0.{n}", 80) for n in wanted - start}
    found = edited(slots, positions, [(f"10.0.0.{n}", 80) for n in start ^ wanted], coming)
    assert {b.address for b in found} == {f"10.0.0.{n}" for n in wanted}
    assert positions == {(b.address, b.port): slot for slot, b in enumerate(found)}
    moved = sum(1 for slot, b in enumerate(slots) if b in found and found[slot : slot + 1] != (b,))
    assert moved <= max(0, len(start) - len(wanted))
