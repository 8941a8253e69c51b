"""A container's environment and command line as Kubernetes makes them. Pure.

Sources: pkg/kubelet/kubelet_pods.go makeEnvironmentVariables; third_party/forked/golang/expansion.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from portway.kubeapi.errors import Doc

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")


class Missing(Exception):
    """Something the container refers to is not there; the text is kubelet's."""


class Place(Struct, frozen=True):
    """What only the node knows about a pod."""

    pod_ips: tuple[str, ...]
    host_ips: tuple[str, ...]
    hostname: str = ""
    """What the pod is called inside."""


Sources = Mapping[tuple[str, str], Doc]
"""ConfigMaps and Secrets of the pod's namespace by ("ConfigMap" | "Secret", name)."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$` becomes `$`; a name that is not known is left as it stands."""

    def replace(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(replace, text)


def references(container: Doc) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that the container's environment names."""
    found = set()
    for source in container.get("envFrom") or []:
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if source.get(field):
                found.add((kind, source[field].get("name", "")))
    for variable in container.get("env") or []:
        chosen = variable.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if chosen.get(field):
                found.add((kind, chosen[field].get("name", "")))
    return found


def environment(pod: Doc, container: Doc, place: Place, sources: Sources) -> dict[str, str]:
    """All variables, later ones over earlier ones, each able to name those before it. Raises Missing."""
    found: dict[str, str] = {"HOSTNAME": pod["metadata"]["name"]}
    for source in container.get("envFrom") or []:
        found |= _all_of(source, pod, sources)
    for variable in container.get("env") or []:
        value = _value(variable, pod, place, sources, found)
        if value is not None:
            found[variable["name"]] = value
    return found


def _all_of(source: Doc, pod: Doc, sources: Sources) -> dict[str, str]:
    kind, reference = (
        ("ConfigMap", source["configMapRef"]) if source.get("configMapRef") else ("Secret", source.get("secretRef"))
    )
    if not reference:
        return {}
    document = _document(kind, reference, pod, sources)
    prefix = source.get("prefix") or ""
    return {prefix + key: _text(kind, value) for key, value in ((document or {}).get("data") or {}).items()}


def _value(variable: Doc, pod: Doc, place: Place, sources: Sources, known: Mapping[str, str]) -> str | None:
    chosen = variable.get("valueFrom")
    if not chosen:
        return expand(variable.get("value") or "", known)
    if chosen.get("fieldRef"):
        return field(pod, chosen["fieldRef"].get("fieldPath", ""), place)
    if chosen.get("configMapKeyRef"):
        return _key("ConfigMap", chosen["configMapKeyRef"], pod, sources)
    if chosen.get("secretKeyRef"):
        return _key("Secret", chosen["secretKeyRef"], pod, sources)
    return ""


def _key(kind: str, reference: Doc, pod: Doc, sources: Sources) -> str | None:
    document = _document(kind, reference, pod, sources)
    data = (document or {}).get("data") or {}
    key = reference.get("key", "")
    if key in data:
        return _text(kind, data[key])
    if reference.get("optional"):
        return None
    namespace = pod["metadata"].get("namespace", "")
    raise Missing(f"couldn't find key {key} in {kind} {namespace}/{reference.get('name', '')}")


def _document(kind: str, reference: Doc, pod: Doc, sources: Sources) -> Doc | None:
    name = reference.get("name", "")
    document = sources.get((kind, name))
    if document is None and not reference.get("optional"):
        raise Missing(f'{kind.lower()} "{name}" not found')
    return document


def _text(kind: str, value: str) -> str:
    return base64.b64decode(value).decode(errors="replace") if kind == "Secret" else value


_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


def field(pod: Doc, path: str, place: Place) -> str:
    """The downward API's fieldPath. Raises Missing for one that does not exist."""
    metadata: Doc = pod["metadata"]
    spec: Doc = pod.get("spec") or {}
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    simple: dict[str, Any] = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "metadata.uid": metadata.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.podIP": place.pod_ips[0],
        "status.podIPs": ",".join(place.pod_ips),
        "status.hostIP": place.host_ips[0],
        "status.hostIPs": ",".join(place.host_ips),
    }
    if path not in simple:
        raise Missing(f"unsupported fieldPath: {path}")
    return str(simple[path] or "")
