"""Keeps the objects of one resource as they are now: list once, then watch for as long as it runs.

Source: client-go's Reflector. Resume from the last resourceVersion seen (an event's or a bookmark's); on 410 list
again and tell the differences; on any other failure wait, longer each time, and go on from where it was.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from portway.client.api import Api, WatchEvent
from portway.client.failure import Unreachable
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.kinds import Resource

T = TypeVar("T")
Key = tuple[str, str]
"""(namespace, name); the namespace is "" for cluster-scoped resources."""

_WATCH_SECONDS = (300, 600)
"""A watch is renewed after a random time in between, so that not all of them are at once."""
_REMEMBERED = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 10.0

log = logging.getLogger(__name__)


def _same(document: Doc) -> Any:
    return document


def _ignore(*_: object) -> None:
    return None


class Reflector(Generic[T]):
    """The objects of one resource, decoded, by key.

    `on_change(key, old, new)` is called after `objects` has changed: old None for a new object, new None for one
    that is gone. An object that `decode` gives ValueError for is logged and treated as absent. `chance` (0 to 1)
    and `pause` (sleeps) are for tests of time.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        decode: Callable[[Doc], T] = _same,
        on_change: Callable[[Key, T | None, T | None], object] = _ignore,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.objects: dict[Key, T] = {}
        self.synced = asyncio.Event()
        """Set once the first list is in `objects`."""
        self.failure: Exception | None = None
        """Why nothing comes from the server at the moment; None when it does."""
        self._api, self._resource, self._namespace = api, resource, namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._decode, self._on_change = decode, on_change
        self._chance, self._pause = chance, pause
        self._versions: dict[Key, str] = {}
        self._noted: set[Key] = set()
        """Keys told of by `note` since the last list began: their state may be ahead of the watch."""
        self._gone: deque[str] = deque(maxlen=_REMEMBERED)
        """Uids deleted lately: an answer that arrives after the watch must not bring them back."""
        self._version = ""
        """Where the next watch goes on; empty: list first."""
        self._failures = 0

    async def run(self) -> None:
        """Forever: ends only by cancellation or an exception from `on_change`."""
        first = "0"
        while True:
            try:
                if not self._version:
                    await self._list(first)
                    first = ""
                await self._watch()
            except (ApiError, Unreachable) as failure:
                await self._recover(failure)

    def note(self, document: Doc) -> None:
        """Take what a write of our own returned as seen now, instead of when the watch tells of it."""
        key = key_of(document)
        if (_uid_of(document) or None) in self._gone or _is_older(document, self._versions.get(key, "")):
            return
        self._noted.add(key)
        self._learn(key, document)

    async def _list(self, resource_version: str) -> None:
        self._noted.clear()
        pages = self._api.pages(
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version=resource_version,
        )
        found: set[Key] = set()
        version = ""
        # Documents are reduced to what is kept of them as they come: those of a large cluster are never all there.
        async for page in pages:
            for item in page:
                found.add(key := key_of(item))
                if self._versions.get(key) != _version_of(item) and key not in self._noted:
                    self._learn(key, item)
            version = page.version
        for key in [key for key in self._versions if key not in found and key not in self._noted]:
            self._forget(key)
        self._version = version
        self._works()
        self.synced.set()

    async def _watch(self) -> None:
        shortest, longest = _WATCH_SECONDS
        events = self._api.watch(
            self._resource,
            self._namespace,
            resource_version=self._version,
            seconds=int(shortest + (longest - shortest) * self._chance()),
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        began = asyncio.get_running_loop().time()
        count = 0
        async with aclosing(events):
            async for event in events:
                self._apply(event)
                count += 1
        if not count and asyncio.get_running_loop().time() - began < 1.0:
            # a server that ends watches as soon as they begin must not be asked in a tight loop
            raise Unreachable("the API server ended a watch at once")

    def _apply(self, event: WatchEvent) -> None:
        key = key_of(event.object)
        if event.type == "DELETED":
            self._gone.append(_uid_of(event.object))
            if not self._overtaken(key, event.object):
                self._forget(key)
        elif event.type in ("ADDED", "MODIFIED") and not self._overtaken(key, event.object):
            self._learn(key, event.object)
        self._version = _version_of(event.object) or self._version
        self._works()

    def _overtaken(self, key: Key, document: Doc) -> bool:
        """Whether `note` has told of this or a later state already."""
        known = self._versions.get(key, "")
        return key in self._noted and (known == _version_of(document) or _is_older(document, known))

    def _works(self) -> None:
        self._failures, self.failure = 0, None

    def _learn(self, key: Key, document: Doc) -> None:
        try:
            new = self._decode(document)
        except ValueError as error:
            log.warning("%s %s/%s cannot be used: %s", self._resource.plural, *key, error)
            self._forget(key)
            return
        old = self.objects.get(key)
        self.objects[key], self._versions[key] = new, _version_of(document)
        self._on_change(key, old, new)

    def _forget(self, key: Key) -> None:
        self._versions.pop(key, None)
        old = self.objects.pop(key, None)
        if old is not None:
            self._on_change(key, old, None)

    async def _recover(self, failure: Exception) -> None:
        if isinstance(failure, ApiError):
            self._version = ""  # 410 Expired, or a refusal that a fresh list will state clearly
        if self.failure is None or str(failure) != str(self.failure):
            log.info("%s: %s", self._resource.plural, failure)
        self.failure = failure
        await self._pause(backoff(self._failures, self._chance()))
        self._failures += 1


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row: doubling, spread over the upper half by `chance`."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16))
    return longest * (0.5 + 0.5 * chance)


def key_of(document: Doc) -> Key:
    """(namespace, name) of a document."""
    metadata = document.get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""


def _version_of(document: Doc) -> str:
    return str((document.get("metadata") or {}).get("resourceVersion") or "")


def _uid_of(document: Doc) -> str:
    return str((document.get("metadata") or {}).get("uid") or "")


def _is_older(document: Doc, version: str) -> bool:
    """By number: what the API calls opaque has been a growing number in every server there is (KEP-5504)."""
    own = _version_of(document)
    return own.isdecimal() and version.isdecimal() and int(own) < int(version)
