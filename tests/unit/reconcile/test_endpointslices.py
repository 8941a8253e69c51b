"""Kubernetes' own tables of the EndpointSlice controller, and what they leave out."""

from collections import Counter
from typing import Any

import pytest

from portway.reconcile import backends, endpointslices, hints, slicing
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.hints import topology_mode_auto
from tests.shared import cases

Doc = dict[str, Any]

RECONCILE = cases("endpointslice_reconcile")
UNITS = cases("endpointslice_units")


def units(test: str) -> Any:
    chosen = [case for case in UNITS if case["test"] == test]
    assert chosen, f"no cases of {test}"
    return pytest.mark.parametrize("case", chosen, ids=[case["name"] for case in chosen])


def replayed(case: Doc, slices: list[Doc], zonal: set[str] | None = None) -> list[Change]:
    """What is wanted. A controller without topology cache, which ours never is, does not heed its annotations."""
    service = case["service"]
    if not case["topologyCacheEnabled"] and "TestReconcileTopology" in case["test"]:
        service = {**service, "metadata": {**service["metadata"], "annotations": {}}}
    nodes = {node["metadata"]["name"]: node for node in case["nodes"] or []}
    most = case["maxEndpointsPerSlice"]
    return endpointslices.reconcile(service, pods_of(case), slices, nodes, "2026-01-01T00:00:00Z", most, zonal)


def endpoint_shape(endpoint: Doc) -> str:
    present = {key: value for key, value in endpoint.items() if value not in (None, [], {}, "")}
    present["targetRef"] = {k: v for k, v in (endpoint.get("targetRef") or {}).items() if v and k != "resourceVersion"}
    return repr(sorted(present.items(), key=str))


def slice_shape(slice_: Doc) -> Any:
    metadata = slice_["metadata"]
    owners = [(o["kind"], o["name"], o["uid"], o["controller"]) for o in metadata.get("ownerReferences", [])]
    ports = sorted((p.get("name") or "", p["protocol"], p.get("port")) for p in slice_.get("ports") or [])
    return (
        slice_["addressType"],
        len(slice_.get("endpoints") or []),
        repr(ports),
        repr(sorted((metadata.get("labels") or {}).items())),
        repr(owners),
    )


def pods_of(case: Doc) -> list[Doc]:
    """The case's pods. Upstream counts past 1.2.3.255, and Go prints what is no address as <nil>."""
    pods = case["pods"] or []
    for status in (pod["status"] for pod in pods):
        for entry in status.get("podIPs") or []:
            if int(entry["ip"].rpartition(".")[2] or 0) > 255 if "." in entry["ip"] else False:
                entry["ip"] = status["podIP"] = "<nil>"
    return pods


def after(existing: list[Doc], changes: list[Change]) -> list[Doc]:
    left = {s["metadata"].get("name", ""): s for s in existing}
    created = []
    for change in changes:
        if isinstance(change, Create):
            created.append(change.document)
        elif isinstance(change, Update):
            left[change.document["metadata"]["name"]] = change.document
        elif isinstance(change, Delete):
            del left[change.name]
    return [*left.values(), *created]


@pytest.mark.parametrize("case", RECONCILE, ids=[case["test"] for case in RECONCILE])
def test_reconcile(case: Doc) -> None:
    changes = replayed(case, case["existingSlices"] or [])
    verbs = Counter(type(change).__name__.lower() for change in changes if not isinstance(change, Event))
    assert verbs == Counter(action["verb"] for action in case["actions"])
    got, expected = after(case["existingSlices"] or [], changes), case["resultSlices"]
    assert Counter(map(slice_shape, got)) == Counter(map(slice_shape, expected))
    found = Counter(endpoint_shape(e) for s in got for e in s.get("endpoints") or [])
    wanted = Counter(endpoint_shape(e) for s in expected for e in s.get("endpoints") or [])
    if topology_mode_auto(case["service"]["metadata"].get("annotations") or {}):  # which endpoint gives is map order
        assert zones_hinted(got) == zones_hinted(expected)
    else:
        assert found == wanted


