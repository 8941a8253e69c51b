"""One reader of events, with a bounded queue: a slow one is told so instead of slowing the others."""

import asyncio
from collections.abc import Callable, Iterable

from portway.store.changes import Event

Interest = Callable[[Event], bool]


class Overflow(Exception):
    """More events waited than the watcher may hold: some are lost to it."""


class Watcher:
    """Gives the events that interest it, each once, in order. Close it when done."""

    def __init__(self, backlog: Iterable[Event], limit: int, forget: Callable[["Watcher"], object]) -> None:
        self._waiting = list(backlog)
        self._limit = limit + len(self._waiting)
        self._overflowed = False
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
        """All that wait, at least one. Raises Overflow after the last that could be kept."""
        await self._news.wait()
        self._news.clear()
        events, self._waiting = self._waiting, []
        if self._overflowed:
            if not events:
                raise Overflow
            self._news.set()
        return events

    @property
    def idle(self) -> bool:
        """Nothing waits: all events up to the store's revision were taken."""
        return not self._waiting and not self._overflowed

    def close(self) -> None:
        """No more events."""
        self._forget(self)
