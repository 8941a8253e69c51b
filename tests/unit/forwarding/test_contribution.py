"""What one Service adds: Kubernetes' tables of the proxy's Service and endpoints maps, source ranges, health checks."""

from typing import Any

import pytest

from portway.forwarding import Inputs, compute
from portway.forwarding.contribution import is_proxied
from portway.forwarding.endpoints import candidates
from portway.forwarding.frontend import Contribution, Frontend
from portway.kubeapi import decode
from portway.model import Family, ProxyConfig, Service
from portway.testing.builders import endpoint, endpoint_slice, proxy_config, service, snapshot
from tests.shared import cases

NO_NODE = ProxyConfig("test-hostname")


def contribution_of(*objects: Any, config: ProxyConfig = NO_NODE) -> Contribution:
    (found,) = compute(snapshot(*objects), config).contributions.values()
    return found


def _info(frontends: list[Frontend]) -> dict[str, Any]:
    """A ServicePort of the table in the words of kube-proxy's own."""

    def one(kind: str) -> list[Frontend]:
        return [f for f in frontends if f.kind == kind]

    inside = one("clusterIP")[0]
    outside = [f for f in frontends if f.kind != "clusterIP"]
    return {
        "clusterIP": inside.address,
        "port": inside.port,
        "protocol": inside.protocol,
        "nodePort": next((f.port for f in one("nodePort")), 0),
        "externalIPs": sorted(f.address for f in one("externalIP") + one("loadBalancerIP")),
        "loadBalancerVIPs": sorted(f.address for f in one("loadBalancerIP")),
        "loadBalancerSourceRanges": sorted({r for f in outside for r in f.source_ranges}),
        "externalPolicyLocal": any(f.local_policy for f in outside),
        "internalPolicyLocal": inside.local_policy,
        "stickyMaxAgeSeconds": inside.target.session_affinity_seconds,
    }


SERVICE_MAP = [pytest.param(case, id=case["name"]) for case in cases("proxy_service_map")]


@pytest.mark.parametrize("case", SERVICE_MAP)
def test_service_map(case: dict[str, Any]) -> None:
    found = decode.service(case["service"] or {})
    table = compute(snapshot(found), NO_NODE)
    ours: dict[tuple[str, ...], list[Frontend]] = {}
    for contribution in table.contributions.values():
        for f in contribution.frontends:
            name = f.target.name
            if f.family == case["ipFamily"]:
                ours.setdefault((name.namespace, name.name, name.port, name.protocol), []).append(f)
    wanted = {
        tuple(row["key"][part] for part in ("namespace", "name", "port", "protocol")): row["info"]
        for row in case["result"]
    }
    assert set(ours) == set(wanted)
    for key, info in wanted.items():
        # A load-balancer IP that is an externalIP too is one frontend here.
        external = sorted({*info["externalIPs"], *info["loadBalancerVIPs"]})
        ranges = info["loadBalancerSourceRanges"] if info["loadBalancerVIPs"] else []
        expected = info | {"externalIPs": external, "loadBalancerSourceRanges": ranges}
        assert found.health_check_node_port == expected.pop("healthCheckNodePort")
        expected.pop("sessionAffinityType")
        assert _info(ours[key]) == expected


UTIL = cases("proxy_util")


@pytest.mark.parametrize("case", [c for c in UTIL if c["test"] == "TestShouldSkipService"], ids=lambda c: c["name"])
def test_should_skip_service(case: dict[str, Any]) -> None:
    assert is_proxied(decode.service(case["service"])) is not case["expect"]


BY_FAMILY = [c for c in UTIL if c["test"] == "TestGetClusterIPByFamily"]


@pytest.mark.parametrize("case", BY_FAMILY, ids=lambda c: c["name"])
def test_cluster_ip_by_family(case: dict[str, Any]) -> None:
    document = case["service"]
    document["spec"]["ports"] = [{"port": 80}]
    (found,) = compute(snapshot(decode.service(document)), NO_NODE).contributions.values()
    ours = [f.address for f in found.frontends if f.family == case["family"]]
    assert ours == ([case["expect"]] if case["expect"] else [])


ENDPOINTS_MAP = [pytest.param(case, id=f"{case['test']}:{case['name']}") for case in cases("proxy_endpoints_map")]


@pytest.mark.parametrize("case", ENDPOINTS_MAP)
def test_endpoints_map(case: dict[str, Any]) -> None:
    inputs = Inputs(case["nodeName"])
    for before, after in ("previousSlices", "mapBefore"), ("currentSlices", "mapAfter"):
        changed = _put(inputs, case.get(before) or ())
        if after in case:
            assert _endpoints(inputs, case) == {_key(row): _rows(row) for row in case[after] or ()}
    if "localReadyEndpoints" in case:
        assert _local_ready(inputs, case["nodeName"]) == case["localReadyEndpoints"]
    if "updatedServices" in case:
        assert {"/".join(key) for key in changed} == set(case["updatedServices"])


def _put(inputs: Inputs, documents: Any) -> frozenset[tuple[str, str]]:
    """Brings the inputs to these slices; those that were there and are not any more go."""
    pieces = [decode.endpoint_slice(document) for document in documents if document]
    for key in set(inputs.snapshot.slices) - {(p.namespace, p.name) for p in pieces}:
        inputs.put_slice(key, None)
    for piece in pieces:
        inputs.put_slice((piece.namespace, piece.name), piece)
    return inputs.taken()


Row = tuple[str, bool, bool, bool, bool]


