"""The real kubectl with Gateway API's kinds, under each version that people's manifests have."""

import json

from tests.api.test_kubectl import Kubectl, kubectl

__all__ = ["kubectl"]

OBJECTS = """
apiVersion: gateway.networking.k8s.io/VERSION
kind: Gateway
metadata: {name: door}
spec:
  gatewayClassName: portway
  listeners:
  - {name: http, port: PORT, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/VERSION
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: door}]
  hostnames: [shop.example]
  rules:
  - backendRefs: [{name: web, port: PORT}]
---
apiVersion: gateway.networking.k8s.io/VERSION
kind: ReferenceGrant
metadata: {name: lets}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: far}]
  to: [{group: "", kind: Service}]
"""
TCP = """
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: db}
spec:
  parentRefs: [{name: door, sectionName: db}]
  rules: [{backendRefs: [{name: db, port: 5432}]}]
"""


def objects(version: str, port: str) -> str:
    return OBJECTS.replace("VERSION", version).replace("PORT", port)


def test_one_object_under_two_versions(kubectl: Kubectl) -> None:
    assert kubectl("apply -f -", objects("v1beta1", "80")).count("created") == 3
    kubectl("apply -f -", objects("v1beta1", "80"))  # kubectl sends lists whole, as it does of all custom resources
    assert kubectl("get gateway,httproute,refgrant -o jsonpath={.items[*].metadata.generation}") == "1 1 1"
    kubectl("apply -f -", objects("v1", "81"))
    versions = ("", ".v1beta1.gateway.networking.k8s.io", ".v1.gateway.networking.k8s.io")
    found = [json.loads(kubectl(f"get httproutes{version} -o json"))["items"] for version in versions]
    assert [[item["apiVersion"].rpartition("/")[2] for item in items] for items in found] == [
        ["v1"],
        ["v1beta1"],
        ["v1"],
    ]
    assert {item["spec"]["rules"][0]["backendRefs"][0]["port"] for items in found for item in items} == {81}
    one = kubectl("get gateway.v1beta1.gateway.networking.k8s.io door -o jsonpath={.apiVersion},{.metadata.generation}")
    assert one == "gateway.networking.k8s.io/v1beta1,2"
    assert kubectl("apply -f -", TCP) == "tcproute.gateway.networking.k8s.io/db created\n"
    assert kubectl("get tcproute db -o jsonpath={.apiVersion}") == "gateway.networking.k8s.io/v1"


def test_server_side_apply_watch_and_patch_speak_the_version_asked_for(kubectl: Kubectl) -> None:
    kubectl("apply --server-side -f -", objects("v1beta1", "80"))
    kubectl("apply --server-side -f -", objects("v1", "82"))
    older = "httproutes.v1beta1.gateway.networking.k8s.io"
    patched = kubectl(f'patch {older} web --type=merge -p {{"spec":{{"hostnames":["b.example"]}}}} -o json')
    assert (json.loads(patched)["apiVersion"], json.loads(patched)["spec"]["hostnames"]) == (
        "gateway.networking.k8s.io/v1beta1",
        ["b.example"],
    )
    path = f"/apis/gateway.networking.k8s.io/v1beta1/namespaces/{kubectl.namespace}/httproutes"
    watched = kubectl(f"get --raw {path}?watch=true&timeoutSeconds=1&resourceVersion=0")
    assert {json.loads(line)["object"]["apiVersion"] for line in watched.splitlines()} == {
        "gateway.networking.k8s.io/v1beta1"
    }


def test_tables_explain_and_refusals(kubectl: Kubectl) -> None:
    kubectl("apply -f -", objects("v1", "80"))
    header, row = kubectl("get gtw").splitlines()
    assert header.split() == ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]
    assert row.split()[:3] == ["door", "portway", "Unknown"]
    assert '["shop.example"]' in kubectl("get httproutes")
    assert "Any one of them" in kubectl("explain httproute.spec.rules.matches")
    refused = kubectl.fails("apply -f -", objects("v1", "80").replace("protocol: HTTP", "protocol: HTTP, tls: {}"))
    assert "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']" in refused
    assert "gateway.networking.k8s.io/v1beta1" in kubectl("api-versions")
    kubectl("wait --for=condition=Accepted=Unknown gateway/door --timeout=60s")
    assert kubectl("delete gateway,httproute,refgrant --all").count("deleted") == 3
