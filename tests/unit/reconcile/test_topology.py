"""Topology hints by zones' CPU: Kubernetes' own tables, and the Events of a Service that has them and loses them."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.reconcile import endpointslices, topology
from portway.reconcile.change import Change, Create, Event, Update
from portway.reconcile.slicing import Plan
from portway.reconcile.topology import Allocation
from tests.shared import cases

Doc = dict[str, Any]
UNITS = cases("endpointslice_units")


def units(test: str) -> Any:
    chosen = [case for case in UNITS if case["test"] == test]
    assert chosen, f"no cases of {test}"
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


def allocations(case: Doc) -> dict[str, Allocation]:
    return {zone: Allocation(**values) for zone, values in case["allocations"].items()}


@units("TestSetNodes")
def test_cpu_by_zone(case: Doc) -> None:
    cpu = topology.cpu_by_zone(case["nodes"])
    expected = case["expect"]
    assert bool(cpu) is expected["sufficientNodeInfo"]
    assert topology.ratios(cpu) == pytest.approx(expected["ratios"] or {})
    assert {zone: milli / 1000 for zone, milli in cpu.items()} == {
        zone: float(text) for zone, text in (expected["cpuByZone"] or {}).items()
    }


@units("Test_getGivingAndReceivingZones")
def test_giving_and_receiving(case: Doc) -> None:
    giving, receiving = topology.giving_and_receiving(allocations(case), case["allocatedHintsByZone"])
    assert {"giving": giving, "receiving": receiving} == case["expect"]


@units("Test_getHintsByZone")
def test_hints_by_zone(case: Doc) -> None:
    endpoints = case["slice"]["endpoints"] or []
    assert topology.hints_by_zone(endpoints, case["allocatedHintsByZone"], allocations(case)) == case["expect"]


@units("Test_redistributeHints")
def test_redistribution(case: Doc) -> None:
    endpoints = [endpoint for slice_ in case["slices"] for endpoint in slice_["endpoints"]]
    moved = Counter(topology.assign(endpoints, case["givingZones"], case["receivingZones"]))
    moved.subtract(endpoint["zone"] for endpoint in endpoints)
    assert {zone: count for zone, count in moved.items() if count} == case["expect"]


@units("TestAddHints")
def test_hinted(case: Doc) -> None:
    parts = case["input"]
    plan = Plan(parts["toCreate"] or [], parts["toUpdate"] or [], [], parts["unchanged"] or [])
    [event] = case["expect"]["events"]
    try:
        got = topology.hinted(plan, case["cpuRatiosByZone"] or {})
    except topology.Unallocatable as reason:
        assert event["type"] == "Warning"
        assert f"{reason}, addressType: IPv4" == case["actualEvents"][0]["message"]
        return
    assert event["type"] == "Normal"
    assert zones(got.standing()) == Counter(case["expect"]["endpointsByAddressType"]["IPv4"])
    for part, slices in (("toCreate", got.create), ("toUpdate", got.update)):
        unready = [[e for e in s["endpoints"] if not e["conditions"].get("ready")] for s in slices]
        assert unready == [[e for e in s["endpoints"] if not e["conditions"].get("ready")] for s in parts[part] or []]


def zones(slices: list[Doc]) -> Counter[str]:
    endpoints = [e for s in slices for e in s.get("endpoints") or []]
    return Counter(zone["name"] for e in endpoints for zone in (e.get("hints") or {}).get("forZones") or [])


@given(st.lists(st.integers(1, 64000), min_size=2, max_size=5), st.integers(0, 60), st.data())
def test_no_zone_is_overloaded(cpu: list[int], count: int, data: st.DataObject) -> None:
    """Wherever the endpoints run: either a reason, or a zone each, and at most one is missing anywhere."""
    names = [f"zone-{number}" for number in range(len(cpu))]
    shares = topology.ratios(dict(zip(names, cpu, strict=True)))
    homes = data.draw(st.lists(st.sampled_from(names), min_size=count, max_size=count))
    endpoints = [{"addresses": [str(n)], "conditions": {"ready": True}, "zone": home} for n, home in enumerate(homes)]
    try:
        got = topology.hinted(Plan(create=[{"endpoints": endpoints}]), shares)
    except topology.Unallocatable:
        return
    found = zones(got.standing())
    assert sum(found.values()) == count
    assert all(found[zone] >= one.minimum - 1 for zone, one in topology.allocate(shares, count).items())
    again = topology.hinted(Plan(unchanged=got.create), shares)
    assert (again.update, again.unchanged) == ([], got.create), "what is right stays"


def node(name: str, zone: str, cpu: str = "4") -> Doc:
    labels = {"topology.kubernetes.io/zone": zone}
    status = {"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def pod(number: int, node_name: str) -> Doc:
    status = {"podIP": f"10.0.0.{number}", "conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    return {"metadata": {"namespace": "n", "name": f"p{number}"}, "spec": {"nodeName": node_name}, "status": status}


def service(mode: str) -> Doc:
    metadata = {"namespace": "n", "name": "s", "uid": "u", "annotations": {"service.kubernetes.io/topology-mode": mode}}
    spec = {"selector": {"a": "b"}, "clusterIP": "10.96.0.1", "ports": [{"port": 80}]}
    return {"metadata": metadata, "spec": spec}


NODES = {"a": node("a", "zone-a"), "b": node("b", "zone-b")}
PODS = [pod(1, "a"), pod(2, "a"), pod(3, "a"), pod(4, "b")]


def told(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in changes if isinstance(event, Event)]


def written(changes: list[Change]) -> list[Doc]:
    return [
        change.document | {"metadata": {**change.document["metadata"], "name": "s-1"}}
        for change in changes
        if isinstance(change, Create | Update)
    ]


def test_events_tell_when_hints_come_and_go() -> None:
    zonal: set[str] = set()
    first = endpointslices.reconcile(service("Auto"), PODS, [], NODES, zonal=zonal)
    slices = written(first)
    assert told(first) == [
        ("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4")
    ]
    assert zones(slices) == {"zone-a": 2, "zone-b": 2}
    assert endpointslices.reconcile(service("Auto"), PODS, slices, NODES, zonal=zonal) == []

    one_zone = {"a": NODES["a"], "b": node("b", "zone-a")}
    lost = endpointslices.reconcile(service("Auto"), PODS, slices, one_zone, zonal=zonal)
    assert told(lost) == [
        ("Warning", "TopologyAwareHintsDisabled", f"{topology.INSUFFICIENT_NODES}, addressType: IPv4")
    ]
    assert zones(written(lost)) == {}

    again = endpointslices.reconcile(service("Auto"), PODS, written(lost), NODES, zonal=zonal)
    assert told(again) == told(first)
    off = endpointslices.reconcile(service("Disabled"), PODS, written(again), NODES, zonal=zonal)
    assert told(off) == [
        ("Warning", "TopologyAwareHintsDisabled", "Topology Aware Hints has been disabled, addressType: IPv4")
    ]
    assert zones(written(off)) == {}
    assert endpointslices.reconcile(service("Disabled"), PODS, written(off), NODES, zonal=zonal) == []


@pytest.mark.parametrize("cpu", ["", "0", "many"])
def test_a_node_without_cpu_is_insufficient(cpu: str) -> None:
    assert topology.cpu_by_zone([*NODES.values(), node("c", "zone-c", cpu)]) == {}