def _endpoints(inputs: Inputs, case: dict[str, Any]) -> dict[tuple[str, ...], list[Row]]:
    family: Family = case.get("ipFamily", "IPv4")
    here = case["nodeName"]
    found: dict[tuple[str, ...], list[Row]] = {}
    for key, pieces in inputs.slices_of.items():
        for name, protocol in {(p.name, p.protocol) for piece in pieces.values() for p in piece.ports}:
            rows = [
                (str(backend), bool(here) and one.node_name == here, one.ready, one.serving, one.terminating)
                for one, backend in candidates(pieces.values(), family, name, protocol)
            ]
            if rows:
                found[(*key, name, protocol)] = sorted(rows)
    return found


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row["key"][part] for part in ("namespace", "name", "port", "protocol"))


def _rows(row: dict[str, Any]) -> list[Row]:
    parts = ("endpoint", "isLocal", "ready", "serving", "terminating")
    return sorted(tuple(e[part] for part in parts) for e in row["endpoints"])


def _local_ready(inputs: Inputs, node_name: str) -> dict[str, int]:
    found = {}
    for namespace, name in inputs.slices_of:
        probed = service(name, namespace=namespace, health_check_node_port=31000)
        inputs.put_service((namespace, name), probed)
    table = compute(inputs.snapshot, ProxyConfig(node_name), inputs.slices_of)
    for key, check in table.health_checks.items():
        if check.local_endpoints:
            found["/".join(key)] = check.local_endpoints
    return found


# ---------------------------------------------------------------- source ranges (5.4)


def balanced(*ranges: str, **fields: Any) -> Service:
    return service(load_balancer_ips=("192.0.2.1", "192.0.2.2"), load_balancer_source_ranges=ranges, **fields)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ((), ()),
        (("203.0.113.0/25",), ("203.0.113.0/25",)),
        (("203.0.113.0/25", "2001:db8::/32"), ("203.0.113.0/25",)),
        (("2001:db8::/32",), ()),
        (("203.0.113.0/25", "0.0.0.0/0"), ()),
        (("203.0.113.0/25", "::/0"), ("203.0.113.0/25",)),
        (("172.18.0.0/24",), ("172.18.0.0/24", "192.0.2.1/32", "192.0.2.2/32")),
        (("172.19.0.0/24",), ("172.19.0.0/24",)),
    ],
)
def test_source_ranges(ranges: tuple[str, ...], expected: tuple[str, ...]) -> None:
    config = proxy_config("node-1", "127.0.0.1", "172.18.0.11", "172.19.0.11")
    found = contribution_of(balanced(*ranges, node_port=30080), config=config)
    of = {f.kind: f.source_ranges for f in found.frontends}
    assert of == {"clusterIP": (), "loadBalancerIP": expected, "nodePort": ()}


def test_an_external_ip_that_is_a_load_balancer_ip_too_is_one_frontend() -> None:
    both = service(external_ips=("192.0.2.1", "192.0.2.9"), load_balancer_ips=("192.0.2.1",))
    kinds = [(f.kind, f.address) for f in contribution_of(both).frontends]
    assert kinds == [("clusterIP", "10.96.0.10"), ("externalIP", "192.0.2.9"), ("loadBalancerIP", "192.0.2.1")]


# ---------------------------------------------------------------- health checks (5.8)


def test_health_checks_count_distinct_ready_addresses_of_this_node() -> None:
    found = contribution_of(
        service(cluster_ip=("10.96.0.1", "fd00:96::1"), health_check_node_port=31000),
        endpoint_slice("web", "10.244.1.2@node-1", "10.244.2.2@node-2", endpoint("10.244.1.3", terminating=True)),
        endpoint_slice("web", "10.244.1.2@node-1", "10.244.1.4@node-1", name="web-2", port_name="other", port=81),
        endpoint_slice("web", "fd00:244:1::2@node-1", name="web-3"),
        config=proxy_config("node-1"),
    )
    assert found.health_check is not None
    assert (found.health_check.node_port, found.health_check.ipv4, found.health_check.ipv6) == (31000, 2, 1)
    assert found.health_check.local_endpoints == 2


def test_only_services_with_a_health_check_port_have_one() -> None:
    assert contribution_of(service()).health_check is None


# ---------------------------------------------------------------- what is shared


def test_all_frontends_of_a_port_share_one_target_and_policies_share_backends() -> None:
    shared = service(node_port=30080, external_ips=("192.0.2.1",), external_traffic_policy="Local")
    found = contribution_of(shared, endpoint_slice("web", "10.244.1.2", "10.244.2.2@node-2"), config=proxy_config())
    targets = {id(f.target) for f in found.frontends}
    assert (len(found.frontends), len(targets)) == (3, 1)
    target = found.frontends[0].target
    assert target.local[0] is target.cluster[0]


def test_dual_stack_has_a_target_for_each_family() -> None:
    dual = service(cluster_ip=("fd00:96::1", "10.96.0.1"), node_port=30080)
    slices = endpoint_slice("web", "10.244.1.2"), endpoint_slice("web", "fd00:244:1::2", name="web-2")
    found = contribution_of(dual, *slices)
    assert [(f.kind, f.family, f.address, str(f.backends[0])) for f in found.frontends] == [
        ("clusterIP", "IPv4", "10.96.0.1", "10.244.1.2:80"),
        ("nodePort", "IPv4", "", "10.244.1.2:80"),
        ("clusterIP", "IPv6", "fd00:96::1", "[fd00:244:1::2]:80"),
        ("nodePort", "IPv6", "", "[fd00:244:1::2]:80"),
    ]
    assert found.cluster_ips == ("10.96.0.1", "fd00:96::1")
