"""A small cluster of values: what reconcilers want is done, pods become ready or end as the test says."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

from portway.kubeapi.kinds import Resource
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.objects import name_of, timestamp
from portway.reconcile.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS

Doc = dict[str, Any]


class Simulation:
    """One owner and what it makes. `step(this)` gives the reconciler's changes."""

    def __init__(self, owner: Doc, step: Callable[["Simulation"], list[Change]]) -> None:
        self.owner, self._step = owner, step
        self.now = 10_000_000.0
        self.stored: dict[Resource, dict[str, Doc]] = {PODS: {}, CONTROLLER_REVISIONS: {}, PERSISTENT_VOLUME_CLAIMS: {}}
        self.log: list[tuple[str, str]] = []
        """("made" | "deleted", pod) in order."""
        self.news: list[Event] = []
        self.elsewhere: set[tuple[str, str]] = set()
        """(namespace, name) of claims of other namespaces."""
        self.gone = False
        self._numbers = itertools.count()

    @property
    def pods(self) -> dict[str, Doc]:
        return self.stored[PODS]

    def suffix(self) -> str:
        """Names that do not repeat."""
        return f"{next(self._numbers):05}"

    def act(self) -> int:
        """One look of the controller; how much it changed."""
        changes = self._step(self)
        for change in changes:
            self._carry_out(change)
        return sum(not isinstance(change, Event) for change in changes)

    def _carry_out(self, change: Change) -> None:
        if isinstance(change, Event):
            self.news.append(change)
        elif isinstance(change, Create):
            name = name_of(change.document)
            assert name not in self.stored[change.resource], f"{name} is there already"
            document = copy.deepcopy(change.document)
            document["metadata"] |= {"uid": f"uid-{next(self._numbers)}", "creationTimestamp": timestamp(self.now)}
            self.stored[change.resource][name] = document
            self._noted(change.resource, "made", name)
        elif isinstance(change, Delete):
            held = self.stored.get(change.resource)
            if held is None:
                self.gone = True
                return
            assert held.pop(change.name)["metadata"]["uid"] == change.uid
            self._noted(change.resource, "deleted", change.name)
        elif isinstance(change, Update) and change.resource in self.stored:
            self.stored[change.resource][name_of(change.document)] = change.document
        elif isinstance(change, Update):
            self.owner = copy.deepcopy(change.document)

    def _noted(self, resource: Resource, what: str, name: str) -> None:
        if resource == PODS:
            self.log.append((what, name))

    def becomes(self, name: str, phase: str = "Running") -> None:
        """A pod is ready, or has ended."""
        pod = self.pods[name]
        status = "True" if phase == "Running" else "False"
        ready = {"type": "Ready", "status": status, "lastTransitionTime": timestamp(self.now)}
        ended = {"state": {"terminated": {"finishedAt": timestamp(self.now)}}} if phase != "Running" else {}
        pod["status"] = {"phase": phase, "conditions": [ready], "containerStatuses": [ended]}

    def settle(self, everything_runs: bool = True, most: int = 400) -> None:
        """Until nothing changes any more."""
        for _ in range(most):
            changed = self.act()
            fresh = [name for name, pod in self.pods.items() if not pod.get("status")] if everything_runs else []
            for name in fresh:
                self.becomes(name)
            if not changed and not fresh:
                return
        raise AssertionError(f"never at rest: {self.log[-20:]}")
