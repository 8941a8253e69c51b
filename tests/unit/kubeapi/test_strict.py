"""Decoding as Go would: each row is a document's change and the text that the API server answers with."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import gotime, strict
from portway.kubeapi.catalogue import KINDS, by_kind
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.schema import TYPES

SERVICE = by_kind("v1", "Service")
POD = by_kind("v1", "Pod")
SECRET = by_kind("v1", "Secret")
DEPLOYMENT = by_kind("apps/v1", "Deployment")
SLICE = by_kind("discovery.k8s.io/v1", "EndpointSlice")


def doc(kind: Kind | None, rest: Mapping[str, Any]) -> Doc:
    assert kind
    base: Doc = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}}
    return base | copy.deepcopy(dict(rest))


def go(what: str, field: str, type_: str) -> str:
    return f"json: cannot unmarshal {what} into Go struct field {field} of type {type_}"


MISMATCHES: list[tuple[Kind | None, Doc, str]] = [
    (SERVICE, {"spec": {"ports": [{"port": "80"}]}}, go("string", "ServicePort.spec.ports.port", "int32")),
    (SERVICE, {"spec": {"ports": [{"port": 80.5}]}}, go("number 80.5", "ServicePort.spec.ports.port", "int32")),
    (
        SERVICE,
        {"spec": {"ports": [{"port": 1 << 31}]}},
        go("number 2147483648", "ServicePort.spec.ports.port", "int32"),
    ),
    (SERVICE, {"spec": {"ports": [{"targetPort": True}]}}, go("bool", "ServicePort.spec.ports.targetPort", "int32")),
    (SERVICE, {"spec": {"ports": {}}}, go("object", "ServiceSpec.spec.ports", "[]v1.ServicePort")),
    (SERVICE, {"spec": {"type": 1}}, go("number", "ServiceSpec.spec.type", "v1.ServiceType")),
    (SERVICE, {"spec": {"ipFamilies": "IPv4"}}, go("string", "ServiceSpec.spec.ipFamilies", "[]v1.IPFamily")),
    (SERVICE, {"spec": []}, go("array", "Service.spec", "v1.ServiceSpec")),
    (SERVICE, {"spec": {"selector": {"a": 1}}}, go("number", "ServiceSpec.spec.selector", "string")),
    (SERVICE, {"spec": {"selector": "a=b"}}, go("string", "ServiceSpec.spec.selector", "map[string]string")),
    (
        SERVICE,
        {"spec": {"publishNotReadyAddresses": "no"}},
        go("string", "ServiceSpec.spec.publishNotReadyAddresses", "bool"),
    ),
    (POD, {"spec": {"containers": [{"args": [1]}]}}, go("number", "Container.spec.containers.args", "string")),
    (
        POD,
        {"spec": {"containers": [{"env": [{"value": True}]}]}},
        go("bool", "EnvVar.spec.containers.env.value", "string"),
    ),
    (
        POD,
        {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}},
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    (
        POD,
        {"spec": {"containers": [{"resources": {"limits": []}}]}},
        go("array", "ResourceRequirements.spec.containers.resources.limits", "v1.ResourceList"),
    ),
    (
        POD,
        {"metadata": {"creationTimestamp": "yesterday"}},
        'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ),
    (
        POD,
        {"metadata": {"creationTimestamp": "2026-02-30T00:00:00Z"}},
        'parsing time "2026-02-30T00:00:00Z": day out of range',
    ),
    (SECRET, {"data": {"a": "not base64!"}}, "illegal base64 data at input byte 3"),
    (SECRET, {"data": {"a": "YWJj="}}, "illegal base64 data at input byte 4"),
    (SECRET, {"data": {"a": "YWJ"}}, "illegal base64 data at input byte 0"),
    (SECRET, {"data": {"a": 5}}, go("number", "Secret.data", "[]uint8")),
    (
        DEPLOYMENT,
        {"spec": {"template": {"spec": {"containers": "web"}}}},
        go("string", "PodSpec.spec.template.spec.containers", "[]v1.Container"),
    ),
    (SLICE, {"ports": [{"port": "http"}]}, go("string", "EndpointPort.ports.port", "int32")),
]


@pytest.mark.parametrize(("kind", "change", "text"), MISMATCHES)
def test_mismatch(kind: Kind, change: Doc, text: str) -> None:
    problems = strict.check(kind, doc(kind, change))
    assert problems.mismatch == text
    with pytest.raises(ApiError) as caught:
        strict.refuse(kind, problems, strict.IGNORE)
    assert caught.value.code == 400
    assert caught.value.reason == "BadRequest"
    assert caught.value.message == f'{kind.kind} in version "v1" cannot be handled as a {kind.kind}: {text}'


@pytest.mark.parametrize(
    ("kind", "change", "fields"),
    [
        (SERVICE, {"spec": {"foo": 1}}, ["spec.foo"]),
        (SERVICE, {"Spec": {}}, ["Spec"]),
        (SERVICE, {"spec": {"ports": [{"port": 80}, {"port": 81, "targetport": 1}]}}, ["spec.ports[1].targetport"]),
        (SERVICE, {"metadata": {"lables": {}, "name": "x"}, "spec": {"type ": ""}}, ["metadata.lables", "spec.type "]),
        (DEPLOYMENT, {"spec": {"template": {"spec": {"container": []}}}}, ["spec.template.spec.container"]),
        (by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"), {"spec": {"anything": [{}]}}, []),
        (by_kind("v1", "ConfigMap"), {"data": {"any.key": "v"}, "datum": {}}, ["datum"]),
    ],
)
def test_unknown_fields(kind: Kind, change: Doc, fields: list[str]) -> None:
    document = doc(kind, change)
    problems = strict.check(kind, document)
    listed = [f'unknown field "{field}"' for field in fields]
    assert list(problems.strict) == listed
    assert strict.check(kind, document) == strict.Problems(), "they are still there"
    assert strict.refuse(kind, problems, strict.WARN) == listed
    assert strict.refuse(kind, problems, strict.IGNORE) == []
    if listed:
        with pytest.raises(ApiError) as caught:
            strict.refuse(kind, problems, strict.STRICT)
        head = f'{kind.kind} in version "v1" cannot be handled as a {kind.kind}: strict decoding error: '
        assert caught.value.message == head + ", ".join(listed)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"a": 1, "b": 2}', ()),
        ('{"a": 1, "a": 2, "a": 3}', ("a",)),
        ('{"spec": {"ports": [{"name": "x"}, {"name": "y", "name": "z"}]}}', ("spec.ports[1].name",)),
        ('{"spec": {"x": 1, "x": {"y": 1, "y": 1}}}', ("spec.x", "spec.x.y")),
    ],
)
def test_duplicate_fields(text: str, paths: tuple[str, ...]) -> None:
    assert strict.duplicate_fields(text) == paths
    assert SERVICE
    problems = strict.check(SERVICE, doc(SERVICE, {}), paths)
    assert problems.strict == tuple(f'duplicate field "{path}"' for path in paths)


def test_duplicates_however_deep() -> None:
    depth = 900
    text = '{"a": ' * depth + '{"b": 1, "b": 2}' + "}" * depth
    assert strict.duplicate_fields(text) == ("a." * depth + "b",)


def test_nulls_are_absent() -> None:
    given_ = doc(
        SERVICE,
        {
            "metadata": {"name": "x", "creationTimestamp": None, "labels": {"a": None}, "finalizers": [None]},
            "spec": {"ports": None, "selector": None, "clusterIP": None},
            "status": {"loadBalancer": {"ingress": [None]}},
        },
    )
    assert SERVICE
    assert strict.check(SERVICE, given_) == strict.Problems()
    assert given_ == doc(
        SERVICE,
        {
            "metadata": {"name": "x", "labels": {"a": ""}, "finalizers": [""]},
            "spec": {},
            "status": {"loadBalancer": {"ingress": [{}]}},
        },
    )


@pytest.mark.parametrize(
    ("kind", "change", "canonical"),
    [
        (
            POD,
            {"spec": {"containers": [{"resources": {"limits": {"cpu": 0.5, "memory": "0.5Gi", "x": None}}}]}},
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "500m", "memory": "512Mi", "x": "0"}}}]}},
        ),
        (
            by_kind("coordination.k8s.io/v1", "Lease"),
            {"spec": {"renewTime": "2026-11-23T10:00:00.123456+02:00", "leaseDurationSeconds": 15}},
            {"spec": {"renewTime": "2026-11-23T08:00:00.123456Z", "leaseDurationSeconds": 15}},
        ),
        (
            POD,
            {"status": {"startTime": "2026-11-23T23:30:00.9-01:00"}},
            {"status": {"startTime": "2026-11-24T00:30:00Z"}},
        ),
        (POD, {"status": {"startTime": "0000-01-01T00:00:00Z"}}, {"status": {"startTime": "0000-01-01T00:00:00Z"}}),
        (SECRET, {"data": {"a": "YW\nJj\n"}}, {"data": {"a": "YWJj"}}),
    ],
)
def test_values_become_canonical(kind: Kind, change: Doc, canonical: Doc) -> None:
    found = doc(kind, change)
    assert strict.check(kind, found) == strict.Problems()
    assert found == doc(kind, canonical)
    again = copy.deepcopy(found)
    assert strict.check(kind, again) == strict.Problems()
    assert again == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'),
        ("2026-01-01T25:00:00Z", 'parsing time "2026-01-01T25:00:00Z": hour out of range'),
        ("2026-01-01T00:00:00Zz", 'parsing time "2026-01-01T00:00:00Zz": extra text: "z"'),
        (
            "2026-01-01 00:00:00Z",
            'parsing time "2026-01-01 00:00:00Z" as "2006-01-02T15:04:05Z07:00": cannot parse " 00:00:00Z" as "T"',
        ),
        (
            "2026-01-01T00:00:00",
            'parsing time "2026-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"',
        ),
        ("2026-01-01T00:00:00.5Z", ""),
    ],
)
def test_timestamps(text: str, why: str) -> None:
    assert gotime.refusal(text) == why


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(data=st.data())
def test_any_json_in_any_field_is_answered(data: st.DataObject) -> None:
    """Nothing makes it raise, and a value that is refused is refused with words."""
    kind = data.draw(st.sampled_from([k for k in KINDS if k.schema]))
    field = data.draw(st.sampled_from(sorted(TYPES[kind.schema].fields)))
    inner = TYPES.get(TYPES[kind.schema].fields[field].type)
    names = st.sampled_from(sorted(inner.fields)) if inner and inner.fields else st.text(max_size=3)
    value = data.draw(JSON | st.dictionaries(names, JSON, max_size=4))
    problems = strict.check(kind, {field: value})
    assert problems.mismatch == "" or problems.mismatch.startswith(
        ("json: cannot unmarshal ", "parsing time ", "quantities must ", "illegal base64 ")
    )


@given(JSON)
def test_duplicates_never_in_what_python_writes(value: object) -> None:
    assert strict.duplicate_fields(json.dumps(value)) == ()
