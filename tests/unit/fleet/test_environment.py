"""A container's variables and command line."""

import base64
from typing import Any

import pytest

from portway.fleet.kubelet.environment import Missing, Place, environment, expand, references

_PLACE = Place(("10.244.1.2", "fd00::2"), ("172.18.0.11",))
_POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a/b": "c"}},
    "spec": {"nodeName": "node-1"},
}
_SOURCES = {
    ("ConfigMap", "map"): {"data": {"one": "1", "two": "2"}},
    ("Secret", "safe"): {"data": {"word": base64.b64encode(b"hush").decode()}},
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


def _env(*variables: dict[str, Any], sources: list[dict[str, Any]] | None = None) -> dict[str, str]:
    found = environment(_POD, {"env": list(variables), "envFrom": sources or []}, _PLACE, _SOURCES)
    assert found.pop("HOSTNAME") == "p"
    return found


def _from(**source: Any) -> dict[str, Any]:
    return {"name": "V", "valueFrom": source}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['a/b']", "c"),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "node-1"),
        ("status.podIP", "10.244.1.2"),
        ("status.podIPs", "10.244.1.2,fd00::2"),
        ("status.hostIP", "172.18.0.11"),
    ],
)
def test_the_downward_api(path: str, value: str) -> None:
    assert _env(_from(fieldRef={"fieldPath": path})) == {"V": value}


def test_values_name_the_variables_before_them() -> None:
    assert _env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"}) == {
        "A": "1",
        "B": "1$(C)",
        "C": "3",
    }


def test_config_maps_and_secrets() -> None:
    assert _env(_from(secretKeyRef={"name": "safe", "key": "word"})) == {"V": "hush"}
    both: list[dict[str, Any]] = [{"configMapRef": {"name": "map"}, "prefix": "M_"}, {"secretRef": {"name": "safe"}}]
    assert _env(sources=both) == {"M_one": "1", "M_two": "2", "word": "hush"}
    assert _env(_from(configMapKeyRef={"name": "none", "key": "x", "optional": True})) == {}
    assert _env(_from(configMapKeyRef={"name": "map", "key": "x", "optional": True})) == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "x"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "x"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "map", "key": "x"}}, "couldn't find key x in ConfigMap n/map"),
        ({"fieldRef": {"fieldPath": "status.mood"}}, "unsupported fieldPath: status.mood"),
    ],
)
def test_what_is_missing_is_said(source: dict[str, Any], words: str) -> None:
    with pytest.raises(Missing) as caught:
        _env(_from(**source))
    assert str(caught.value) == words


def test_references() -> None:
    container = {
        "env": [_from(secretKeyRef={"name": "s", "key": "k"}), {"name": "plain", "value": "v"}],
        "envFrom": [{"configMapRef": {"name": "m"}}],
    }
    assert references(container) == {("Secret", "s"), ("ConfigMap", "m")}
