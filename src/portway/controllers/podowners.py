"""What all controllers of objects that make pods have in common: which changes concern which owner; one look at it."""

import re
from collections.abc import Sequence
from typing import ClassVar

from portway.client import Key
from portway.client.reflector import key_of
from portway.controllers.cluster import Cluster, selecting
from portway.controllers.controller import Controller, distinct
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile import replicas
from portway.reconcile.change import Change, Event
from portway.reconcile.objects import controller_of, labels_of, name_of, namespace_of, spec_of
from portway.reconcile.resources import PODS

_REFUSALS = (400, 403, 422)
"""Of a pod, by what it says: trying again helps only when something else changes."""


def controller_key(document: Doc | None, kind: str) -> Key | None:
    """The key of its controller, if that is of this kind."""
    reference = controller_of(document) if document else None
    if document is None or reference is None or reference.get("kind") != kind:
        return None
    return namespace_of(document), str(reference.get("name"))


def match_labels(owner: Doc) -> dict[str, str]:
    """Those of its LabelSelector's matchLabels."""
    return (spec_of(owner).get("selector") or {}).get("matchLabels") or {}


class PodOwnerController(Controller):
    """Follows its own kind and pods."""

    resource: ClassVar[Resource]
    flavour: ClassVar[replicas.Flavour]

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.caches[self.resource].listeners.append(self.add)
        self.caches[PODS].listeners.append(self._pod_changed)

    def _pod_changed(self, _: Key, old: Doc | None, new: Doc | None) -> None:
        for pod in (old, new):
            if key := controller_key(pod, self.flavour.kind):
                self.queue.add(key)
        if new is not None and controller_of(new) is None:
            for owner in selecting(self.caches[self.resource], new):
                if self.flavour.matches(owner, labels_of(new)):
                    self.queue.add(key_of(owner))

    async def work(self, key: Key) -> float | None:
        """Take its next step."""
        owner = self.caches[self.resource].get(key)
        if owner is None:
            return None
        cache = self.caches[PODS]
        pods = distinct([*cache.owned_by(owner), *cache.labelled(key[0], self.wanted_labels(owner))])
        now = self.cluster.clock()
        try:
            await self.hands.carry_out(self.step(owner, pods, now))
        except ApiError as error:
            if error.code in _REFUSALS:
                self.cluster.recorder.record(self._failed(owner, error))
            raise
        return self.later(owner, pods, now)

    def _failed(self, owner: Doc, error: ApiError) -> Event:
        """The same news for every name that was tried, so that it is counted and not repeated."""
        prefix = re.escape(name_of(owner)[:58])
        message = re.sub(f'"{prefix}(-?)[a-z0-9]{{5}}"', f'"{name_of(owner)}\\1"', error.message)
        return Event(owner, "Warning", "FailedCreate", f"Error creating: {message}", self.flavour.component)

    def wanted_labels(self, owner: Doc) -> dict[str, str]:
        """Labels that every pod has that it may adopt."""
        return match_labels(owner)

    def step(self, owner: Doc, pods: Sequence[Doc], now: float) -> list[Change]:
        """What is to be done."""
        raise NotImplementedError

    def later(self, owner: Doc, pods: Sequence[Doc], now: float) -> float | None:
        """Seconds after which to look again."""
        return replicas.next_look(owner, pods, now)
