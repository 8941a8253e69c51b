"""kill -9 of a real writing process, at random moments: what was acknowledged is there."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from portway.store import Done, Key, Put, Store

WRITERS = 8


async def _write(store: Store, writer: int, report: int) -> None:
    """Number after number under one key; each is reported once the store has acknowledged it."""
    key, revision, number = Key("numbers", "", f"w{writer}"), 0, 0
    entry = store.get(key)
    if entry:
        revision, number = entry.revision, int(entry.value)
    while True:
        number += 1
        outcome = await store.commit(Put(key, str(number).encode(), revision))
        assert isinstance(outcome, Done)
        revision = outcome.revision
        os.write(report, b"%d %d %d\n" % (writer, number, revision))


def _writing_process(path: Path, report: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:

        async def work() -> None:
            store = Store(path)
            await asyncio.gather(*(_write(store, writer, report) for writer in range(WRITERS)))

        asyncio.run(work())
    finally:
        os._exit(1)


def _acknowledged(path: Path, lines: int) -> list[tuple[int, int, int]]:
    """Let a process write until it has reported about so many writes, kill it, and return its reports."""
    reading, writing = os.pipe()
    pid = _writing_process(path, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as reports:
        text = b"".join(reports.readline() for _ in range(lines))
        os.kill(pid, signal.SIGKILL)
        text += reports.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    complete = text[: text.rindex(b"\n") + 1]
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in complete.splitlines())]


@pytest.mark.parametrize("seed", range(8))
def test_acknowledged_writes_survive(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "data.db"
    latest: dict[int, tuple[int, int]] = {}
    highest = 0
    for _ in range(3):
        reports = _acknowledged(path, chance.randint(1, 300))
        revisions = [revision for *_, revision in reports]
        assert min(revisions) > highest, "a revision was given twice"
        highest = max(revisions)
        latest |= {writer: (number, revision) for writer, number, revision in reports}
        asyncio.run(_compare(path, latest))


async def _compare(path: Path, latest: dict[int, tuple[int, int]]) -> None:
    """What is stored is what was acknowledged, or the one write after it that was under way."""
    store = Store(path)
    try:
        for writer, (number, revision) in latest.items():
            entry = store.get(Key("numbers", "", f"w{writer}"))
            assert entry is not None
            assert int(entry.value) in (number, number + 1)
            assert entry.revision >= revision
        events = await store.watch("numbers", revision=store.oldest).take()
        assert [event.revision for event in events] == list(range(store.oldest + 1, store.revision + 1))
    finally:
        await store.close()
