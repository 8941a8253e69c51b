"""Strategic merge patch against the real kubectl (`patch --local`), and what the API server refuses."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.kubeapi.errors import ApiError
from portway.kubeapi.patch import strategic

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "labels": {"a": "1"}, "finalizers": ["one.io/x", "two.io/x"]},
    "spec": {
        "ports": [
            {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080},
            {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443},
            {"name": "metrics", "port": 9090, "protocol": "TCP", "targetPort": 9090},
        ],
        "selector": {"app": "web"},
        "externalIPs": ["192.0.2.1", "192.0.2.2"],
    },
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
                    {"name": "b", "image": "b:1", "args": ["one", "two"]},
                ],
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "hostPath": {"path": "/w"}}],
                "tolerations": [{"key": "k", "operator": "Exists"}],
            },
        },
    },
}


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


PORTS = SERVICE["spec"]["ports"]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a label": (SERVICE, {"metadata": {"labels": {"b": "2", "a": None}}}),
    "a new object": (SERVICE, {"metadata": {"annotations": {"x": "y", "z": None}}}),
    "an item by its key": (SERVICE, {"spec": {"ports": [{"port": 443, "nodePort": 30443}]}}),
    "a new item": (SERVICE, {"spec": {"ports": [{"port": 81, "name": "more", "targetPort": 81}]}}),
    "an item goes": (SERVICE, {"spec": {"ports": [{"port": 443, "$patch": "delete"}]}}),
    "an item that is not there goes": (SERVICE, {"spec": {"ports": [{"port": 1, "$patch": "delete"}]}}),
    "a list replaced": (SERVICE, {"spec": {"ports": [{"port": 1, "name": "only"}, {"$patch": "replace"}]}}),
    "an object replaced": (SERVICE, {"spec": {"selector": {"$patch": "replace", "tier": "front"}}}),
    "an object emptied": (SERVICE, {"metadata": {"labels": {"$patch": "delete"}}}),
    "a member that is only a directive": (SERVICE, {"metadata": {"annotations": {"$patch": "delete"}}}),
    "scalars join a set": (SERVICE, {"metadata": {"finalizers": ["three.io/x", "one.io/x"]}}),
    "scalars leave a set": (SERVICE, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["one.io/x"]}}),
    "a plain list of scalars": (SERVICE, {"spec": {"externalIPs": ["192.0.2.9"]}}),
    "order": (SERVICE, {"spec": {"$setElementOrder/ports": [{"port": 9090}, {"port": 80}, {"port": 443}]}}),
    "order with a newcomer": (
        SERVICE,
        {
            "spec": {
                "$setElementOrder/ports": [{"port": 443}, {"port": 81}, {"port": 80}],
                "ports": [{"port": 81, "name": "more"}, {"port": 9090, "$patch": "delete"}],
            }
        },
    ),
    "order of some": (
        SERVICE,
        {"spec": {"$setElementOrder/ports": [{"port": 9090}, {"port": 80}], "ports": [{"port": 80, "name": "x"}]}},
    ),
    "order of scalars": (
        SERVICE,
        {"metadata": {"$setElementOrder/finalizers": ["two.io/x", "a.io/x"], "finalizers": ["a.io/x"]}},
    ),
    "order of an empty list": (
        {**SERVICE, "metadata": {"name": "web"}},
        {"metadata": {"$setElementOrder/finalizers": ["two.io/x", "a.io/x"], "finalizers": ["two.io/x", "a.io/x"]}},
    ),
    "a type changes": (SERVICE, {"spec": {"ports": None}}),
    "everything at once": (
        SERVICE,
        {"metadata": {"labels": None}, "spec": {"ports": [{"port": 80, "name": "web"}], "selector": None}},
    ),
    "an image": (DEPLOYMENT, pod(containers=[{"name": "b", "image": "b:2"}])),
    "a variable": (DEPLOYMENT, pod(containers=[{"name": "a", "env": [{"name": "Y", "$patch": "delete"}]}])),
    "arguments replaced": (DEPLOYMENT, pod(containers=[{"name": "b", "args": ["three"]}])),
    "a new container in front": (
        DEPLOYMENT,
        pod(
            **{
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}],
                "containers": [{"name": "c", "image": "c:1", "env": [{"name": "Z", "value": None}]}],
            }
        ),
    ),
    "strategy kept to its keys": (
        DEPLOYMENT,
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
    ),
    "a volume changes its source": (
        DEPLOYMENT,
        pod(volumes=[{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]),
    ),
    "a list without keys": (DEPLOYMENT, pod(tolerations=[{"key": "other", "operator": "Exists"}])),
    "resources": (DEPLOYMENT, pod(containers=[{"name": "a", "resources": {"limits": {"cpu": "1"}}}])),
}


def without_empties(value: Any) -> Any:
    """kubectl's typed round trip adds `status: {…}` and drops empty members; both sides are compared without."""
    if isinstance(value, dict):
        members = {key: without_empties(member) for key, member in value.items() if key != "creationTimestamp"}
        return {key: member for key, member in members.items() if member not in ({}, [], None)}
    return [without_empties(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl in the virtual environment or on the PATH")
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_kubectl(name: str, tmp_path: Path) -> None:
    doc, patch = CASES[name]
    before = copy.deepcopy(CASES[name])
    found = strategic.apply(doc, patch, doc["kind"])
    assert CASES[name] == before, "neither the document nor the patch may change"
    file = tmp_path / "doc.json"
    file.write_text(json.dumps(doc))
    command = [str(KUBECTL), "patch", "--local", "-f", str(file), "--type=strategic", "-p", json.dumps(patch), "-ojson"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert without_empties(found) == without_empties(json.loads(run.stdout))


NUMBERS = st.integers(1, 6)
SCALARS = st.sampled_from(["a.io/x", "b.io/x", "c.io/x", "d.io/x"])


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    ports = [{"port": number, "name": f"p{number}"} for number in draw(st.lists(NUMBERS, unique=True, min_size=1))]
    metadata = {"name": "web", "finalizers": draw(st.lists(SCALARS, unique=True))}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    order = draw(st.permutations(range(1, 7)))
    item: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [{"name": "new"}, {"nodePort": 30000}, {"$patch": "delete"}]
    )
    items = [{"port": number, **draw(item)} for number in order if draw(st.booleans())]
    spec: dict[str, Any] = {"ports": items}
    if draw(st.booleans()):
        gone = {found["port"] for found in items if "$patch" in found}
        spec["$setElementOrder/ports"] = [{"port": number} for number in order if number not in gone]
    metadata: dict[str, Any] = {"finalizers": draw(st.lists(SCALARS, unique=True))}
    if draw(st.booleans()):
        kept = set(metadata["finalizers"])
        gone_too = [name for name in draw(st.lists(SCALARS, unique=True)) if name not in kept]
        metadata["$deleteFromPrimitiveList/finalizers"] = gone_too
    return {"metadata": metadata, "spec": spec}


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl in the virtual environment or on the PATH")
@settings(max_examples=15, deadline=None)
@given(st.lists(services(), min_size=8, max_size=8), patches())
def test_agrees_with_kubectl_on_any_lists(docs: list[dict[str, Any]], patch: dict[str, Any]) -> None:
    stream = "\n---\n".join(json.dumps(doc) for doc in docs)
    command = [str(KUBECTL), "patch", "--local", "-f", "-", "--type=strategic", "-p", json.dumps(patch), "-ojson"]
    run = subprocess.run(command, input=stream, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    text, wanted = run.stdout, []
    while text.strip():
        found, end = json.JSONDecoder().raw_decode(text)
        wanted.append(without_empties(found))
        text = text[end:].lstrip()
    assert [without_empties(strategic.apply(doc, patch, "Service")) for doc in docs] == wanted


FIELDS = [
    "metadata",
    "spec",
    "ports",
    "port",
    "finalizers",
    "selector",
    "$patch",
    "$retainKeys",
    "$setElementOrder/ports",
    "$setElementOrder/finalizers",
    "$deleteFromPrimitiveList/finalizers",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(79, 81) | st.sampled_from(["delete", "replace", "merge", "ports"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=14,
)


@given(JSON, JSON)
def test_any_json_is_merged_or_refused(spec: Any, metadata: Any) -> None:
    try:
        found = strategic.apply(SERVICE, {"spec": spec, "metadata": metadata}, "Service")
    except ApiError as error:
        assert error.code in (400, 422, 500)
        assert error.message
    else:
        assert "$" not in json.dumps(found)


def test_shares_what_it_does_not_touch() -> None:
    result = strategic.apply(SERVICE, {"spec": {"ports": [{"port": 443, "name": "tls"}]}}, "Service")
    assert result["metadata"] is SERVICE["metadata"]
    assert result["spec"]["ports"][0] is PORTS[0]
    assert result["spec"]["selector"] is SERVICE["spec"]["selector"]


NO_KEY = "map: map[name:x] does not contain declared merge key: port"
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"spec": {"ports": [{"name": "x"}]}}, 500, NO_KEY),
    ({"spec": {"ports": [{"name": "x", "$patch": "delete"}]}}, 500, "map: map[$patch:delete name:x] does not contain"),
    ({"spec": {"ports": [{"port": 80, "$patch": "merge"}]}}, 500, "merging lists cannot yet be specified in the patch"),
    ({"spec": {"ports": [{"port": 80, "$patch": "x"}]}}, 500, "unknown patch type: x in map: map[$patch:x port:80]"),
    ({"spec": {"selector": {"$patch": "x"}}}, 500, "unknown patch type: x in map: map[$patch:x]"),
    ({"spec": {"ports": [80]}}, 500, "list element types are not identical"),
    ({"spec": {"$setElementOrder/ports": "x"}}, 500, "expected a list, but received a string"),
    ({"spec": {"$setElementOrder": []}}, 400, "invalid patch format of setElementOrder list"),
    ({"spec": {"$retainKeys": "x"}}, 400, "invalid patch format of retainKeys"),
    ({"spec": {"$retainKeys": ["ports"], "type": "NodePort"}}, 400, "invalid patch format of retainKeys"),
    ({"metadata": {"$deleteFromPrimitiveList": []}}, 400, "invalid patch format of primitive list"),
    (
        {"spec": {"$setElementOrder/ports": [{"port": 80}], "ports": [{"port": 443}]}},
        500,
        "The order in patch list:\n[map[port:443]]\n doesn't match $setElementOrder list:\n[map[port:80]]\n",
    ),
]


@pytest.mark.parametrize(("patch", "code", "message"), REFUSED)
def test_refused(patch: dict[str, Any], code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        strategic.apply(SERVICE, patch, "Service")
    assert (caught.value.code, caught.value.message[: len(message)]) == (code, message)


def test_not_an_object() -> None:
    with pytest.raises(ApiError, match="cannot unmarshal array") as caught:
        strategic.apply(SERVICE, [], "Service")
    assert caught.value.code == 400


def test_unknown_type_merges_objects_and_replaces_lists() -> None:
    doc = {"spec": {"items": [1], "inner": {"a": 1}}}
    found = strategic.apply(doc, {"spec": {"items": [2], "inner": {"b": None, "c": 3}}}, "Nobody")
    assert found == {"spec": {"items": [2], "inner": {"a": 1, "c": 3}}}
