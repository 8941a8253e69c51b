"""What `kubectl apply` does, for `portway up -f`: create what is missing, patch what differs, say which."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from msgspec import Struct

from portway.client import Api
from portway.kubeapi import catalogue, yaml
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Kind

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_FIRST = {"Namespace": 0, "ServiceAccount": 1, "ConfigMap": 1, "Secret": 1, "Service": 2}


class Applied(Struct, frozen=True):
    """What became of one document."""

    name: str
    """`deployment.apps/web`, as kubectl writes it."""
    outcome: str
    """"created" | "configured" | "unchanged" | "not stored" | "refused"."""
    kind: Kind | None = None
    document: Doc = {}
    refusal: str = ""
    """Where in which file the server found what wrong."""


async def apply(api: Api, documents: Iterable[yaml.Document], namespace: str = "default") -> AsyncIterator[Applied]:
    """Applies documents in an order that works (namespaces first); one that is refused keeps nothing else away."""
    for document in sorted(documents, key=lambda each: _FIRST.get(each.value["kind"], 3)):
        value = document.value
        kind = catalogue.by_kind(value["apiVersion"], value["kind"])
        if kind is None:
            yield Applied(f"{value['kind']} ({value['apiVersion']})", "not stored")
            continue
        try:
            yield await _apply_one(api, kind, _placed(value, kind, namespace))
        except ApiError as error:
            yield Applied(_name(kind, value), "refused", kind, refusal=f"{_place(document, error)}: {error.message}")


def _place(document: yaml.Document, error: ApiError) -> str:
    """Where the first thing is that the server names."""
    causes = (error.details or {}).get("causes") or [{}]
    return document.where(causes[0].get("field", "") or "metadata.name")


def _placed(document: Doc, kind: Kind, namespace: str) -> Doc:
    metadata = dict(document.get("metadata") or {})
    if kind.namespaced:
        metadata.setdefault("namespace", namespace)
    return document | {"metadata": metadata}


async def _apply_one(api: Api, kind: Kind, document: Doc) -> Applied:
    metadata = document["metadata"]
    name = _name(kind, document)
    wanted = _remembering(document)
    try:
        current = await api.get(kind.resource, metadata.get("namespace", ""), metadata.get("name", ""))
    except ApiError as error:
        if error.code != 404:
            raise
        return Applied(name, "created", kind, await api.create(kind.resource, wanted))
    patch = three_way(_last_applied(current), wanted)
    changed = await api.patch(kind.resource, metadata.get("namespace", ""), metadata["name"], patch)
    same = changed["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
    return Applied(name, "unchanged" if same else "configured", kind, changed)


def _name(kind: Kind, document: Doc) -> str:
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.singular or kind.kind.lower()}{group}/{document['metadata']['name']}"


def _remembering(document: Doc) -> Doc:
    """With kubectl's annotation, so that `kubectl apply` can go on from here."""
    metadata = document["metadata"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    bare = document | {"metadata": metadata | {"annotations": annotations}}
    annotations = annotations | {LAST_APPLIED: json.dumps(bare, separators=(",", ":"), sort_keys=True) + "\n"}
    return document | {"metadata": metadata | {"annotations": annotations}}


def _last_applied(current: Doc) -> Doc:
    text = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    last: Doc = json.loads(text) if text else {}
    return last


def three_way(last: Any, wanted: Doc) -> Doc:
    """A JSON merge patch: everything wanted, and null for what was applied before and is wanted no more.

    Lists are replaced whole; the server fills in again what it had allocated (nodePorts by port name).
    """
    gone = {key: None for key in last if key not in wanted} if isinstance(last, dict) else {}
    return gone | {
        key: three_way(last.get(key) if isinstance(last, dict) else None, value) if isinstance(value, dict) else value
        for key, value in wanted.items()
    }
