"""Protobuf bodies: as kubectl 1.37 sends them, as written by an encoder here, and damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import protobuf
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.protobuf.decode import _numbers
from portway.kubeapi.schema import SCALARS, TYPES

CONFIGMAP = bytes.fromhex(
    "6b387300 0a0f 0a027631 1209436f6e6669674d6170 121b 0a11 0a0178 1200 1a00 2200 2a00 3200 3800 4200"
    "1206 0a0161 120162 1a00 2200"
)
"""`kubectl create configmap x --from-literal=a=b`."""


def test_what_kubectl_sends() -> None:
    assert protobuf.decode(CONFIGMAP) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "x", "generation": 0},
        "data": {"a": "b"},
    }


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def field(number: int, value: "bytes | str | int") -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(kind: str, raw: bytes, api_version: str = "v1") -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def int_or_string(value: "int | str") -> bytes:
    return field(1, 0) + field(2, value) if isinstance(value, int) else field(1, 1) + field(3, value)


def test_values_of_every_sort() -> None:
    port = field(1, "http") + field(2, "TCP") + field(3, 80) + field(4, int_or_string("web")) + field(5, 30080)
    other = field(3, 81) + field(4, int_or_string(8081))
    spec = field(1, port) + field(1, other) + field(2, field(1, "app") + field(2, "web")) + field(4, "NodePort")
    spec += field(13, 1) + field(14, field(1, field(1, 10800)))
    metadata = field(1, "x") + field(8, field(1, 1_893_456_000)) + field(7, -1)
    doc = protobuf.decode(envelope("Service", field(1, metadata) + field(2, spec)))
    assert doc["metadata"] == {"name": "x", "creationTimestamp": "2030-01-01T00:00:00Z", "generation": -1}
    assert doc["spec"] == {
        "ports": [
            {"name": "http", "protocol": "TCP", "port": 80, "targetPort": "web", "nodePort": 30080},
            {"port": 81, "targetPort": 8081},
        ],
        "selector": {"app": "web"},
        "type": "NodePort",
        "publishNotReadyAddresses": True,
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
    }


def test_embedded_messages_quantities_and_bytes() -> None:
    probe = field(1, field(2, field(1, "/") + field(2, int_or_string(80)))) + field(2, 5)
    limits = field(1, field(1, "cpu") + field(2, field(1, "100m")))
    volume = field(1, "v") + field(2, field(2, b""))
    container = field(1, "c") + field(8, limits) + field(10, probe)
    pod = protobuf.decode(envelope("Pod", field(2, field(1, volume) + field(2, container))))
    assert pod["spec"]["containers"][0] == {
        "name": "c",
        "resources": {"limits": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 5},
    }
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    secret = protobuf.decode(envelope("Secret", field(2, field(1, "a") + field(2, b"\x00\xff"))))
    assert secret["data"] == {"a": "AP8="}


CUSTOM = ("io.k8s.networking.", "io.metallb.")
"""Custom resources have no protobuf form; clients write them as JSON."""


def test_every_type_and_field_has_its_number() -> None:
    """All that the schema knows can be read, so that no client's field is lost silently."""
    numbers = _numbers()
    missing: Doc = {}
    for name, type_ in TYPES.items():
        if type_.package.startswith(CUSTOM):
            continue
        known = _names(name)
        absent = set(type_.fields) - known - {"kind", "apiVersion"}
        if absent:
            missing[name] = absent
    assert missing == {"NodeAllocatableResourceClaimStatus": {"resources"}} or not missing
    messages = {type_.removeprefix("+") for fields in numbers.values() for type_ in fields.values() if type_[0] == "+"}
    assert messages <= set(numbers)
    assert {f.type for t in TYPES.values() for f in t.fields.values()} <= set(TYPES) | SCALARS


def _names(name: str) -> set[str]:
    found: set[str] = set()
    for label in _numbers()[name].values():
        found |= _names(label[1:]) if label.startswith("+") else {label}
    return found


@given(st.binary(max_size=60))
def test_damage_is_refused_and_never_fatal(data: bytes) -> None:
    for damaged in (data, b"k8s\x00" + data, envelope("Pod", data), CONFIGMAP[: len(data)]):
        try:
            assert isinstance(protobuf.decode(damaged), dict)
        except ApiError as error:
            assert error.code == 400 and "is not Kubernetes protobuf" in error.message


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ApiError, match='no kind "Nothing" is registered for version "v1"'):
        protobuf.decode(envelope("Nothing", b""))
