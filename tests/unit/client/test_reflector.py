"""A reflector against a server that is restarted, forgets history and refuses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from portway.client import Api, Key, Reflector
from portway.client.reflector import backoff
from portway.kubeapi.kinds import Resource
from tests.unit.client.server import Server, refusal, service

SERVICES = Resource("", "v1", "services")
Doc = dict[str, Any]


class Seen:
    """A running reflector, and what it told."""

    def __init__(self, api: Api) -> None:
        self.changes: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.reflector: Reflector[Doc] = Reflector(
            api, SERVICES, decode=_decode, on_change=self._note, chance=lambda: 0.0
        )

    def _note(self, key: Key, old: Doc | None, new: Doc | None) -> None:
        kind = "added" if old is None else "deleted" if new is None else "modified"
        self.changes.append((kind, key[1]))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0)

    async def told(self, *changes: tuple[str, str]) -> None:
        await self.until(lambda: len(self.changes) >= len(changes))
        assert sorted(self.changes) == sorted(changes)
        self.changes.clear()


def _decode(document: Doc) -> Doc:
    if document["metadata"]["labels"].get("bad"):
        raise ValueError("spec.ports: bad")
    return document


@pytest_asyncio.fixture
async def seen(api: Api) -> AsyncIterator[Seen]:
    seen = Seen(api)
    running = asyncio.create_task(seen.reflector.run())
    yield seen
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def watched(server: Server, seen: Seen) -> None:
    await seen.until(lambda: bool(server.watches))


async def test_list_then_watch(server: Server, seen: Seen) -> None:
    server.put("web")
    await watched(server, seen)
    assert seen.reflector.synced.is_set()
    await seen.told(("added", "web"))
    await server.say("ADDED", server.put("api"))
    await server.say("MODIFIED", server.put("web", tier="front"))
    await server.say("DELETED", service("api", 900))
    await seen.told(("added", "api"), ("modified", "web"), ("deleted", "api"))
    assert list(seen.reflector.objects) == [("shop", "web")]


async def test_bookmarks_and_events_move_where_the_next_watch_begins(server: Server, seen: Seen) -> None:
    await watched(server, seen)
    await server.say("ADDED", service("web", 150))
    await server.say("BOOKMARK", {"metadata": {"resourceVersion": "160"}})
    await seen.told(("added", "web"))
    server.drop()
    await watched(server, seen)
    assert server.requests[-1].query["resourceVersion"] == "160"
    assert [r.query.get("watch") for r in server.requests] == [None, "1", "1"], "a dropped watch does not list again"


async def test_expired_lists_again_and_tells_only_the_differences(server: Server, seen: Seen) -> None:
    for name in ("kept", "changed", "gone"):
        server.put(name)
    await watched(server, seen)
    seen.changes.clear()
    server.put("changed", new="yes")
    server.put("new")
    del server.objects["gone"]
    server.oldest = server.version
    server.drop()
    await seen.told(("modified", "changed"), ("added", "new"), ("deleted", "gone"))


async def test_expired_within_the_stream(server: Server, seen: Seen) -> None:
    await watched(server, seen)
    server.put("new")
    await server.say("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    await seen.told(("added", "new"))


async def test_a_restarted_server(server: Server, seen: Seen) -> None:
    server.put("web")
    await watched(server, seen)
    await server.stop()
    await seen.until(lambda: seen.reflector.failure is not None)
    assert ("shop", "web") in seen.reflector.objects, "what was seen stays while the server is away"
    await server.start()
    await watched(server, seen)
    await server.say("ADDED", server.put("api"))
    await seen.told(("added", "web"), ("added", "api"))
    assert seen.reflector.failure is None


async def test_refused_then_allowed(server: Server, seen: Seen) -> None:
    server.answers = [refusal(403, "Forbidden", "no")]
    server.put("web")
    await watched(server, seen)
    await seen.told(("added", "web"))


async def test_an_object_that_cannot_be_decoded_is_absent(server: Server, seen: Seen) -> None:
    server.put("web")
    await watched(server, seen)
    await server.say("MODIFIED", server.put("web", bad="yes"))
    await server.say("MODIFIED", server.put("web"))
    await seen.told(("added", "web"), ("deleted", "web"), ("added", "web"))


@pytest.mark.parametrize("failures", range(20))
def test_backoff_grows_to_ten_seconds(failures: int) -> None:
    low, high = backoff(failures, 0.0), backoff(failures, 1.0)
    assert high == min(10.0, 0.05 * 2**failures)
    assert low == high / 2


def noted(name: str, version: int, uid: str = "u") -> Doc:
    document = service(name, version)
    document["metadata"]["uid"] = uid
    return document


async def test_what_a_write_returned_is_seen_before_the_watch_tells(server: Server, seen: Seen) -> None:
    await watched(server, seen)
    seen.reflector.note(noted("web", 300))
    assert ("shop", "web") in seen.reflector.objects
    await server.say("ADDED", noted("web", 250))
    await server.say("ADDED", noted("web", 300))
    await server.say("MODIFIED", noted("web", 301))
    await seen.told(("added", "web"), ("modified", "web"))
    assert seen.reflector.objects["shop", "web"]["metadata"]["resourceVersion"] == "301"


async def test_an_answer_that_comes_after_the_deletion_brings_nothing_back(server: Server, seen: Seen) -> None:
    await watched(server, seen)
    await server.say("ADDED", noted("web", 300))
    await server.say("DELETED", noted("web", 301))
    await seen.told(("added", "web"), ("deleted", "web"))
    seen.reflector.note(noted("web", 300))
    assert not seen.reflector.objects


async def test_the_deletion_of_a_predecessor_does_not_take_the_new_one(server: Server, seen: Seen) -> None:
    await watched(server, seen)
    await server.say("ADDED", noted("web", 300, "old"))
    await seen.told(("added", "web"))
    seen.reflector.note(noted("web", 310, "new"))
    await server.say("DELETED", noted("web", 305, "old"))
    await server.say("ADDED", noted("other", 311))
    await seen.told(("modified", "web"), ("added", "other"))
    assert seen.reflector.objects["shop", "web"]["metadata"]["uid"] == "new"
