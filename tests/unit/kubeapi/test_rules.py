"""Rules that the replayed tables say little about, row by row: a change to a valid document and what is said of it."""

from typing import Any

import pytest

from portway.kubeapi import endpointslice, ingress, ingressclass, networkpolicy, service, servicecidr
from portway.kubeapi.errors import Doc, FieldError

Row = tuple[Doc, list[str]]
SERVICE: Doc = {
    "type": "ClusterIP",
    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    "clusterIP": "10.96.0.1",
    "clusterIPs": ["10.96.0.1"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
}
BALANCER = SERVICE | {
    "type": "LoadBalancer",
    "externalTrafficPolicy": "Cluster",
    "allocateLoadBalancerNodePorts": True,
}


def texts(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]


def spec_of(base: Doc, changes: Doc) -> Doc:
    """The base with changes; None takes a field away."""
    return {"spec": {field: value for field, value in (base | changes).items() if value is not None}}


AFFINITY = "spec.sessionAffinityConfig"
WHEN = "Required value: when session affinity type is ClientIP"
SERVICES: list[Row] = [
    ({}, []),
    ({"clusterIPs": None}, ["spec.clusterIPs: Required value"]),
    ({"ipFamilyPolicy": "Odd"}, [
        'spec.ipFamilyPolicy: Unsupported value: "Odd": '
        'supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ]),
    ({"sessionAffinity": "Cookie"}, [
        'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
    ]),
    ({"sessionAffinity": "ClientIP"}, [f"{AFFINITY}: {WHEN}"]),
    ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {}}, [f"{AFFINITY}.clientIP: {WHEN}"]),
    ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {}}}, [
        f"{AFFINITY}.clientIP.timeoutSeconds: {WHEN}",
    ]),
    ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}}}, []),
    ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}}, [
        f"{AFFINITY}.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
    ]),
    ({"type": "Odd"}, [
        'spec.type: Unsupported value: "Odd": '
        'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ]),
    ({"ports": [{"port": 80, "protocol": "TCP", "targetPort": "80"}]}, [
        'spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)',
    ]),
    ({"internalTrafficPolicy": "Odd"}, [
        'spec.internalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"',
    ]),
    ({"trafficDistribution": "Odd"}, [
        'spec.trafficDistribution: Unsupported value: "Odd": '
        'supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ]),
    ({"allocateLoadBalancerNodePorts": False}, [
        "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ]),
    ({"externalTrafficPolicy": "Cluster", "externalIPs": ["1.2.3.4"]}, []),
    ({"externalTrafficPolicy": "Cluster", "externalIPs": ["169.254.0.1"]}, [
        'spec.externalIPs[0]: Invalid value: "169.254.0.1": '
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), SERVICES)
def test_services(changes: Doc, expected: list[str]) -> None:
    assert texts(service.validate(spec_of(SERVICE, changes), None)) == expected


CHANGES: list[tuple[Doc, Doc, list[str]]] = [
    ({"clusterIP": None, "clusterIPs": None, "ipFamilies": None}, {}, [
        "spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset",
        "spec.ipFamilies[0]: Invalid value: null: primary ipFamily can not be unset",
    ]),
    ({"clusterIP": "None", "clusterIPs": ["None"]}, {}, [
        'spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set',
    ]),
    ({"ipFamilies": ["IPv6"]}, {"clusterIP": "None", "clusterIPs": ["None"]}, [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.1"]: may not change once set',
        'spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ]),
    ({"externalIPs": ["1.2.3.04"], "externalTrafficPolicy": "Cluster"}, {"externalIPs": ["1.2.3.04"]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "before", "expected"), CHANGES)
def test_changes_of_services(changes: Doc, before: Doc, expected: list[str]) -> None:
    assert texts(service.validate(spec_of(SERVICE, changes), spec_of(SERVICE, before))) == expected


def test_a_load_balancer_class_is_checked_twice_and_stays() -> None:
    old, new = (spec_of(BALANCER, {"loadBalancerClass": name}) for name in ("example.com/a", "b c"))
    first, second, third = texts(service.validate(new, old))
    assert first == 'spec.loadBalancerClass: Invalid value: "b c": may not change once set'
    assert second == third
    assert second.startswith('spec.loadBalancerClass: Invalid value: "b c": name part must consist of')


def test_topology_annotations_must_agree() -> None:
    mode, hints = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
    document = spec_of(SERVICE, {}) | {"metadata": {"annotations": {mode: "Auto", hints: "Disabled"}}}
    assert texts(service.validate(document, None)) == [
        f'metadata.annotations[{mode}]: Invalid value: "Auto": must match annotations[{hints}] when both are specified'
    ]
    assert service.warnings(document, None) == [f"annotation {hints} is deprecated, please use {mode} instead"]


INGRESSES: list[Row] = [
    ({"ip": "1.2.3.4", "ipMode": "VIP"}, []),
    ({"hostname": "lb.example.com"}, []),
    ({"hostname": "lb.example.com", "ipMode": "VIP"}, [
        "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
    ]),
    ({"hostname": "1.2.3.4"}, [
        'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), INGRESSES)
def test_load_balancer_status(item: Doc, expected: list[str]) -> None:
    old = spec_of(BALANCER, {})
    document = old | {"status": {"loadBalancer": {"ingress": [item]}}}
    assert texts(service.validate_status(document, old)) == expected


SLICE: Doc = {
    "addressType": "IPv4",
    "ports": [{"name": "", "protocol": "TCP", "port": 80}],
    "endpoints": [{"addresses": ["10.0.0.1"]}],
}
TWO = [{"name": "a", "protocol": "TCP"}, {"name": "a", "protocol": "UDP"}]
SLICES: list[Row] = [
    ({}, []),
    ({"ports": TWO}, ['ports[1].name: Duplicate value: "a"']),
    ({"ports": [{"protocol": "TCP", "name": f"p{i}"} for i in range(20001)]}, [
        "ports: Too many: 20001: must have at most 20000 items",
    ]),
    ({"endpoints": [{"addresses": ["fd00::1"]}]}, [
        'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
    ]),
    ({"addressType": "FQDN", "endpoints": [{"addresses": ["", "com.", "db.example.com."]}]}, [
        "endpoints[0].addresses[0]: Required value",
        'endpoints[0].addresses[1]: Invalid value: "com": '
        "should be a domain with at least two segments separated by dots",
    ]),
    ({"addressType": "Odd", "endpoints": [{"addresses": ["whatever"]}]}, [
        'addressType: Unsupported value: "Odd": supported values: "FQDN", "IPv4", "IPv6"',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), SLICES, ids=range(len(SLICES)))
def test_endpoint_slices(changes: Doc, expected: list[str]) -> None:
    assert texts(endpointslice.validate(SLICE | changes, None)) == expected


def test_a_slice_keeps_its_address_type() -> None:
    changed = SLICE | {"addressType": "IPv6", "endpoints": []}
    assert texts(endpointslice.validate(changed, SLICE)) == ['addressType: Invalid value: "IPv6": field is immutable']


def backend(**service_part: Any) -> Doc:
    return {"defaultBackend": {"service": {"name": "web"} | service_part}}


BACKEND = "spec.defaultBackend"
ROUTES: list[Row] = [
    (backend(port={"number": 80}), []),
    (backend(port={"name": "http"}), []),
    (backend(), [f"{BACKEND}: Required value: port name or number is required"]),
    (backend(port={"name": "http", "number": 80}), [
        f'{BACKEND}: Invalid value: "": cannot set both port name & port number',
    ]),
    (backend(port={"number": 70000}), [
        f"{BACKEND}.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ]),
    (backend(name="", port={"number": 80}), [f"{BACKEND}.service.name: Required value"]),
    ({"defaultBackend": {}}, [f'{BACKEND}: Invalid value: "": resource or service backend is required']),
    ({"defaultBackend": {"resource": {"kind": "a/b"}}}, [
        f"{BACKEND}.resource.kind: Invalid value: \"a/b\": may not contain '/'",
        f"{BACKEND}.resource.name: Required value",
    ]),
    ({}, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
    ({"rules": [{"host": "1.2.3.4"}]}, [
        'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ]),
    ({"rules": [{"http": {"paths": [{"path": "/"}]}}]}, [
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), ROUTES)
def test_ingresses(spec: Doc, expected: list[str]) -> None:
    assert texts(ingress.validate({"spec": spec}, None)) == expected


def test_ingress_status_belongs_to_its_controller() -> None:
    document: Doc = {"spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}
    ingress.prepare_create(document)
    assert document["status"] == {"loadBalancer": {}}
    ingress.prepare_update(document, {"status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}})
    assert document["status"] == {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}


CLASSES: list[Row] = [
    ({"controller": "example.com/web"}, []),
    ({"controller": "example.com"}, [
        'spec.controller: Invalid value: "example.com": must be a domain-prefixed path (such as "acme.io/foo")',
    ]),
    ({"controller": "example.com/a b"}, [
        'spec.controller: Invalid value: "a b": '
        "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
    ]),
    ({"controller": "e.com/" + "a" * 245}, ["spec.controller: Too long: may not be more than 250 bytes"]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), CLASSES)
def test_ingress_classes(spec: Doc, expected: list[str]) -> None:
    assert texts(ingressclass.validate({"spec": spec}, None)) == expected


def test_parameters_of_an_ingress_class_are_of_cluster_scope() -> None:
    document: Doc = {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n"}}}
    ingressclass.default(document)
    assert document["spec"]["parameters"]["scope"] == "Cluster"


POLICIES: list[Row] = [
    ({"ingress": [{"from": [{}]}]}, ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
    ({"ingress": [{"ports": [{"protocol": "ICMP"}]}]}, [
        'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
    ]),
    ({"policyTypes": ["Ingress", "Odd"]}, [
        'spec.policyTypes[1]: Unsupported value: "Odd": supported values: "Ingress", "Egress"',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), POLICIES)
def test_network_policies(spec: Doc, expected: list[str]) -> None:
    assert texts(networkpolicy.validate({"spec": spec}, None)) == expected


CIDRS: list[tuple[list[str], list[str]]] = [
    (["10.96.0.0/16", "fd00:96::/112"], []),
    ([], ["spec.cidrs: Required value: at least one CIDR required"]),
    (["10.0.0.0/16", "10.1.0.0/16"], [
        'spec.cidrs: Invalid value: ["10.0.0.0/16","10.1.0.0/16"]: may specify no more than one IP for each IP '
        "family, i.e 192.168.0.0/24 and 2001:db8::/64",
    ]),
    (["a", "b", "c"], ['spec.cidrs: Invalid value: {"CIDRs":["a","b","c"]}: may only hold up to 2 values']),
]  # fmt: skip


@pytest.mark.parametrize(("cidrs", "expected"), CIDRS)
def test_service_cidrs(cidrs: list[str], expected: list[str]) -> None:
    assert texts(servicecidr.validate({"spec": {"cidrs": cidrs}}, None)) == expected
