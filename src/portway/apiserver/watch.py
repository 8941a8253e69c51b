"""GET with watch: a stream of JSON lines, one an event.

A document that stops matching the selectors is DELETED to the watcher, one that begins to is ADDED. A watcher that
does not read is told 410 Expired within the stream and has to list again; nobody waits for it.
"""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress

import msgspec
from aiohttp import web

from portway.apiserver import shapes
from portway.apiserver.call import Call
from portway.apiserver.reads import expired
from portway.apiserver.registry import Registry, collection
from portway.apiserver.selection import Selection, selection
from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.pipeline import with_revision
from portway.store import Ended, Event, Expired, Overflow, Watcher

_BOOKMARK_SECONDS = 30.0
_LONGEST = (1800, 3600)
"""Seconds that a watch lasts when the client does not say, at random in between."""
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class _Stream:
    """Writes one watch's lines."""

    def __init__(self, call: Call, selected: Selection) -> None:
        self._call, self._selected = call, selected
        self._kind = call.target.kind
        self._columns_sent = False
        self.response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )

    async def open(self) -> None:
        await self.response.prepare(self._call.request)

    async def events(self, events: Iterable[Event]) -> None:
        """Those that the selection sees, in one write."""
        lines = [line for event in events if (line := self._seen(event))]
        if lines:
            await self.response.write(b"".join(lines))

    def _seen(self, event: Event) -> bytes:
        before = self._selected.matches_value(event.previous)
        after = self._selected.matches_value(event.value)
        if not before and not after:
            return b""
        value = event.value if after else event.previous
        kind = b"ADDED" if not before else b"MODIFIED" if after else b"DELETED"
        return self._line(kind, with_revision(value or b"", event.revision))

    async def added(self, values: Iterable[bytes]) -> None:
        """Documents that were there when the watch began."""
        data = b"".join(self._line(b"ADDED", value) for value in values)
        if data:
            await self.response.write(data)

    async def bookmark(self, revision: int, annotations: Doc | None = None) -> None:
        """Everything up to `revision` has been seen."""
        metadata: Doc = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        doc: Doc = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        if self._call.form.shape == "Table":
            doc = {"kind": "Table", "apiVersion": f"meta.k8s.io/{self._call.form.version}", "metadata": metadata}
            doc |= {"columnDefinitions": None, "rows": []}
        await self.response.write(b'{"type":"BOOKMARK","object":%b}\n' % msgspec.json.encode(doc))

    async def error(self, error: ApiError) -> None:
        """The stream's last line."""
        await self.response.write(b'{"type":"ERROR","object":%b}\n' % msgspec.json.encode(error.status))

    def _line(self, kind: bytes, value: bytes) -> bytes:
        form = self._call.form
        if form.shape:
            value = shapes.reshaped(self._kind, value, form, self._call.query.get("includeObject", ""))
            if form.shape == "Table" and self._columns_sent:
                value = msgspec.json.encode(msgspec.json.decode(value) | {"columnDefinitions": None})
            self._columns_sent = True
        else:
            value = shapes.as_served(self._kind, value)
        return b'{"type":"%b","object":%b}\n' % (kind, value)


async def watch(registry: Registry, call: Call) -> web.StreamResponse:
    """The stream, until its time is over, the client goes or falls behind. Raises 400."""
    selected = selection(call)
    revision = call.revision()
    seconds = call.number("timeoutSeconds") or random.randint(*_LONGEST)
    stream = _Stream(call, selected)
    try:
        watcher = _begin(registry, call, revision)
    except Expired as error:
        await stream.open()
        await stream.error(expired(error))
        return stream.response
    try:
        await _start(registry, call, stream, selected, revision)
        with suppress(TimeoutError, ConnectionResetError):
            await _follow(registry, call, stream, watcher, seconds)
    finally:
        watcher.close()
    return stream.response


def _begin(registry: Registry, call: Call, revision: int) -> Watcher:
    """A revision that has not happened is another history's: the client has to list again."""
    store = registry.store
    if revision > store.revision:
        raise Expired(revision, store.revision)
    after = store.revision if _wants_initial(call, revision) else revision
    return store.watch(collection(call.target.kind), call.target.namespace, revision=after)


def _wants_initial(call: Call, revision: int) -> bool:
    return revision == 0 or call.flag("sendInitialEvents")


async def _start(registry: Registry, call: Call, stream: _Stream, selected: Selection, revision: int) -> None:
    store = registry.store
    now = store.revision
    entries = store.list(collection(call.target.kind), call.target.namespace) if _wants_initial(call, revision) else []
    await stream.open()
    await stream.added(shapes.stored(entry) for entry in selected.of(entries))
    if call.flag("sendInitialEvents") and call.flag("allowWatchBookmarks"):
        await stream.bookmark(now, _INITIAL_EVENTS_END)


async def _follow(registry: Registry, call: Call, stream: _Stream, watcher: Watcher, seconds: int) -> None:
    bookmarks = call.flag("allowWatchBookmarks")
    async with asyncio.timeout(seconds):
        while True:
            try:
                async with asyncio.timeout(_BOOKMARK_SECONDS):
                    events = await watcher.take()
            except TimeoutError:
                if bookmarks and watcher.idle:
                    await stream.bookmark(registry.store.revision)
                continue
            except Ended:
                return
            except Overflow:
                await stream.error(ApiError(410, "Expired", "the watch fell behind; list again"))
                return
            await stream.events(events)
