"""Endpoint choice and slots: Kubernetes' CategorizeEndpoints table, and the laws of slots."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.forwarding.endpoints import Candidate, Place, candidates, choose, in_slots
from portway.model import Backend, Endpoint
from portway.testing.builders import endpoint, endpoint_slice
from tests.shared import cases


def _candidate(raw: dict[str, Any], here: str) -> Candidate:
    found = Endpoint(
        raw["ip"],
        here if raw["isLocal"] else "elsewhere",
        ready=raw["ready"],
        serving=raw["serving"],
        terminating=raw["terminating"],
        zone_hints=tuple(raw["zoneHints"] or ()),
        node_hints=tuple(raw["nodeHints"] or ()),
    )
    return found, Backend(raw["ip"], raw["port"])


def _texts(backends: tuple[Backend, ...]) -> set[str]:
    return {str(b) for b in backends}


CATEGORIZE = [
    pytest.param(case, id=f"{number}:{case['name']}")
    for number, case in enumerate(cases("categorize_endpoints"), 1)
    # Before 1.35 node hints were behind a gate; here they always count.
    if case["gates"]["PreferSameTrafficDistribution"] or not any(e["nodeHints"] for e in case["endpoints"] or ())
]


@pytest.mark.parametrize("case", CATEGORIZE)
def test_categorize_endpoints(case: dict[str, Any]) -> None:
    here = case["nodeName"] or "here"
    zone = (case["topologyLabels"] or {}).get("topology.kubernetes.io/zone", "")
    uses = case["service"]
    known = [_candidate(raw, here) for raw in case["endpoints"] or ()]
    found = choose(known, uses["usesClusterEndpoints"], uses["usesLocalEndpoints"], Place(here, zone))
    expected = case["actual"]
    assert _texts(found.cluster) == set(expected["clusterEndpoints"] or ())
    assert _texts(found.local) == set(expected["localEndpoints"] or ())
    assert _texts(found.cluster + found.local) == set(expected["allEndpoints"] or ())
    assert found.has_endpoints == expected["hasAnyEndpoints"]


def test_each_policy_falls_back_to_terminating_on_its_own() -> None:
    piece = endpoint_slice("web", endpoint("10.244.1.2", terminating=True), "10.244.2.2@node-2")
    found = choose(candidates([piece], "IPv4", "", "TCP"), True, True, Place("node-1"))
    assert (_texts(found.cluster), found.cluster_terminating) == ({"10.244.2.2:80"}, False)
    assert (_texts(found.local), found.local_terminating) == ({"10.244.1.2:80"}, True)


def test_the_same_port_name_may_have_another_number_in_each_slice() -> None:
    pieces = [
        endpoint_slice("web", "10.244.1.2", name="web-1", port_name="http", port=8080),
        endpoint_slice("web", "10.244.1.3", name="web-2", port_name="http", port=9090),
        endpoint_slice("web", "10.244.1.4", name="web-3", port_name="metrics", port=9100),
    ]
    assert {str(b) for _, b in candidates(pieces, "IPv4", "http", "TCP")} == {"10.244.1.2:8080", "10.244.1.3:9090"}


@pytest.mark.parametrize("order", [("leaving", "staying"), ("staying", "leaving")])
def test_of_an_endpoint_in_two_slices_the_one_that_stays_counts(order: tuple[str, str]) -> None:
    pieces = {
        "leaving": endpoint_slice("web", endpoint("10.244.1.2", terminating=True), name="web-1"),
        "staying": endpoint_slice("web", "10.244.1.2@node-2", name="web-2"),
    }
    [(found, backend)] = candidates([pieces[name] for name in order], "IPv4", "", "TCP")
    assert (found.terminating, backend.node_name) == (False, "node-2")


def test_no_node_name_is_on_no_node() -> None:
    found = choose(
        candidates([endpoint_slice("web", endpoint("10.1.1.1", ""))], "IPv4", "", "TCP"), True, True, Place("")
    )
    assert (_texts(found.cluster), found.local) == ({"10.1.1.1:80"}, ())


def test_first_order_is_the_string_sort() -> None:
    backends = tuple(Backend(address, 80) for address in ("10.0.0.2", "10.0.0.1", "10.0.0.11", "10.0.0.10"))
    order = [str(b) for b in in_slots((), backends)]
    assert order == ["10.0.0.10:80", "10.0.0.11:80", "10.0.0.1:80", "10.0.0.2:80"]


def _numbered(numbers: list[int]) -> tuple[Backend, ...]:
    return tuple(Backend(f"10.0.0.{n}", 80) for n in numbers)


_members = st.lists(st.integers(1, 30), unique=True, max_size=12).map(_numbered)


@given(previous=_members, wanted=_members)
def test_slots_hold_exactly_what_is_wanted_and_move_no_more_than_they_must(
    previous: tuple[Backend, ...], wanted: tuple[Backend, ...]
) -> None:
    slots = in_slots(previous, wanted)
    assert sorted(slots) == sorted(wanted)
    staying = set(previous) & set(wanted)
    moved = sum(1 for slot, backend in enumerate(previous) if backend in staying and slots.index(backend) != slot)
    assert moved <= max(0, len(previous) - len(wanted))


@given(previous=_members, data=st.data())
def test_one_endpoint_more_or_less_moves_at_most_one_other(previous: tuple[Backend, ...], data: st.DataObject) -> None:
    one = data.draw(_members.filter(bool))[0]
    more = one not in previous
    wanted = (*previous, one) if more else tuple(b for b in previous if b != one)
    slots = in_slots(previous, wanted)
    changed = [slot for slot, (a, b) in enumerate(zip(previous, slots, strict=False)) if a != b]
    assert len(changed) <= (0 if more and previous else 1)


def test_a_backend_that_learns_its_pod_s_name_keeps_its_slot() -> None:
    previous = (Backend("10.0.0.2", 80), Backend("10.0.0.1", 80))
    renamed = (Backend("10.0.0.1", 80), Backend("10.0.0.2", 80, "node-1", "web-0"))
    assert in_slots(previous, renamed) == (renamed[1], renamed[0])
