"""Waits until what was applied runs: nodes ready, workloads rolled out, and why not when they are not."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from portway.cli.cluster import NODES, PODS
from portway.cli.status import is_ready
from portway.client import Api
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind

_PAUSE = 0.03
_CONTROLLERS = ("Deployment", "ReplicaSet", "ReplicationController")
_HELD_BACK = "portway.dev/ready"


class Workload(Struct, frozen=True):
    """Something applied that makes pods."""

    kind: Kind
    namespace: str
    name: str


class Progress(Struct, frozen=True):
    """How far it is."""

    nodes: int
    nodes_wanted: int
    pods: int
    pods_wanted: int
    waiting: tuple[Workload, ...] = ()

    @property
    def done(self) -> bool:
        """Everything runs."""
        return self.nodes >= self.nodes_wanted and not self.waiting


async def until_ready(
    api: Api, nodes: int, workloads: Sequence[Workload], seconds: float, show: Callable[[Progress], None]
) -> Progress:
    """Shows progress until all is ready or `seconds` are over; the last Progress says which."""
    deadline = time.monotonic() + seconds
    while True:
        progress = await _look(api, nodes, workloads)
        show(progress)
        if progress.done or time.monotonic() > deadline:
            return progress
        await asyncio.sleep(_PAUSE)


async def _look(api: Api, nodes: int, workloads: Sequence[Workload]) -> Progress:
    node_documents, _ = await api.list(NODES)
    documents = await asyncio.gather(*(api.get(w.kind.resource, w.namespace, w.name) for w in workloads))
    counted = [_count(w.kind, document) for w, document in zip(workloads, documents, strict=True)]
    return Progress(
        nodes=sum(map(is_ready, node_documents)),
        nodes_wanted=nodes,
        pods=sum(ready for ready, _, _ in counted),
        pods_wanted=sum(wanted for _, wanted, _ in counted),
        waiting=tuple(w for w, (_, _, done) in zip(workloads, counted, strict=True) if not done),
    )


def _count(kind: Kind, document: Doc) -> tuple[int, int, bool]:
    """(pods ready, pods wanted, whether it has arrived there)."""
    if kind.kind == "Pod":
        ready = is_ready(document)
        return int(ready), 1, ready or _held_back(document)
    spec, status = document["spec"], document.get("status") or {}
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    observed = status.get("observedGeneration", 0) >= document["metadata"].get("generation", 0)
    updated = kind.kind != "Deployment" or status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted
    done = observed and updated and (ready >= wanted or _held_back(spec["template"]))
    return min(ready, wanted), wanted, done


def _held_back(pod: Doc) -> bool:
    """`portway.dev/ready: "false"` says that it shall not become ready."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(_HELD_BACK) == "false")


def workloads(applied: Iterable[tuple[Kind, Doc]]) -> list[Workload]:
    """Those of the applied documents that make pods."""
    return [
        Workload(kind, document["metadata"].get("namespace", ""), document["metadata"]["name"])
        for kind, document in applied
        if kind.kind == "Pod" or kind.kind in _CONTROLLERS
    ]


async def reasons(api: Api) -> list[str]:
    """One line for each pod that is not ready: what it waits for."""
    pods, _ = await api.list(PODS)
    return [f"pod {_name(pod)}: {_why(pod)}" for pod in pods if not is_ready(pod) and not _held_back(pod)]


def _name(pod: Doc) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _why(pod: Doc) -> str:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            return f"container {container['name']}: {waiting.get('reason', 'waiting')}: {waiting.get('message', '')}"
    for condition in status.get("conditions") or []:
        if condition["status"] == "False" and condition.get("message"):
            return f"{condition.get('reason') or condition['type']}: {condition['message']}"
    return f"phase {status.get('phase', 'unknown')}"
