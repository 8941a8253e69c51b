"""Defaulting, reading, normalising and dropping: Kubernetes' tables, replayed on whole documents."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import service
from portway.kubeapi.errors import Doc
from portway.kubeapi.service.defaulting import default_on_read
from portway.kubeapi.service.normalize import (
    drop_type_dependent_fields,
    normalize_cluster_ips,
    patch_allocated_values,
)
from tests.unit.kubeapi.replay import table


@pytest.mark.parametrize("case", table("service_defaults"))
def test_defaults(case: Doc) -> None:
    service.default(case["input"])
    assert case["input"] == case["result"]


@pytest.mark.parametrize("case", table("service_default_on_read"))
def test_default_on_read(case: Doc) -> None:
    documents = zip(*(case[side].get("items", [case[side]]) for side in ("input", "result")), strict=True)
    for document, result in documents:
        default_on_read(document, case["clusterFamilies"])
        assert document == result


@pytest.mark.parametrize("case", table("service_normalize_clusterips"))
def test_normalize_cluster_ips(case: Doc) -> None:
    normalize_cluster_ips(case["new"], case["old"])
    linked = {field: case["new"]["spec"].get(field) for field in ("clusterIP", "clusterIPs")}
    assert linked == {"clusterIP": None, "clusterIPs": None} | {k: v or None for k, v in case["expect"].items()}


@pytest.mark.parametrize("case", table("service_patch_allocated"))
def test_patch_allocated_values(case: Doc) -> None:
    patch_allocated_values(case["update"], case["before"])
    assert case["update"] == case["result"]


@pytest.mark.parametrize("case", table("service_drop_type_dependent"))
def test_drop_type_dependent_fields(case: Doc) -> None:
    drop_type_dependent_fields(case["new"], case["old"])
    assert case["new"] == case["result"]


@pytest.mark.parametrize("case", table("service_warnings"))
def test_warnings(case: Doc) -> None:
    assert service.warnings(case["new"], case["old"]) == case["warnings"]


PORTS = st.fixed_dictionaries(
    {"port": st.integers(1, 65535)},
    optional={
        "name": st.sampled_from(["http", "dns"]),
        "protocol": st.sampled_from(["", "TCP", "UDP"]),
        "targetPort": st.one_of(st.integers(0, 9), st.sampled_from(["", "web"])),
        "nodePort": st.sampled_from([0, 30000, 30100]),
    },
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Odd"]),
        "ports": st.lists(PORTS, max_size=3),
        "clusterIP": st.sampled_from(["", "None", "10.0.0.1"]),
        "externalIPs": st.just(["1.2.3.4"]),
        "sessionAffinity": st.sampled_from(["", "None", "ClientIP"]),
        "sessionAffinityConfig": st.sampled_from([{}, {"clientIP": {}}, {"clientIP": {"timeoutSeconds": 5}}]),
        "selector": st.just({"app": "web"}),
    },
)


@given(SPECS)
def test_defaulting_and_reading_twice_change_nothing_more(spec: dict[str, Any]) -> None:
    document: Doc = {"spec": copy.deepcopy(spec)}
    service.default(document)
    default_on_read(document, ("IPv4", "IPv6"))
    once = copy.deepcopy(document)
    service.default(document)
    default_on_read(document, ("IPv4", "IPv6"))
    assert document == once


@given(SPECS, SPECS)
def test_an_update_never_changes_the_old_document_or_shares_with_it(new: dict[str, Any], old: dict[str, Any]) -> None:
    fresh, stored = {"spec": copy.deepcopy(new)}, {"spec": copy.deepcopy(old)}
    patch_allocated_values(fresh, stored)
    normalize_cluster_ips(fresh, stored)
    drop_type_dependent_fields(fresh, stored)
    assert stored["spec"] == old
    fresh["spec"].get("clusterIPs", []).append("marker")
    assert stored["spec"] == old
