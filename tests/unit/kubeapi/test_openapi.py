"""The OpenAPI documents hang together and carry what kubectl looks for."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from portway.kubeapi import openapi
from portway.kubeapi.catalogue import KINDS, groups
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.schema import TYPES

NAMES = sorted(openapi.index()["paths"])


def document(name: str) -> Doc:
    found = openapi.document(name)
    assert found
    return found


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from refs(item)


def test_the_index_names_every_group_and_version() -> None:
    assert sorted(f"apis/{g}/{v}" if g else f"api/{v}" for g, v in groups()) == NAMES
    for name, entry in openapi.index()["paths"].items():
        assert re.fullmatch(rf"/openapi/v3/{re.escape(name)}\?hash=[0-9A-F]{{32}}", entry["serverRelativeURL"])
    assert openapi.document("apis/nothing/v1") is None


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_somewhere_and_every_schema_is_led_to(name: str) -> None:
    doc = document(name)
    schemas = doc["components"]["schemas"]
    targets = {ref.removeprefix("#/components/schemas/") for ref in refs(doc)}
    assert targets - schemas.keys() == set()
    roots = {s for s, schema in schemas.items() if "x-kubernetes-group-version-kind" in schema}
    shared = {s for s in schemas if s.startswith("io.k8s.apimachinery.")}
    assert schemas.keys() - targets - roots - shared == set()
    json.dumps(doc)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.group}/{kind.kind}")
def test_every_kind_has_what_kubectl_looks_for(kind: Kind) -> None:
    doc = document(kind.resource.prefix[1:])
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    paths = doc["paths"]
    collection = paths[kind.resource.path("{namespace}")]
    create = collection["post"]
    assert create["x-kubernetes-group-version-kind"] == gvk
    assert {p["name"] for p in create["parameters"]} == {"fieldValidation", "dryRun", "fieldManager"}
    if "patch" in kind.verbs:
        patch = paths[kind.resource.path("{namespace}", "{name}")]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == gvk
        assert {media.partition("/")[2] for media in patch["requestBody"]["content"]} == {
            "apply-patch+yaml",
            "json-patch+json",
            "merge-patch+json",
            "strategic-merge-patch+json",
        }
    named = [
        s
        for s, schema in doc["components"]["schemas"].items()
        if schema.get("x-kubernetes-group-version-kind") == [gvk]
    ]
    assert named == [openapi.definition(kind)]


def test_a_service_is_described_as_kubernetes_describes_it() -> None:
    schemas = document("api/v1")["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports == {
        "description": TYPES["ServiceSpec"].fields["ports"].doc,
        "type": "array",
        "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ServicePort"}]},
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-patch-merge-key": "port",
        "x-kubernetes-patch-strategy": "merge",
    }
    port = schemas["io.k8s.api.core.v1.ServicePort"]
    assert port["required"] == ["port"]
    assert port["properties"]["protocol"]["enum"] == ["TCP", "UDP", "SCTP"]
    assert port["properties"]["protocol"]["default"] == "TCP"
    selector = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["selector"]
    assert selector["additionalProperties"] == {"type": "string"}
    assert selector["x-kubernetes-map-type"] == "atomic"
    assert schemas["io.k8s.api.core.v1.ServiceList"]["required"] == ["items"]
