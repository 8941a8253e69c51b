"""The keys that one controller must look at: each once, each by one at a time, failed ones later.

Source: client-go's workqueue. A key that is added while it is worked on is worked on again afterwards.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from portway.client.reflector import backoff

K = TypeVar("K", bound=Hashable)

log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """`work(key)` returns the seconds after which to look again, or None; what it raises means later, too.

    Failures that `expected` names are logged as one line at debug level; any other is a bug of ours and logged whole.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[float | None]],
        *,
        expected: tuple[type[Exception], ...] = (),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._name, self._work, self._expected, self._chance = name, work, expected, chance
        self._waiting: dict[K, None] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._added = asyncio.Event()

    def add(self, key: K) -> None:
        """Look at this key soon."""
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting[key] = None
            self._added.set()

    def add_later(self, key: K, seconds: float) -> None:
        """Look at this key then; an earlier appointment stays."""
        loop = asyncio.get_running_loop()
        timer, when = self._timers.get(key), loop.time() + seconds
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is worked on (appointments aside)."""
        return not self._waiting and not self._working

    async def run(self, workers: int) -> None:
        """Work for ever, on so many keys at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            while not self._waiting:
                self._added.clear()
                await self._added.wait()
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._working.add(key)
            try:
                await self._attempt(key)
            finally:
                self._working.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _attempt(self, key: K) -> None:
        try:
            later = await self._work(key)
        except self._expected as failure:
            log.debug("%s %s: %s", self._name, key, failure)
            self._failed(key)
        except Exception:
            log.exception("%s %s", self._name, key)
            self._failed(key)
        else:
            self._failures.pop(key, None)
            if later is not None:
                self.add_later(key, later)

    def _failed(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_later(key, backoff(failures, self._chance()))

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
