"""What operators make of custom resources: pods and Services that no manifest has, so that they cannot be missed."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from portway.analysis.bundle import Bundle, Item

_OURS = re.compile(r"(?:|apps|batch|autoscaling|policy|extensions|.*\.k8s\.io)")
"""API groups of Kubernetes itself, whose objects make nothing but what the analysis knows."""
_WANTS_PODS = frozenset({"replicas", "image", "instances", "containers", "podTemplate", "count"})


def may_select(bundle: Bundle, namespace: str, values: Iterable[str]) -> Item | None:
    """A custom resource whose operator may well make pods with one of these labels' values: by its name or kind."""
    wanted = set(values)
    return next((one for one in _makers(bundle, namespace) if {one.name, one.kind.lower()} & wanted), None)


def may_name(bundle: Bundle, namespace: str, name: str) -> Item | None:
    """A custom resource whose operator may well make a Service of that name: its own, or one that begins with it."""
    return next(
        (one for one in _makers(bundle, namespace) if name == one.name or name.startswith(f"{one.name}-")), None
    )


def _makers(bundle: Bundle, namespace: str) -> Sequence[Item]:
    return bundle.derived(_by_namespace).get(namespace, ())


def _by_namespace(bundle: Bundle) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in bundle.items:
        if not _OURS.fullmatch(item.group) and _wants_pods(item.spec):
            found.setdefault(item.namespace, []).append(item)
    return found


def _wants_pods(value: Any) -> bool:
    """Whether a field somewhere in it asks for pods."""
    if isinstance(value, dict):
        return any(key in _WANTS_PODS or _wants_pods(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_wants_pods, value))
