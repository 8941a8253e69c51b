"""The scheduler's shell: who waits for a node, what the nodes carry, what is bound but not seen to be yet."""

import asyncio

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cache import Cache
from portway.controllers.cluster import Cluster
from portway.controllers.controller import Controller
from portway.kubeapi.errors import Doc
from portway.reconcile import scheduler
from portway.reconcile.change import Bind, Change
from portway.reconcile.objects import has_ended, spec_of, uid_of
from portway.reconcile.resources import NODES, PODS


def _node_of(pod: Doc | None) -> str:
    """Where it counts: its node, unless it has ended."""
    return "" if pod is None or has_ended(pod) else str(spec_of(pod).get("nodeName") or "")


class Desk:
    """Follows pods and nodes; `decide` places all pods that wait."""

    def __init__(self, pods: Cache, nodes: Cache) -> None:
        self.waiting: set[Key] = set()
        self._pods, self._nodes = pods, nodes
        self._load = scheduler.Load()
        self._assumed: dict[str, tuple[Doc, str]] = {}
        """uid → the pod and the node it was given, until the watch shows it there."""

    def follow(self, key: Key, old: Doc | None, new: Doc | None) -> bool:
        """A pod changed; whether there is something to decide."""
        for pod in (old, new):
            self._settle(pod, gone=new is None or uid_of(new) != uid_of(pod or {}))
        if old is not None and (node := _node_of(old)):
            self._load.add(old, node, -1)
        if new is not None and (node := _node_of(new)):
            self._load.add(new, node)
        if new is not None and scheduler.awaits_node(new) and uid_of(new) not in self._assumed:
            self.waiting.add(key)
            return old is None or uid_of(old) != uid_of(new) or spec_of(old) != spec_of(new)
        self.waiting.discard(key)
        return _node_of(old) != _node_of(new)

    def _settle(self, pod: Doc | None, *, gone: bool) -> None:
        """An assumption ends when it has come true or its pod is gone."""
        if pod is None or (uid := uid_of(pod)) not in self._assumed:
            return
        if gone or spec_of(pod).get("nodeName") or has_ended(pod):
            assumed, node = self._assumed.pop(uid)
            self._load.add(assumed, node, -1)

    def decide(self, now: float) -> list[tuple[Doc, list[Change]]]:
        """What is wanted of each pod that waits, the longest waiting first."""
        nodes = list(self._nodes.objects.values())
        decisions: list[tuple[Doc, list[Change]]] = []
        for key in sorted(self.waiting, key=self._age):
            pod = self._pods.get(key)
            if pod is None:
                continue
            wanted = scheduler.schedule(pod, nodes, self._load, now)
            for change in wanted:
                if isinstance(change, Bind):
                    self._assumed[uid_of(pod)] = (pod, change.node)
                    self.waiting.discard(key)
            if wanted:
                decisions.append((pod, wanted))
        return decisions

    def _age(self, key: Key) -> tuple[str, Key]:
        pod = self._pods.get(key) or {}
        return (pod.get("metadata") or {}).get("creationTimestamp") or "", key

    def retract(self, pod: Doc) -> None:
        """It could not be bound: it waits again, unless the watch has shown another end of it."""
        if uid_of(pod) not in self._assumed:
            return
        assumed, node = self._assumed.pop(uid_of(pod))
        self._load.add(assumed, node, -1)
        key = key_of(pod)
        current = self._pods.get(key)
        if current is not None and scheduler.awaits_node(current):
            self.waiting.add(key)


class Scheduler(Controller):
    """One key for all pods that wait: they are placed together, in one pass over the nodes' load."""

    workers = 1
    _ALL = "all"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.desk = Desk(self.caches[PODS], self.caches[NODES])
        self.caches[PODS].listeners.append(self._pod_changed)
        self.caches[NODES].listeners.append(self._node_changed)

    def _pod_changed(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        if self.desk.follow(key, old, new):
            self.queue.add(self._ALL)

    def _node_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        if self.desk.waiting and (old is None or new is None or scheduler.placement(old) != scheduler.placement(new)):
            self.queue.add(self._ALL)

    async def work(self, key: str) -> float | None:
        """Place all pods that wait."""
        decisions = self.desk.decide(self.cluster.clock())
        outcomes = await asyncio.gather(
            *(self.hands.carry_out(changes) for _, changes in decisions), return_exceptions=True
        )
        failures = [(pod, error) for (pod, _), error in zip(decisions, outcomes, strict=True) if error]
        for pod, _ in failures:
            self.desk.retract(pod)
        for _, error in failures:
            raise error
        return None
