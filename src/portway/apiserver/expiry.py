"""Events live for an hour (kube-apiserver's --event-ttl default), counted from when they last happened."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from portway.kubeapi.errors import Doc
from portway.store import Delete, Store

COLLECTIONS = ("events", "events.k8s.io/events")
_LIFETIME = timedelta(hours=1)
_SWEEP_SECONDS = 300.0


async def run(store: Store) -> None:
    """Sweep now and then, for ever."""
    while True:
        await sweep(store, datetime.now(UTC))
        await asyncio.sleep(_SWEEP_SECONDS)


async def sweep(store: Store, now: datetime) -> int:
    """Remove the events that are too old; how many."""
    oldest = f"{now - _LIFETIME:%Y-%m-%dT%H:%M:%S}"
    removed = 0
    for entry in [entry for name in COLLECTIONS for entry in store.list(name)]:
        if max(_moments(msgspec.json.decode(entry.value))) < oldest:
            await store.commit(Delete(entry.key, entry.revision))  # refused: it has just happened again
            removed += 1
    return removed


def _moments(event: Doc) -> Iterator[str]:
    """When it was made and when it happened; RFC 3339 texts in UTC sort by time."""
    yield event["metadata"].get("creationTimestamp") or ""
    yield event.get("lastTimestamp") or event.get("deprecatedLastTimestamp") or ""
    yield event.get("eventTime") or ""
    yield (event.get("series") or {}).get("lastObservedTime") or ""
