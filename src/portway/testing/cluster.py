"""A cluster in memory: Changes applied to documents, controllers called until none wants more, time that one sets.

It applies Changes the way the API server would (uids, resourceVersions, generations, conflicts) and plays the nodes:
a pod with a node runs and is ready a moment later, a pod that is being deleted is gone a moment later.
"""

from collections.abc import Callable, Iterator
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile import deployments, endpointslices, replicasets, scheduler
from portway.reconcile.change import Bind, Change, Create, Delete, Event, Update
from portway.reconcile.objects import (
    contains_all,
    controller_of,
    is_active,
    is_deleting,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    timestamp,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import DEPLOYMENTS, ENDPOINT_SLICES, NODES, PODS, REPLICA_SETS, SERVICES

Name = tuple[str, str]
_ROUNDS = 500


class Cluster:
    """Documents by resource and (namespace, name). `now` is the time that controllers are told."""

    def __init__(self, nodes: int = 3) -> None:
        self.now = 1_000_000.0
        self.objects: dict[Resource, dict[Name, Doc]] = {}
        self.events: list[Event] = []
        self.healthy: Callable[[Doc], bool] = lambda pod: True
        """Which pods become ready."""
        self.watcher: Callable[[], None] = lambda: None
        """Called after every write."""
        self._numbers = 0
        for number in range(1, nodes + 1):
            self.put(NODES, {"metadata": {"name": f"node-{number}"}})

    def all(self, resource: Resource) -> list[Doc]:
        """Every document of a resource."""
        return list(self.objects.get(resource, {}).values())

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Doc:
        """One document. Raises KeyError."""
        return self.objects[resource][namespace, name]

    def put(self, resource: Resource, document: Doc) -> Doc:
        """Create or replace as a user would, whatever the resourceVersion. Namespaced documents go to "default"."""
        if resource.namespaced:
            document = with_metadata(document, namespace=namespace_of(document) or "default")
        old = self.objects.get(resource, {}).get((namespace_of(document), name_of(document)))
        if old is None:
            return self._store(resource, with_metadata(document, **self._birth()), 1)
        kept = {key: meta(old).get(key) for key in ("uid", "creationTimestamp")}
        changed = spec_of(document) != spec_of(old)
        return self._store(resource, with_metadata(document, **kept), (meta(old)["generation"]) + changed)

    def apply(self, change: Change) -> None:
        """What the API server would do. Raises AssertionError for what it would refuse."""
        match change:
            case Create():
                self._create(change)
            case Update():
                self._update(change)
            case Delete():
                self._delete(change)
            case Bind():
                pod = self.get(PODS, change.pod, change.namespace)
                self._store(PODS, {**pod, "spec": {**spec_of(pod), "nodeName": change.node}}, 1)
            case Event():
                self.events.append(change)
        self.watcher()

    def pods(self, owner: Doc | None = None) -> list[Doc]:
        """Active pods, of one ReplicaSet or all."""
        active = [pod for pod in self.all(PODS) if is_active(pod)]
        return [p for p in active if owner is None or (controller_of(p) or {}).get("uid") == uid_of(owner)]

    def settle(self) -> None:
        """Controllers and nodes in turn until nobody wants anything. Raises AssertionError when they never agree."""
        for _ in range(_ROUNDS):
            if not self.step():
                return
        raise AssertionError(f"no fixed point after {_ROUNDS} rounds")

    def step(self) -> bool:
        """One call of each controller on each of its objects, then one moment of the nodes; whether anything moved."""
        moved = False
        for reconcile in (self._deployments, self._replicasets, self._scheduler, self._slices):
            for changes in reconcile():
                for change in changes:
                    self.apply(change)
                moved = moved or bool(changes)
        return self._nodes() or moved

    def _deployments(self) -> Iterator[list[Change]]:
        for deployment in self.all(DEPLOYMENTS):
            yield deployments.reconcile(deployment, self.all(REPLICA_SETS), self.all(PODS), self.now)

    def _replicasets(self) -> Iterator[list[Change]]:
        for replicaset in self.all(REPLICA_SETS):
            yield replicasets.reconcile(replicaset, self.all(PODS), self.now, self._suffix)

    def _scheduler(self) -> Iterator[list[Change]]:
        load = scheduler.Load.of(self.all(PODS))
        for pod in filter(scheduler.awaits_node, self.all(PODS)):
            yield scheduler.schedule(pod, self.all(NODES), load, self.now)

    def _slices(self) -> Iterator[list[Change]]:
        nodes = {name_of(node): node for node in self.all(NODES)}
        for service in self.all(SERVICES):
            pods = [p for p in self.all(PODS) if contains_all(labels_of(p), spec_of(service).get("selector") or {})]
            mine = [s for s in self.all(ENDPOINT_SLICES) if self._is_of(s, service)]
            yield endpointslices.reconcile(service, pods, mine, nodes)

    @staticmethod
    def _is_of(slice_: Doc, service: Doc) -> bool:
        return labels_of(slice_).get(endpointslices.SERVICE_NAME) == name_of(service)

    def _nodes(self) -> bool:
        moved = False
        for pod in self.all(PODS):
            if is_deleting(pod):
                del self.objects[PODS][namespace_of(pod), name_of(pod)]
                moved = True
            elif spec_of(pod).get("nodeName") and is_ready(pod) != self.healthy(pod):
                self._set_ready(pod, self.healthy(pod))
                moved = True
        if moved:
            self.watcher()
        return moved

    def _set_ready(self, pod: Doc, ready: bool) -> None:
        ip = status_of(pod).get("podIP") or f"10.244.{self._next() // 250}.{self._numbers % 250 + 1}"
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(self.now)}
        status: dict[str, Any] = {"phase": "Running", "podIP": ip, "conditions": [condition]}
        self._store(PODS, {**pod, "status": status}, 1)

    def _create(self, change: Create) -> None:
        document = change.document
        if not name_of(document):
            document = with_metadata(document, name=meta(document)["generateName"] + self._suffix())
        key = namespace_of(document), name_of(document)
        assert key not in self.objects.get(change.resource, {}), f"{change.resource.plural} {key} exists"
        self._store(change.resource, with_metadata(document, **self._birth()), 1)

    def _update(self, change: Update) -> None:
        document = change.document
        old = self.get(change.resource, name_of(document), namespace_of(document))
        assert meta(old)["resourceVersion"] == meta(document)["resourceVersion"], f"conflict: {name_of(document)}"
        if change.subresource == "status":
            marked = with_metadata(old, annotations=meta(document).get("annotations"))
            self._store(change.resource, {**marked, "status": document["status"]}, meta(old)["generation"])
        else:
            changed = spec_of(document) != spec_of(old)
            kept = {**document, "status": status_of(old)}
            self._store(change.resource, kept, meta(old)["generation"] + changed)

    def _delete(self, change: Delete) -> None:
        old = self.get(change.resource, change.name, change.namespace)
        assert change.uid in ("", uid_of(old)), "another object by now"
        if change.resource == PODS and spec_of(old).get("nodeName"):
            self._store(PODS, with_metadata(old, deletionTimestamp=timestamp(self.now)), 1)
        else:
            del self.objects[change.resource][change.namespace, change.name]

    def _store(self, resource: Resource, document: Doc, generation: int) -> Doc:
        document = with_metadata(document, resourceVersion=str(self._next()), generation=generation)
        self.objects.setdefault(resource, {})[namespace_of(document), name_of(document)] = document
        return document

    def _birth(self) -> Doc:
        return {"uid": f"uid-{self._next()}", "creationTimestamp": timestamp(self.now)}

    def _suffix(self) -> str:
        return f"{self._next():05d}"

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers
