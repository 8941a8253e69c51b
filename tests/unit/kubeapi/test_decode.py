"""Documents become model values as kube-proxy reads them (section 5.1)."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import decode
from portway.kubeapi.shares import share_labels
from portway.model import EndpointSlice, Service, ServicePort, Share
from portway.testing.builders import service_document, slice_document
from tests.flows import strategies


def service(**spec: Any) -> Service:
    spec = {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]} | spec
    return decode.service({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})


def endpoint_slice(*endpoints: Any, **fields: Any) -> EndpointSlice:
    labels = {"kubernetes.io/service-name": "web"} | fields.pop("labels", {})
    document = {"metadata": {"name": "web-1", "namespace": "shop", "labels": labels}, "addressType": "IPv4"}
    return decode.endpoint_slice(document | {"ports": [{"name": "", "port": 8080}], "endpoints": endpoints} | fields)


def test_the_least_service() -> None:
    found = service()
    assert found == Service("shop", "web", ports=(ServicePort("", "TCP", 80, 80),), cluster_ips=("10.96.0.10",))
    assert decode.service({}) == Service("", "")


@pytest.mark.parametrize(
    ("given_spec", "field", "expected"),
    [
        ({"clusterIP": "None"}, "headless", True),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "cluster_ips", ()),
        ({"clusterIP": ""}, "cluster_ips", ()),
        ({"type": "ExternalName"}, "cluster_ips", ()),
        ({"clusterIPs": ["10.96.0.10", "FD00:96::0A"]}, "cluster_ips", ("10.96.0.10", "fd00:96::a")),
        ({"externalIPs": ["1.2.3.4", "nonsense", "1.2.3.04"]}, "external_ips", ("1.2.3.4",)),
        (
            {"loadBalancerSourceRanges": [" 10.0.0.1/8 ", "nonsense", "2001:DB8::/32", "1.2.3.4", "1.2.3.4/33"]},
            "load_balancer_source_ranges",
            ("10.0.0.0/8", "2001:db8::/32"),
        ),
        ({"internalTrafficPolicy": "Local"}, "internal_traffic_policy", "Local"),
        ({"type": "NodePort", "externalTrafficPolicy": "Local"}, "external_traffic_policy", "Local"),
        ({"type": "ClusterIP", "externalTrafficPolicy": "Local"}, "external_traffic_policy", "Cluster"),
        (
            {"type": "ClusterIP", "externalIPs": ["1.2.3.4"], "externalTrafficPolicy": "Local"},
            "external_traffic_policy",
            "Local",
        ),
        ({"sessionAffinity": "ClientIP"}, "session_affinity_seconds", 10800),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
            "session_affinity_seconds",
            5,
        ),
        ({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, "session_affinity_seconds", 0),
        (
            {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000},
            "health_check_node_port",
            31000,
        ),
        ({"type": "LoadBalancer", "healthCheckNodePort": 31000}, "health_check_node_port", 0),
        (
            {"type": "NodePort", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000},
            "health_check_node_port",
            0,
        ),
        ({"ports": None}, "ports", ()),
        ({"ports": [{"port": 0}, {"port": 70000}, {"port": 1, "protocol": "ICMP"}]}, "ports", ()),
        (
            {"ports": [{"port": 53, "protocol": "UDP", "name": "dns", "targetPort": "dns", "nodePort": 30053}]},
            "ports",
            (ServicePort("dns", "UDP", 53, "dns", 30053),),
        ),
        ({"selector": {"b": "2", "a": "1"}}, "selector", (("a", "1"), ("b", "2"))),
    ],
)
def test_service_field(given_spec: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(service(**given_spec), field) == expected


def test_another_proxy_s_service_is_left_alone() -> None:
    labels = {"service.kubernetes.io/service-proxy-name": ""}
    assert not decode.service({"metadata": {"labels": labels}, "spec": {"clusterIP": "10.96.0.1"}}).proxied


def test_load_balancer_ips_are_vips() -> None:
    ingress = [
        {"ip": "1.2.3.4"},
        {"ip": "1.2.3.5", "ipMode": "VIP"},
        {"ip": "1.2.3.6", "ipMode": "Proxy"},
        {"hostname": "lb.example"},
        {"ip": "2001:DB8::1"},
    ]
    found = decode.service({"status": {"loadBalancer": {"ingress": ingress}}})
    assert found.load_balancer_ips == ("1.2.3.4", "1.2.3.5", "2001:db8::1")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, (True, True, False)),
        ({}, (True, True, False)),
        ({"ready": None, "serving": None, "terminating": None}, (True, True, False)),
        ({"ready": False}, (False, True, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
        ({"serving": False}, (True, False, False)),
    ],
)
def test_conditions_have_the_api_s_nil_defaults(conditions: Any, expected: tuple[bool, bool, bool]) -> None:
    (found,) = endpoint_slice({"addresses": ["10.244.0.2"], "conditions": conditions}).endpoints
    assert (found.ready, found.serving, found.terminating) == expected


def test_only_the_first_address_counts_and_bad_ones_are_left_out() -> None:
    addresses: list[list[str] | None] = [["10.244.0.2", "10.244.0.3"], ["010.244.000.4"], [], ["x"], ["fd00::1"], None]
    found = endpoint_slice(*({"addresses": each} for each in addresses))
    assert [e.address for e in found.endpoints] == ["10.244.0.2", "10.244.0.4"]


def test_ports_without_a_number_are_left_out() -> None:
    found = endpoint_slice(ports=[{"name": "a"}, {"name": "b", "port": 0}, {"name": "c", "port": None}, {"port": 1}])
    assert [(p.name, p.protocol, p.port) for p in found.ports] == [("", "TCP", 1)]


def test_what_hints_and_references_say() -> None:
    hints = {"forZones": [{"name": "zone-a"}], "forNodes": [{"name": "node-1"}]}
    reference = {"kind": "Pod", "name": "web-0"}
    raw = {"addresses": ["10.1.1.1"], "nodeName": "node-1", "zone": "zone-a", "hints": hints, "targetRef": reference}
    (found,) = endpoint_slice(raw).endpoints
    assert (found.node_name, found.zone, found.target) == ("node-1", "zone-a", "web-0")
    assert (found.zone_hints, found.node_hints) == (("zone-a",), ("node-1",))


@pytest.mark.parametrize(
    "fields", [{"labels": {"service.kubernetes.io/headless": ""}}, {"addressType": "FQDN"}, {"addressType": None}]
)
def test_slices_that_no_proxy_uses(fields: dict[str, Any]) -> None:
    assert not endpoint_slice({"addresses": ["10.1.1.1"]}, **fields).proxied


@pytest.mark.parametrize(
    ("changed", "share"),
    [
        ({}, Share("a", 9)),
        ({"portway.dev/weight": "0"}, Share("a", 0)),
        ({"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}, None),
        ({"endpointslice.kubernetes.io/managed-by": None}, None),
        ({"portway.dev/backend": ""}, None),
        ({"portway.dev/weight": "-1"}, None),
        ({"portway.dev/weight": "²"}, None),
        ({"portway.dev/weight": None}, None),
    ],
)
def test_shares_are_believed_of_the_doors_controller_alone(changed: dict[str, Any], share: Share | None) -> None:
    assert endpoint_slice(labels=share_labels("a", 9) | changed).share == share


def test_node() -> None:
    addresses = [
        {"type": "Hostname", "address": "node-1"},
        {"type": "ExternalIP", "address": "203.0.113.1"},
        {"type": "InternalIP", "address": "172.18.0.11"},
        {"type": "InternalIP", "address": "FD00:18::11"},
    ]
    document = {
        "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "zone-a"}},
        "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"]},
        "status": {"addresses": addresses},
    }
    found = decode.node(document)
    assert found == decode.node_from_json(json.dumps(document).encode())
    assert found.addresses == ("172.18.0.11", "fd00:18::11", "203.0.113.1")
    assert found.pod_cidrs == ("10.244.1.0/24", "fd00:244:1::/64")
    assert (found.name, found.zone) == ("node-1", "zone-a")
    assert decode.node({"spec": {"podCIDR": "10.244.1.0/24"}}).pod_cidrs == ("10.244.1.0/24",)


def test_service_cidrs() -> None:
    document = {"kind": "ServiceCIDR", "spec": {"cidrs": ["10.96.0.0/16", "bad", "fd00:96::/112"]}}
    assert decode.service_cidrs(document) == ("10.96.0.0/16", "fd00:96::/112")
    assert decode.service_cidrs_from_json(json.dumps(document).encode()) == ("10.96.0.0/16", "fd00:96::/112")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "document: Input data was truncated"),
        (b"[]", "document: Expected object, got array"),
        (b'{"spec": "\xff"}', "spec: Expected object | null, got str"),
        (b'{"spec": {"clusterIP": "\xff"}}', "invalid start byte"),
        (b'{"spec": {"ports": [{"port": "80"}]}}', "spec.ports[0].port: Expected int | null, got str"),
    ],
)
def test_what_is_no_service_names_the_field(raw: bytes, message: str) -> None:
    with pytest.raises(decode.Undecodable, match=re.escape(message)):
        decode.service_from_json(raw)


@given(strategies.services(1))
def test_a_service_survives_the_way_through_its_document(value: Service) -> None:
    document = service_document(value)
    found = decode.service(document)
    assert found == decode.service_from_json(json.dumps(document).encode())
    assert decode.service(service_document(found)) == found
    if value.type != "ExternalName":
        assert (found.ports, found.cluster_ips, found.external_ips) == (
            value.ports,
            value.cluster_ips,
            value.external_ips,
        )
        assert found.load_balancer_source_ranges == value.load_balancer_source_ranges


@given(strategies.slices(1))
def test_a_slice_survives_the_way_through_its_document(value: EndpointSlice) -> None:
    document = slice_document(value)
    assert decode.endpoint_slice(document) == value
    assert decode.endpoint_slice_from_json(json.dumps(document).encode()) == value


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.ip_addresses().map(str)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)
_SPEC_FIELDS = ("ports", "clusterIP", "clusterIPs", "externalIPs", "loadBalancerSourceRanges", "sessionAffinityConfig")


@given(spec=st.dictionaries(st.sampled_from(_SPEC_FIELDS), _json), status=_json)
def test_any_document_decodes_or_says_why_not(spec: Any, status: Any) -> None:
    try:
        assert decode.service({"spec": spec, "status": status}).namespace == ""
    except decode.Undecodable as error:
        assert str(error).startswith(("spec", "status"))
