"""One reader of events, with a bounded queue: a slow one is told so instead of slowing the others."""

import asyncio
from collections.abc import Callable, Iterable

from portway.store.changes import Event

Interest = Callable[[Event], bool]


class Ended(Exception):
    """The store takes no more watchers: it is about to close."""


class Overflow(Exception):
    """More events waited than the watcher may hold: some are lost to it."""


class Watcher:
    """Gives the events that interest it, each once, in order. Close it when done."""

    def __init__(self, backlog: Iterable[Event], limit: int, forget: Callable[["Watcher"], object]) -> None:
        self._waiting = list(backlog)
        self._limit = limit + len(self._waiting)
        self._overflowed = self._ended = False
        self._news = asyncio.Event()
        self._forget = forget
        if self._waiting:
            self._news.set()

    def push(self, event: Event) -> None:
        """Another event; called by the store."""
        if len(self._waiting) >= self._limit:
            self._overflowed = True
        else:
            self._waiting.append(event)
        self._news.set()

    async def take(self) -> list[Event]:
        """All that wait, at least one. Raises Overflow after the last that could be kept, Ended when all is over."""
        await self._news.wait()
        self._news.clear()
        events, self._waiting = self._waiting, []
        if not events:
            raise Overflow if self._overflowed else Ended
        if self._overflowed or self._ended:
            self._news.set()
        return events

    def end(self) -> None:
        """Nothing more will come; called by the store."""
        self._ended = True
        self._news.set()

    @property
    def idle(self) -> bool:
        """Nothing waits: all events up to the store's revision were taken."""
        return not self._waiting and not self._overflowed

    def close(self) -> None:
        """No more events."""
        self._forget(self)
