"""The last events, in memory: where watches begin, and how the past is seen."""

from collections import deque
from collections.abc import Iterator, Sequence

from portway.store.changes import Entry, Event, Key


class Expired(Exception):
    """The history begins after the revision that was asked for: list again."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"revision {revision} is older than {oldest}")
        self.revision, self.oldest = revision, oldest


class History:
    """Events up to `head`, as many as `limit` and `limit_bytes` allow, the oldest leaving first."""

    def __init__(self, events: Sequence[Event], head: int, limit: int, limit_bytes: int) -> None:
        self.head = head
        self.oldest = head
        """The first revision that can be watched from."""
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._limit, self._limit_bytes = limit, limit_bytes
        if events:
            self.oldest = events[0].revision - 1
            self.extend(events)

    def extend(self, events: Sequence[Event]) -> None:
        """Newer events, in order."""
        for event in events:
            self._events.append(event)
            self._bytes += _size(event)
            self.head = event.revision
        while len(self._events) > self._limit or self._bytes > self._limit_bytes:
            event = self._events.popleft()
            self._bytes -= _size(event)
            self.oldest = event.revision

    def after(self, revision: int) -> Iterator[Event]:
        """The events after `revision`, in order. Raises Expired."""
        if revision < self.oldest:
            raise Expired(revision, self.oldest)
        newer = []
        for event in reversed(self._events):
            if event.revision <= revision:
                break
            newer.append(event)
        return reversed(newer)

    def undone(self, collection: str, revision: int) -> dict[Key, Entry | None]:
        """What the collection's documents that changed after `revision` were then; None: absent. Raises Expired."""
        then: dict[Key, Entry | None] = {}
        for event in self.after(revision):
            if event.key.collection == collection and event.key not in then:
                then[event.key] = (
                    None if event.previous is None else Entry(event.key, event.previous_revision, event.previous)
                )
        return then


def _size(event: Event) -> int:
    return len(event.value or b"") + 200
