"""Events go when they are old."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portway.apiserver.expiry import sweep
from portway.store import Key, Put, Store

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "removed"),
    [
        ({"metadata": {"creationTimestamp": "2030-01-01T10:59:59Z"}}, 1),
        ({"metadata": {"creationTimestamp": "2030-01-01T11:00:01Z"}}, 0),
        ({"metadata": {"creationTimestamp": "2030-01-01T01:00:00Z"}, "lastTimestamp": "2030-01-01T11:30:00Z"}, 0),
        (
            {
                "metadata": {"creationTimestamp": "2030-01-01T01:00:00Z"},
                "series": {"lastObservedTime": "2030-01-01T11:30:00.000001Z"},
            },
            0,
        ),
        ({"metadata": {}, "lastTimestamp": None}, 1),
    ],
)
async def test_events_live_an_hour_from_when_they_last_happened(
    tmp_path: Path, event: dict[str, object], removed: int
) -> None:
    store = Store(tmp_path / "data.db")
    for collection in ("events", "configmaps"):
        await store.commit(Put(Key(collection, "a", "x"), json.dumps(event).encode(), 0))
    assert await sweep(store, NOW) == removed
    assert len(store.list("events")) == 1 - removed
    assert len(store.list("configmaps")) == 1
    await store.close()
