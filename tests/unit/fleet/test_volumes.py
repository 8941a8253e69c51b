"""What volumes hold and where containers see them, and which containers run as processes."""

import base64
from typing import Any

import pytest

from portway.fleet.kubelet import agnhost_programs, roles
from portway.fleet.kubelet.environment import Missing, Place
from portway.fleet.kubelet.volumes import TOKEN, File, Volume, mounted, mounts, references, resolved
from portway.fleet.mounts import Mount

_PLACE = Place(("10.244.1.2",), ("172.18.0.11",))
_POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"app": "a", "tier": "b"}},
    "spec": {"volumes": [{"name": "one", "emptyDir": {}}, {"name": "two", "emptyDir": {}}]},
}
_SOURCES: dict[tuple[str, str], dict[str, Any]] = {
    ("ConfigMap", "m"): {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\0").decode()}},
    ("Secret", "s"): {"data": {"tls.crt": base64.b64encode(b"crt").decode()}},
    TOKEN: {"token": "a.b.c"},
}
_B, _Z = {"key": "b", "path": "x/y"}, {"key": "z", "path": "z"}
_SECRET = {"secret": {"name": "s"}}
_TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
_NAMESPACE = {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}
_API = {
    "sources": [
        _TOKEN,
        {"configMap": {"name": "m", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"downwardAPI": _NAMESPACE},
    ]
}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ({"emptyDir": {}}, {}),
        ({"configMap": {"name": "m"}}, {"a": File(b"1"), "b": File(b"2"), "c": File(b"\0")}),
        ({"configMap": {"name": "m", "items": [_B], "defaultMode": 0o400}}, {"x/y": File(b"2", 0o400)}),
        ({"configMap": {"name": "m", "items": [_B | {"mode": 0o600}]}}, {"x/y": File(b"2", 0o600)}),
        ({"configMap": {"name": "none", "optional": True}}, {}),
        ({"configMap": {"name": "m", "optional": True, "items": [_Z]}}, {}),
        ({"secret": {"secretName": "s"}}, {"tls.crt": File(b"crt")}),
        ({"projected": {"sources": [_SECRET], "defaultMode": 0o600}}, {"tls.crt": File(b"crt", 0o600)}),
        ({"projected": _API}, {"token": File(b"a.b.c"), "ca.crt": File(b"1"), "namespace": File(b"n")}),
        (
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"labels": File(b'app="a"\ntier="b"')},
        ),
    ],
)  # fmt: skip
def test_files(source: dict[str, Any], files: dict[str, File]) -> None:
    assert resolved({"name": "v", **source}, _POD, _PLACE, _SOURCES) == Volume("v", files)


def test_other_volumes() -> None:
    assert resolved({"name": "v", "hostPath": {"path": "/srv"}}, _POD, _PLACE, {}) == Volume("v", host="/srv")
    claim = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    assert resolved(claim, _POD, _PLACE, {}) == Volume("v", stands_in_for="persistentVolumeClaim")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        ({"configMap": {"name": "m", "items": [_Z]}}, "references non-existent configmap key: z in n/m"),
        ({"downwardAPI": {"items": [{"path": "x", "resourceFieldRef": {}}]}}, "x: only fieldRef is known here"),
        ({"projected": {"sources": [{"configMap": {"name": "gone"}}]}}, 'configmap "gone" not found'),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_kubelets_words(source: dict[str, Any], why: str) -> None:
    with pytest.raises(Missing) as missing:
        resolved({"name": "v", **source}, _POD, _PLACE, _SOURCES)
    assert str(missing.value) == f'MountVolume.SetUp failed for volume "v" : {why}'


def test_references_of_what_is_mounted() -> None:
    volumes = [
        {"name": "v", "projected": _API},
        {"name": "w", "secret": {"secretName": "s"}},
        {"name": "x", "emptyDir": {}},
    ]
    assert references(volumes) == {("ConfigMap", "m"), ("Secret", "s"), TOKEN}
    assert mounted(_POD, {"volumeMounts": [{"name": "two", "mountPath": "/b"}]}) == [{"name": "two", "emptyDir": {}}]
    assert mounted(_POD, {}) == []


@pytest.mark.parametrize(
    ("given", "mount"),
    [
        ({}, Mount("/v/one", "/m")),
        ({"readOnly": True}, Mount("/v/one", "/m", read_only=True)),
        ({"subPath": "a/b"}, Mount("/v/one/a/b", "/m")),
        ({"subPathExpr": "$(POD)/x"}, Mount("/v/one/p-1/x", "/m")),
    ],
)
def test_mounts(given: dict[str, Any], mount: Mount) -> None:
    container = {"volumeMounts": [{"name": "one", "mountPath": "/m", **given}]}
    assert mounts(container, {"one": "/v/one"}, {"POD": "p-1"}) == (mount,)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc"])
def test_a_sub_path_stays_in_its_volume(path: str) -> None:
    container = {"volumeMounts": [{"name": "one", "mountPath": "/m", "subPathExpr": "$(P)"}]}
    with pytest.raises(Missing, match="must be below its volume"):
        mounts(container, {"one": "/v/one"}, {"P": path})


_AGNHOST = {"image": "registry.k8s.io/e2e-test-images/agnhost:2.63.0"}
_ANNOTATED = {"metadata": {"annotations": {roles.RUNTIME_ANNOTATION: "process"}}}
_SHELL = {"command": ["sh", "-c", "true"]}


@pytest.mark.parametrize(
    ("pod", "container", "images", "command"),
    [
        ({}, {"image": "web:1", **_SHELL}, {}, None),
        (_ANNOTATED, {"image": "web:1", **_SHELL}, {}, ["sh", "-c", "true"]),
        (_ANNOTATED, {"image": "web:1"}, {}, None),
        (_ANNOTATED, {"image": "web:1"}, {"web": "/bin/web"}, ["/bin/web"]),
        ({}, {"image": "web:1"}, {"web": ""}, None),
        ({}, {"image": "web:1"}, {"web": "/bin/web"}, ["/bin/web"]),
        ({}, {"image": "web:1", **_SHELL}, {"web": "/bin/web"}, ["sh", "-c", "true"]),
        ({}, {"image": "db:1", **_SHELL}, {"web": "/bin/web"}, None),
        ({}, {**_AGNHOST, "args": ["netexec"]}, {"agnhost": ""}, None),
        ({}, {**_AGNHOST, **_SHELL}, {"agnhost": ""}, ["sh", "-c", "true"]),
        ({}, {**_AGNHOST, **_SHELL}, {}, None),
    ],
)
def test_roles(
    pod: dict[str, Any], container: dict[str, Any], images: dict[str, str], command: list[str] | None
) -> None:
    program = roles.program({"metadata": {}} | pod, container, images)
    assert (program["command"] if program else None) == command
    assert agnhost_programs.is_agnhost(_AGNHOST)


@pytest.mark.parametrize("wanted", ["web", "shop/web", "r.example:5000/shop/web", "r.example:5000/shop/web:1", "web:1"])
def test_images(wanted: str) -> None:
    assert roles.is_of("r.example:5000/shop/web:1", wanted)
    assert roles.is_of(f"{wanted}@sha256:00", wanted)
    assert not roles.is_of("r.example:5000/shop/another-web:2", wanted)
