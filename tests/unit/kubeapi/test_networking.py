"""Kubernetes' validation tables for the networking.k8s.io kinds, replayed; their defaulting and warnings."""

from typing import Any

import pytest
from msgspec.structs import replace

from portway.kubeapi import ingress, ingressclass, ipaddress, metadata, names, networkpolicy, servicecidr
from portway.kubeapi.errors import Doc, FieldError
from tests.unit.kubeapi.replay import assert_errors, gates_of, table


def of_metadata(case: Doc, namespaced: bool, rule: Any = None) -> list[FieldError]:
    return metadata.validate(case["object"], namespaced, rule, case.get("old"))


@pytest.mark.parametrize("case", table("networkpolicy_validate"))
def test_network_policies(case: Doc) -> None:
    found = of_metadata(case, True) + networkpolicy.validate(case["object"], case.get("old"), gates_of(case))
    if (case["options"] or {})["AllowInvalidLabelValueInSelector"]:  # upstream's test is laxer than its API server
        found = [error for error in found if ".values[" not in error.field]
    assert_errors(found, case)


def validate_ingress(case: Doc) -> list[FieldError]:
    document, old, gates = case["object"], case.get("old"), gates_of(case)
    if case["op"] == "validate":
        gates = replace(gates, relaxed_service_names=case["options"]["AllowRelaxedServiceNameValidation"])
    if case["op"] == "ruleValue":
        return ingress.validate_rule_value(case["options"]["fldPath"], document, names.is_dns1035_label)
    found = of_metadata(case, True)
    if case["op"] == "statusUpdate":
        return found + ingress.validate_status(document, old or {}, gates)
    return found + ingress.validate(document, old, gates)


@pytest.mark.parametrize("case", table("ingress_validate"))
def test_ingresses(case: Doc) -> None:
    assert_errors(validate_ingress(case), case)


@pytest.mark.parametrize("case", table("ingressclass_validate"))
def test_ingress_classes(case: Doc) -> None:
    assert_errors(of_metadata(case, False) + ingressclass.validate(case["object"], case.get("old")), case)


@pytest.mark.parametrize("case", table("ipaddress_validate"))
def test_ip_addresses(case: Doc) -> None:
    document, old = case["object"], case.get("old")
    found = of_metadata(case, False, ipaddress.name_rule)
    # upstream's update function checks the change alone; its API server adds what holds on create
    found += ipaddress.validate_change(document, old) if old else ipaddress.validate(document, None)
    assert_errors(found, case)


@pytest.mark.parametrize("case", table("servicecidr_validate"))
def test_service_cidrs(case: Doc) -> None:
    assert_errors(of_metadata(case, False) + servicecidr.validate(case["object"], case.get("old")), case)


@pytest.mark.parametrize(
    ("rules", "types"),
    [
        ({}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"egress": [{}], "policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_policy_types_follow_from_the_rules(rules: Doc, types: list[str]) -> None:
    policy: Doc = {"spec": {"podSelector": {}} | rules}
    networkpolicy.default(policy)
    assert policy["spec"]["policyTypes"] == types


def test_policy_ports_are_tcp() -> None:
    policy: Doc = {"spec": {"ingress": [{"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}]}}
    networkpolicy.default(policy)
    assert [port["protocol"] for port in policy["spec"]["ingress"][0]["ports"]] == ["TCP", "UDP"]


def test_warnings() -> None:
    block = {"cidr": "10.0.0.1/8", "except": ["10.0.0.0/16"]}
    policy = {"spec": {"egress": [{"to": [{"ipBlock": block}]}]}}
    field = "spec.egress[0].to[0].ipBlock.cidr"
    assert networkpolicy.warnings(policy, None) == [
        f'{field}: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'
    ]
    annotated: Doc = {"metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}, "spec": {}}
    deprecated = "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    assert ingress.warnings(annotated, None) == [deprecated]
    assert ingress.warnings(annotated, annotated) == []
