"""What a pod's volumes hold, and where its containers see them. Pure.

Sources: pkg/volume/{configmap,secret,projected,downwardapi,emptydir,hostpath} of Kubernetes.
"""

import base64
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from portway.fleet.kubelet.environment import Missing, Place, Sources, expand, field
from portway.fleet.mounts import Mount
from portway.kubeapi.errors import Doc

_MODE = 0o644
_WRITTEN = ("configMap", "secret", "projected", "downwardAPI")
_PLAYED = (*_WRITTEN, "emptyDir", "hostPath")
TOKEN = ("Token", "")
"""Among the sources: {"token": …} of the pod's ServiceAccount."""


class File(Struct, frozen=True):
    """One file of a volume."""

    content: bytes
    mode: int = _MODE


class Volume(Struct, frozen=True):
    """What one volume of a pod is."""

    name: str
    files: Mapping[str, File] = {}
    """By path: what is written into it; containers may add to it."""
    host: str = ""
    """The folder or file of this machine that it is, instead of one of the pod's own."""
    stands_in_for: str = ""
    """The kind of volume that nothing here provides, and that it is an empty folder instead of."""


def mounted(pod: Doc, container: Doc) -> list[Doc]:
    """The volumes that the container mounts, each once."""
    names = {mount["name"] for mount in container.get("volumeMounts") or ()}
    return [volume for volume in pod["spec"].get("volumes") or () if volume["name"] in names]


def references(volumes: Iterable[Doc]) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that they are made of, and TOKEN."""
    named = {"configMap": "ConfigMap", "secret": "Secret"}
    found = set[tuple[str, str]]()
    for volume in volumes:
        for kind, source in _sources(volume):
            if kind in named:
                found.add((named[kind], _name(source)))
            elif kind == "serviceAccountToken":
                found.add(TOKEN)
    return found


def _sources(volume: Doc) -> Iterator[tuple[str, Doc]]:
    """What it is written from: itself, or each of a projected volume's sources."""
    for each in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
        yield from ((kind, source) for kind, source in each.items() if kind in _FILES and source is not None)


def _name(source: Doc) -> str:
    return str(source.get("secretName") or source.get("name") or "")


def resolved(volume: Doc, pod: Doc, place: Place, sources: Sources) -> Volume:
    """What it holds now. Raises environment.Missing with kubelet's words."""
    name = volume["name"]
    kinds = [kind for kind in volume if kind != "name" and volume[kind] is not None]
    if volume.get("hostPath"):
        return Volume(name, host=volume["hostPath"]["path"])
    default = next((volume[kind].get("defaultMode") for kind in kinds if kind in _WRITTEN), None) or _MODE
    files = dict[str, File]()
    try:
        for kind, source in _sources(volume):
            files |= _FILES[kind](_Asked(source, pod, place, sources, default))
    except Missing as missing:
        raise Missing(f'MountVolume.SetUp failed for volume "{name}" : {missing}') from missing
    return Volume(name, files, stands_in_for=next((kind for kind in kinds if kind not in _PLAYED), ""))


class _Asked(Struct, frozen=True):
    source: Doc
    pod: Doc
    place: Place
    sources: Sources
    default: int
    """The mode of files that say none."""


def _of_configmap(asked: _Asked) -> Mapping[str, File]:
    return _of_keys(asked, "ConfigMap")


def _of_secret(asked: _Asked) -> Mapping[str, File]:
    return _of_keys(asked, "Secret")


def _of_keys(asked: _Asked, kind: str) -> Mapping[str, File]:
    source, name = asked.source, _name(asked.source)
    document = asked.sources.get((kind, name))
    if document is None and not source.get("optional"):
        raise Missing(f'{kind.lower()} "{name}" not found')
    held = _held(kind, document or {})
    items = source.get("items") or [{"key": key, "path": key} for key in held]
    lacking = [item["key"] for item in items if item["key"] not in held]
    if lacking and not source.get("optional"):
        namespace = asked.pod["metadata"].get("namespace", "")
        raise Missing(f"references non-existent {kind.lower()} key: {lacking[0]} in {namespace}/{name}")
    kept = [item for item in items if item["key"] in held]
    return {item["path"]: File(held[item["key"]], item.get("mode") or asked.default) for item in kept}


def _held(kind: str, document: Doc) -> dict[str, bytes]:
    data, binary = document.get("data") or {}, document.get("binaryData") or {}
    plain = {} if kind == "Secret" else {key: text.encode() for key, text in data.items()}
    encoded = data if kind == "Secret" else binary
    return plain | {key: base64.b64decode(text) for key, text in encoded.items()}


def _of_fields(asked: _Asked) -> Mapping[str, File]:
    found = dict[str, File]()
    for item in asked.source.get("items") or ():
        if not item.get("fieldRef"):
            raise Missing(f"{item['path']}: only fieldRef is known here")
        text = _downward(asked.pod, item["fieldRef"].get("fieldPath", ""), asked.place)
        found[item["path"]] = File(text.encode(), item.get("mode") or asked.default)
    return found


def _downward(pod: Doc, path: str, place: Place) -> str:
    """A field; all labels or annotations are a line each."""
    kind = path.removeprefix("metadata.")
    if path in ("metadata.labels", "metadata.annotations"):
        return "\n".join(f'{key}="{value}"' for key, value in sorted((pod["metadata"].get(kind) or {}).items()))
    return field(pod, path, place)


def _of_token(asked: _Asked) -> Mapping[str, File]:
    token = (asked.sources.get(TOKEN) or {}).get("token")
    if not token:
        raise Missing("failed to fetch token")
    return {asked.source["path"]: File(token.encode(), asked.default)}


_FILES: Mapping[str, Callable[[_Asked], Mapping[str, File]]] = {
    "configMap": _of_configmap,
    "secret": _of_secret,
    "downwardAPI": _of_fields,
    "serviceAccountToken": _of_token,
}


def mounts(container: Doc, folders: Mapping[str, str], variables: Mapping[str, str]) -> tuple[Mount, ...]:
    """Where the container sees what; `folders`: where each volume lies, by name."""
    return tuple(
        Mount(
            posixpath.join(folders[mount["name"]], _below(mount, variables)).rstrip("/"),
            mount["mountPath"],
            bool(mount.get("readOnly")),
        )
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in folders
    )


def _below(mount: Doc, variables: Mapping[str, str]) -> str:
    path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", variables)
    if path.startswith("/") or ".." in path.split("/"):
        raise Missing(f"subPath {path!r} of {mount['mountPath']} must be below its volume")
    return path
