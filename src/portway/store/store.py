"""The store: reads from memory, writes through the writer, watches from the history."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from portway.store.changes import Change, Entry, Event, Key, Outcome
from portway.store.database import Database
from portway.store.history import History
from portway.store.watcher import Watcher
from portway.store.writer import Writer

_HISTORY = 10_000
_HISTORY_BYTES = 64 << 20
_WATCHER_QUEUE = 1_000


class _Collection:
    """The documents of one collection, in order."""

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self._sorted: list[Key] | None = None

    def put(self, entry: Entry) -> None:
        if entry.key not in self.entries:
            self._sorted = None
        self.entries[entry.key] = entry

    def delete(self, key: Key) -> None:
        del self.entries[key]
        self._sorted = None

    @property
    def keys(self) -> list[Key]:
        if self._sorted is None:
            self._sorted = sorted(self.entries)
        return self._sorted


class Store:
    """Make it inside a running event loop and use it from there; `close` it at the end. Raises StoreError."""

    def __init__(self, path: str | Path, *, history: int = _HISTORY, watcher_queue: int = _WATCHER_QUEUE) -> None:
        self._database = Database(path)
        self._collections: defaultdict[str, _Collection] = defaultdict(_Collection)
        for entry in self._database.entries():
            self._collections[entry.key.collection].put(entry)
        self._history = History(self._database.events(history), self._database.head(), history, _HISTORY_BYTES)
        self._watchers: defaultdict[str, dict[Watcher, str]] = defaultdict(dict)
        self._watcher_queue = watcher_queue
        self.ending = False
        """Set by `end_watches`."""
        self._writer = Writer(self._database, self._publish)

    def end_watches(self) -> None:
        """Tell all watchers, those that come later too, that nothing more will come."""
        self.ending = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    async def close(self) -> None:
        """Everything accepted so far is written; then the file is let go."""
        await self._writer.stop()
        self._database.close()

    @property
    def revision(self) -> int:
        """The revision that reads see now."""
        return self._history.head

    @property
    def oldest(self) -> int:
        """The oldest revision that can be watched from or listed at."""
        return self._history.oldest

    async def commit(self, *changes: Change) -> Outcome:
        """Make the changes, all or none; answers once they are on disk and reads and watchers have them."""
        return await self._writer.commit(changes)

    def get(self, key: Key) -> Entry | None:
        """The document as it is now."""
        return self._collections[key.collection].entries.get(key)

    def list(self, collection: str, namespace: str = "", *, revision: int = 0, after: Key | None = None) -> list[Entry]:
        """A collection's documents (of one namespace, or "" for all) in the order of their keys.

        As they are now, or were at `revision`; only those whose keys come after `after`. Raises Expired.
        """
        kept = self._collections[collection]
        if revision and revision != self.revision:
            entries = self._past(collection, revision)
            keys = sorted(entries)
        else:
            entries, keys = kept.entries, kept.keys
        return [entries[key] for key in keys[_start(keys, collection, namespace, after) : _end(keys, namespace)]]

    def _past(self, collection: str, revision: int) -> dict[Key, Entry]:
        entries: dict[Key, Entry | None] = {**self._collections[collection].entries}
        entries.update(self._history.undone(collection, revision))
        return {key: entry for key, entry in entries.items() if entry is not None}

    def watch(self, collection: str, namespace: str = "", *, revision: int = 0) -> Watcher:
        """Events of a collection (of one namespace, or "" for all) after `revision`; 0: from now. Raises Expired."""
        backlog = self._history.after(revision or self.revision)
        wanted = [event for event in backlog if _concerns(event.key, collection, namespace)]
        watchers = self._watchers[collection]
        watcher = Watcher(wanted, self._watcher_queue, lambda it: watchers.pop(it, None))
        watchers[watcher] = namespace
        if self.ending:
            watcher.end()
        return watcher

    def _publish(self, events: Sequence[Event]) -> int:
        """Take the events in; the revision up to which the log is no longer needed."""
        self._history.extend(events)
        for event in events:
            self._apply(event)
            for watcher, namespace in list(self._watchers[event.key.collection].items()):
                if namespace in ("", event.key.namespace):
                    watcher.push(event)
        return self._history.oldest

    def _apply(self, event: Event) -> None:
        collection = self._collections[event.key.collection]
        if event.value is None:
            collection.delete(event.key)
        else:
            collection.put(Entry(event.key, event.revision, event.value))

    def collections(self) -> Iterator[str]:
        """The names of those that hold something."""
        return (name for name, collection in self._collections.items() if collection.entries)


def _concerns(key: Key, collection: str, namespace: str) -> bool:
    return key.collection == collection and namespace in ("", key.namespace)


def _start(keys: Sequence[Key], collection: str, namespace: str, after: Key | None) -> int:
    first = bisect_left(keys, Key(collection, namespace, "")) if namespace else 0
    if after is None:
        return first
    return max(first, bisect_left(keys, Key(after.collection, after.namespace, after.name + "\0")))


def _end(keys: Sequence[Key], namespace: str) -> int | None:
    if not namespace or not keys:
        return None
    return bisect_left(keys, Key(keys[0].collection, namespace + "\0", ""))
