"""Carries out Changes through the API, and lets the caches see what came of them at once."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from portway.client import Api
from portway.client.recorder import Recorder
from portway.controllers.cache import Cache
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.reconcile.change import Bind, Change, Create, Delete, Event, Update
from portway.reconcile.resources import PODS

_AT_ONCE = 32
"""Requests under way for one key."""


class Hands:
    """One pair for all controllers."""

    def __init__(
        self, api: Api, caches: Mapping[Resource, Cache], recorder: Recorder, clock: Callable[[], float] = time.time
    ) -> None:
        self._api, self._caches, self._recorder, self._clock = api, caches, recorder, clock
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def carry_out(self, changes: Sequence[Change]) -> None:
        """All of them at once, or as many as may be under way; each object is in at most one of them.

        Raises the first failure after all have been tried. What is no failure: deleting what is gone, creating in a
        namespace that is going. An Event is recorded only when the Change before it was carried out.
        """
        groups = _with_events(changes)
        results = await asyncio.gather(*(self._one(group) for group in groups), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _one(self, group: Sequence[Change]) -> None:
        for change in group:
            if isinstance(change, Event):
                self._recorder.record(change)
            else:
                async with self._free:
                    if not await self._request(change):
                        return

    async def _request(self, change: Create | Update | Delete | Bind) -> bool:
        """Whether it was carried out, or need not be."""
        try:
            match change:
                case Create():
                    self._seen(change.resource, await self._api.create(change.resource, change.document))
                case Update():
                    updated = await self._api.replace(change.resource, change.document, change.subresource)
                    self._seen(change.resource, updated)
                case Delete():
                    await self._delete(change)
                case Bind():
                    await self._api.post(PODS.path(change.namespace, change.pod, "binding"), binding(change))
        except ApiError as error:
            if _is_moot(change, error):
                return False
            raise
        return True

    def _seen(self, resource: Resource, document: dict[str, object]) -> None:
        if resource in self._caches:
            self._caches[resource].note(document)

    async def _delete(self, change: Delete) -> None:
        await self._api.delete(change.resource, change.namespace, change.name, uid=change.uid, propagation="Background")
        if change.resource in self._caches:
            self._caches[change.resource].doom((change.namespace, change.name), change.uid, self._clock())


def binding(change: Bind) -> dict[str, object]:
    """The v1.Binding to post."""
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"namespace": change.namespace, "name": change.pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": change.node},
    }


def _is_moot(change: Change, error: ApiError) -> bool:
    if isinstance(change, Create):
        causes = (error.details or {}).get("causes") or []
        return error.code == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
    if isinstance(change, Delete):
        return error.code in (404, 409)  # gone, or another object by now
    return error.code == 404


def _with_events(changes: Sequence[Change]) -> list[list[Change]]:
    """Each Change with the Events that follow it."""
    groups: list[list[Change]] = []
    for change in changes:
        if isinstance(change, Event) and groups:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups
