"""The store against a model, over restarts, and with readers that are too slow or too late."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portway.store import Delete, Done, Ended, Event, Expired, Key, Overflow, Put, Refused, Store, StoreError

NAMESPACES = ("a", "a-b", "b")
NAMES = ("w", "x", "x-1", "y")


def key(name: str, namespace: str = "a", collection: str = "pods") -> Key:
    return Key(collection, namespace, name)


@asynccontextmanager
async def opened(folder: Path, history: int = 10_000, watcher_queue: int = 1_000) -> AsyncIterator[Store]:
    store = Store(folder / "data.db", history=history, watcher_queue=watcher_queue)
    try:
        yield store
    finally:
        await store.close()


async def put(store: Store, name: str, value: bytes = b"{}", namespace: str = "a", collection: str = "pods") -> int:
    wanted = key(name, namespace, collection)
    entry = store.get(wanted)
    outcome = await store.commit(Put(wanted, value, entry.revision if entry else 0))
    assert isinstance(outcome, Done)
    return outcome.revision


async def test_a_document_is_read_as_it_was_put(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        revision = await put(store, "x", b'{"v":1}')
        entry = store.get(key("x"))
        assert entry is not None
        assert (entry.revision, entry.value) == (revision, b'{"v":1}')
        assert store.revision == revision


async def test_only_the_expected_revision_is_replaced(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await put(store, "x", b"1")
        second = await put(store, "x", b"2")
        for change in (Put(key("x"), b"3", first), Put(key("x"), b"3", 0), Delete(key("x"), first)):
            assert await store.commit(change) == Refused(key("x"), second)
        assert await store.commit(Put(key("y"), b"3", 7)) == Refused(key("y"), 0)
        entry = store.get(key("x"))
        assert entry is not None and entry.value == b"2"
        assert store.revision == second


async def test_changes_are_made_together_or_not_at_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        old = await put(store, "x")
        refused = await store.commit(Delete(key("x"), old), Put(key("y"), b"", 0), Delete(key("z"), 1))
        assert refused == Refused(key("z"), 0)
        assert store.get(key("x")) and not store.get(key("y"))
        done = await store.commit(Delete(key("x"), old), Put(key("y"), b"", 0))
        assert done == Done((old + 1, old + 2))
        assert not store.get(key("x")) and store.get(key("y"))


async def test_revisions_grow_over_restarts_even_with_an_empty_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        before = await put(store, "x")
        assert isinstance(await store.commit(Delete(key("x"), before)), Done)
        last = store.revision
    async with opened(tmp_path, history=1) as store:
        assert store.revision == last
        assert await put(store, "x") == last + 1


async def test_one_process_has_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portway.store.database._LOCK_SECONDS", 0.05)
    async with opened(tmp_path):
        with pytest.raises(StoreError, match=r"data\.db cannot be opened: another process uses it"):
            Store(tmp_path / "data.db")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.db").write_bytes(b"this is a text, and a long one, not a database" * 100)
    with pytest.raises(StoreError, match=r"data\.db cannot be opened: file is not a database"):
        Store(tmp_path / "data.db")


async def test_a_watch_resumes_after_a_restart_where_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await put(store, "x", b"1")
        await put(store, "x", b"2")
        await put(store, "y", b"3", namespace="b")
        await put(store, "y", b"3", collection="services")
    async with opened(tmp_path) as store:
        await put(store, "x", b"4")
        watcher = store.watch("pods", revision=first)
        seen = [(event.key.name, event.value, event.previous) for event in await watcher.take()]
        assert seen == [("x", b"2", b"1"), ("y", b"3", None), ("x", b"4", b"2")]
        narrow = store.watch("pods", "b", revision=first)
        assert [event.key.name for event in await narrow.take()] == ["y"]


async def test_a_watch_from_before_the_history_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, history=3) as store:
        revisions = [await put(store, f"n{i}") for i in range(6)]
        with pytest.raises(Expired):
            store.watch("pods", revision=revisions[1])
        events = await store.watch("pods", revision=revisions[2]).take()
        assert [event.revision for event in events] == revisions[3:]
        assert store.oldest == revisions[2]
        with pytest.raises(Expired):
            store.list("pods", revision=revisions[1])


async def test_the_log_on_disk_is_cut_as_the_history_is(tmp_path: Path) -> None:
    async with opened(tmp_path, history=10) as store:
        for batch in range(12):
            await asyncio.gather(*(put(store, f"n{batch}-{i}") for i in range(100)))
        last = store.revision
    async with opened(tmp_path) as store:
        assert last - 700 < store.oldest < last
        assert len(store.list("pods")) == 1200


async def test_a_slow_watcher_gets_what_was_kept_and_is_then_told(tmp_path: Path) -> None:
    async with opened(tmp_path, watcher_queue=2) as store:
        slow = store.watch("pods")
        for i in range(3):
            await put(store, f"n{i}")
        assert [event.key.name for event in await slow.take()] == ["n0", "n1"]
        with pytest.raises(Overflow):
            await slow.take()
        slow.close()
        fresh = store.watch("pods")
        await put(store, "n3")
        assert [event.key.name for event in await fresh.take()] == ["n3"]


async def test_everything_that_was_begun_is_written_before_closing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        writes = [asyncio.ensure_future(put(store, f"n{i}")) for i in range(50)]
        await asyncio.sleep(0)
    assert len(set(await asyncio.gather(*writes))) == 50
    async with opened(tmp_path) as store:
        assert len(store.list("pods")) == 50


async def test_watches_end_after_what_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        watcher = store.watch("pods")
        await put(store, "x")
        store.end_watches()
        assert [event.key.name for event in await watcher.take()] == ["x"]
        for late in (watcher, store.watch("pods")):
            with pytest.raises(Ended):
                await late.take()


Step = tuple[str, str, bool]
steps = st.lists(st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(NAMES), st.booleans()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, 40), st.sampled_from(["", *NAMESPACES]), st.sampled_from(NAMES))
def test_the_past_is_seen_as_it_was(history: list[Step], when: int, namespace: str, after: str) -> None:
    """Lists at any revision, of any namespace, after any key, equal a model that kept every state."""

    async def check(store: Store) -> None:
        model: dict[tuple[str, str], bytes] = {}
        states = {store.revision: dict(model)}
        for number, (space, name, deleted) in enumerate(history):
            entry = store.get(key(name, space))
            if deleted and entry:
                await store.commit(Delete(entry.key, entry.revision))
                del model[space, name]
            elif not deleted:
                await put(store, name, str(number).encode(), space)
                model[space, name] = str(number).encode()
            states[store.revision] = dict(model)
        revision = sorted(states)[min(when, len(states) - 1)]
        start = key(after, namespace or "a-b")
        found = store.list("pods", namespace, revision=revision, after=start)
        expected = sorted((s, n, v) for (s, n), v in states[revision].items() if namespace in ("", s))
        expected = [each for each in expected if each[:2] > start[1:]]
        assert [(e.key.namespace, e.key.name, e.value) for e in found] == expected

    run(check)


def run(check: Callable[[Store], Awaitable[None]]) -> None:
    async def body() -> None:
        with TemporaryDirectory() as folder:
            async with opened(Path(folder)) as store:
                await check(store)

    asyncio.run(body())


async def test_events_chain(tmp_path: Path) -> None:
    """Every event's previous value is what the event before it of the same key left."""
    async with opened(tmp_path) as store:
        watcher = store.watch("pods")
        await asyncio.gather(*(put(store, f"n{i % 5}-{i}", str(i).encode()) for i in range(50)))
        for entry in store.list("pods")[:10]:
            await store.commit(Delete(entry.key, entry.revision))
        seen: list[Event] = []
        while len(seen) < 60:
            seen += await watcher.take()
        assert [event.revision for event in seen] == list(range(seen[0].revision, seen[0].revision + 60))
        left: dict[Key, bytes | None] = {}
        for event in seen:
            assert event.previous == left.get(event.key)
            left[event.key] = event.value