def zones_hinted(slices: list[Doc]) -> Counter[str]:
    endpoints = [e for s in slices for e in s.get("endpoints") or []]
    return Counter(zone["name"] for e in endpoints for zone in (e.get("hints") or {}).get("forZones") or [])


@pytest.mark.parametrize("case", RECONCILE, ids=[case["test"] for case in RECONCILE])
def test_a_second_look_wants_nothing(case: Doc) -> None:
    zonal: set[str] = set()
    first = replayed(case, case["existingSlices"] or [], zonal)
    slices = [
        {**s, "metadata": {**s["metadata"], "name": s["metadata"].get("name") or f"new-{n}"}}
        for n, s in enumerate(after(case["existingSlices"] or [], first))
    ]
    again = replayed(case, slices, zonal)
    assert [c for c in again if not isinstance(c, Event)] == []
    assert all(event.type == "Warning" for event in again if isinstance(event, Event))


@units("TestPodToEndpoint")
def test_endpoint(case: Doc) -> None:
    got = backends.endpoint(case["pod"], case["node"], case["service"], case["addressType"])
    assert endpoint_shape(got) == endpoint_shape(case["expect"])


@units("TestGetEndpointPorts")
def test_endpoint_ports(case: Doc) -> None:
    assert slicing.ports_key(backends.endpoint_ports(case["pod"], case["service"])) == slicing.ports_key(case["expect"])


@units("TestFindPort")
def test_find_port(case: Doc) -> None:
    pod = {"spec": {"containers": case["containers"], "initContainers": case["initContainers"]}}
    expected = case["expect"]["port"] if case["expect"]["pass"] else None
    assert backends.find_port(pod, case["servicePort"]) == expected


@units("TestNewEndpointSlice")
def test_new_slice(case: Doc) -> None:
    got = endpointslices.new_slice(case["service"], case["addressType"], case["ports"])
    assert slice_shape(got) == slice_shape(case["expect"])
    assert got["metadata"]["generateName"] == case["expect"]["metadata"]["generateName"]


@units("TestSetEndpointSliceLabels")
def test_labels(case: Doc) -> None:
    slice_, stale = endpointslices.relabelled(case["slice"], case["service"])
    assert {"labels": slice_["metadata"]["labels"], "updated": stale} == case["expect"]


@units("TestSupportedServiceAddressType")
def test_address_types(case: Doc) -> None:
    assert sorted(backends.address_types(case["service"])) == sorted(case["expect"])


@units("Test_hintsEnabled")
def test_topology_mode_auto(case: Doc) -> None:
    assert hints.topology_mode_auto(case["annotations"] or {}) == case["expect"]


@units("TestShouldPodBeInEndpoints")
def test_belongs(case: Doc) -> None:
    assert backends.belongs(case["pod"], terminating=case["includeTerminating"]) == case["expect"]


@units("TestShouldSetHostname")
def test_hostname(case: Doc) -> None:
    assert bool(backends.hostname(case["pod"], case["service"])) == case["expect"]


@units("Test_podChanged")
def test_pod_changes(case: Doc) -> None:
    assert backends.shows_in_endpoints(case["old"], case["new"]) == case["expect"]["podChanged"]


@units("TestEndpointsEqualBeyondHash")
def test_same_beyond_key(case: Doc) -> None:
    assert slicing.same_beyond_key(case["ep1"], case["ep2"]) == case["expect"]


@units("TestReconcileHints")
def test_hints(case: Doc) -> None:
    service = {"metadata": {}, "spec": {"trafficDistribution": case["trafficDistribution"]}}
    distribution = hints.distribution_of(service)
    for part in ("toCreate", "toUpdate"):
        pairs = list(zip(case["input"][part] or [], case["expect"][part] or [], strict=False))
        for given, expected in pairs:
            assert hints.hinted(given["endpoints"], distribution) == expected["endpoints"]
    moved = (case["expect"]["toUpdate"] or [])[len(case["input"]["toUpdate"] or []) :]
    got = [hints.hinted(s["endpoints"], distribution) for s in case["input"]["unchanged"] or []]
    written = [g for g, s in zip(got, case["input"]["unchanged"] or [], strict=True) if g != s["endpoints"]]
    assert written == [s["endpoints"] for s in moved]
