"""The work queue: once each, one at a time, failed ones later."""

import asyncio
from collections.abc import Callable

import pytest

from portway.controllers.queue import WorkQueue


class Expected(Exception):
    pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


class Desk:
    """Work that waits to be let go, and remembers what was done."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers: list[float | Exception] = []
        self.queue: WorkQueue[str] = WorkQueue("test", self.work, expected=(Expected,), chance=lambda: 0.0)
        self.running = asyncio.create_task(self.queue.run(2))

    async def work(self, key: str) -> float | None:
        self.begun.append(key)
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stop(self) -> None:
        self.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.running


async def test_keys_that_wait_are_worked_on_once() -> None:
    desk = Desk()
    for key in ("a", "b", "a", "a"):
        desk.queue.add(key)
    await until(lambda: desk.begun == ["a", "b"] and desk.queue.idle)
    await desk.stop()


async def test_a_key_added_meanwhile_is_worked_on_again_but_not_at_once() -> None:
    desk = Desk()
    desk.gate.clear()
    desk.queue.add("a")
    await until(lambda: desk.begun == ["a"])
    desk.queue.add("a")
    desk.queue.add("a")
    desk.queue.add("b")
    await until(lambda: desk.begun == ["a", "b"])
    desk.gate.set()
    await until(lambda: desk.queue.idle)
    assert desk.begun == ["a", "b", "a"]
    await desk.stop()


@pytest.mark.parametrize("failure", [Expected("conflict"), RuntimeError("a bug")])
async def test_failures_are_tried_again_until_they_are_none(failure: Exception) -> None:
    desk = Desk()
    desk.answers = [failure, failure]
    desk.queue.add("a")
    await until(lambda: desk.begun == ["a", "a", "a"])
    await desk.stop()


async def test_an_appointment_is_kept_and_the_earlier_one_wins() -> None:
    desk = Desk()
    desk.answers = [0.01]
    desk.queue.add("a")
    await until(lambda: len(desk.begun) == 2)
    desk.queue.add_later("b", 3600)
    desk.queue.add_later("b", 0.01)
    desk.queue.add_later("b", 3600)
    await until(lambda: desk.begun[2:] == ["b"])
    await desk.stop()
