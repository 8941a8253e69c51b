"""When two pod templates are the same, and the hash that names them."""

from typing import Any

import msgspec

from portway.kubeapi.errors import Doc
from portway.reconcile.objects import labels_of, meta, spec_of, status_of

HASH = "pod-template-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of generated names: no vowels, nothing that looks alike (k8s rand.SafeEncodeString)."""

_ZERO_IS_ABSENT = frozenset(
    {
        "hostPort",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "stdin",
        "stdinOnce",
        "tty",
        "readOnly",
        "initialDelaySeconds",
        "generation",
    }
)
"""Fields of a pod template that are no pointers in Go: their zero is the same as not being there. Clients differ in
whether they send it (protobuf does), and `kubectl rollout undo` drops it."""


def bare_template(owner: Doc) -> Doc:
    """spec.template as far as it tells templates apart: without the pod-template-hash label and what means nothing."""
    template = spec_of(owner).get("template") or {}
    labels = {key: value for key, value in labels_of(template).items() if key != HASH}
    metadata = {key: value for key, value in meta(template).items() if key not in ("labels", "creationTimestamp")}
    if labels:
        metadata["labels"] = labels
    metadata = {key: value for key, value in metadata.items() if value != {}}
    return {"metadata": _told(metadata), "spec": _told(spec_of(template))}


def _told(value: Any) -> Any:
    """Without nulls, empty lists, and zeroes that say nothing."""
    if isinstance(value, list):
        return [_told(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _told(part) for name, part in value.items() if not _says_nothing(name, part)}


def _says_nothing(name: str, value: Any) -> bool:
    return value is None or value == [] or (name in _ZERO_IS_ABSENT and value in (0, False))


def template_hash(owner: Doc) -> str:
    """The pod-template-hash of its template: FNV-1a of the canonical JSON and status.collisionCount.

    Kubernetes hashes a dump of Go structures; the value differs, its form (letters, length) does not.
    """
    value = 0x811C9DC5
    text = msgspec.json.encode(bare_template(owner), order="deterministic")
    for byte in text + str(status_of(owner).get("collisionCount") or "").encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))
