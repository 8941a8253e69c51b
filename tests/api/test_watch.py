"""Watches: every event once and in order, whatever happens to the server or the reader."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from portway.client import Api
from portway.client.failure import Unreachable
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.testing import apiserver
from tests.api.http import Http
from tests.patience import PATIENCE

MAPS = Resource("", "v1", "configmaps")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
Doc = dict[str, Any]


def configmap(name: str, namespace: str, **labels: str) -> Doc:
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


class Watch:
    """An open watch; `next` gives its events one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> Doc:
        line = await asyncio.wait_for(self._response.content.readline(), PATIENCE)
        assert line, "the watch ended"
        event: Doc = json.loads(line)
        return event

    async def brief(self) -> tuple[str, str]:
        event = await self.next()
        return event["type"], event["object"]["metadata"].get("name", "")


@contextlib.asynccontextmanager
async def watching(server: apiserver.Server, path: str, accept: str = "*/*", **query: str) -> AsyncIterator[Watch]:
    connector = aiohttp.UnixConnector(str(server.unix))
    async with (
        aiohttp.ClientSession(connector=connector, read_bufsize=1 << 22) as session,
        session.get(f"http://x{path}", params={"watch": "1"} | query, headers={"Accept": accept}) as response,
    ):
        assert response.status == 200
        yield Watch(response)


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


async def test_an_idle_watch_answers_at_once(server: apiserver.Server, maps: str) -> None:
    async with asyncio.timeout(PATIENCE), watching(server, maps):
        pass


async def test_without_a_revision_it_begins_with_what_is_there(
    server: apiserver.Server, http: Http, maps: str, namespace: str
) -> None:
    http.post(maps, configmap("a", namespace))
    async with watching(server, maps) as watch:
        assert await watch.brief() == ("ADDED", "a")
        http.patch(f"{maps}/a", {"data": {"x": "1"}})
        http.post("/api/v1/namespaces/default/configmaps", configmap("elsewhere", "default"))
        http.delete(f"{maps}/a")
        assert [await watch.brief(), await watch.brief()] == [("MODIFIED", "a"), ("DELETED", "a")]
    http.delete("/api/v1/namespaces/default/configmaps/elsewhere")


async def test_sent_initial_events_end_with_a_bookmark(
    server: apiserver.Server, http: Http, maps: str, namespace: str
) -> None:
    revision = http.post(maps, configmap("a", namespace)).doc["metadata"]["resourceVersion"]
    query = {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    async with watching(server, maps, **query) as watch:
        assert await watch.brief() == ("ADDED", "a")
        end = await watch.next()
        assert end["type"] == "BOOKMARK"
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert end["object"]["metadata"]["resourceVersion"] == revision


async def test_what_stops_matching_is_deleted_to_the_watcher(
    server: apiserver.Server, http: Http, maps: str, namespace: str
) -> None:
    http.post(maps, configmap("a", namespace, color="red"))
    async with watching(server, maps, labelSelector="color=red", resourceVersion="0") as watch:
        assert await watch.brief() == ("ADDED", "a")
        http.patch(f"{maps}/a", {"metadata": {"labels": {"color": "blue"}}})
        gone = await watch.next()
        assert (gone["type"], gone["object"]["metadata"]["labels"]) == ("DELETED", {"color": "red"})
        now = http.get(f"{maps}/a").doc["metadata"]["resourceVersion"]
        assert gone["object"]["metadata"]["resourceVersion"] == now
        http.patch(f"{maps}/a", {"data": {"x": "1"}})
        http.patch(f"{maps}/a", {"metadata": {"labels": {"color": "red"}}})
        assert await watch.brief() == ("ADDED", "a")


async def test_one_document_is_watched_by_name(server: apiserver.Server, http: Http, maps: str, namespace: str) -> None:
    async with watching(server, maps, fieldSelector="metadata.name=b") as watch:
        for name in "abc":
            http.post(maps, configmap(name, namespace))
        http.delete(f"{maps}/b")
        assert [await watch.brief(), await watch.brief()] == [("ADDED", "b"), ("DELETED", "b")]


async def test_tables_name_their_columns_once(server: apiserver.Server, http: Http, maps: str, namespace: str) -> None:
    http.post(maps, configmap("a", namespace))
    async with watching(server, maps, TABLE) as watch:
        first = await watch.next()
        http.patch(f"{maps}/a", {"data": {"x": "1"}})
        second = await watch.next()
    assert first["object"]["columnDefinitions"] and not second["object"]["columnDefinitions"]
    assert [event["object"]["rows"][0]["cells"][1] for event in (first, second)] == [0, 1]


async def test_a_revision_from_another_history_has_expired(server: apiserver.Server, maps: str) -> None:
    async with watching(server, maps, resourceVersion="99999999") as watch:
        event = await watch.next()
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_it_ends_when_its_time_is_over(server: apiserver.Server, maps: str) -> None:
    async with asyncio.timeout(PATIENCE), watching(server, maps, timeoutSeconds="1") as watch:
        with pytest.raises(AssertionError, match="the watch ended"):
            await watch.next()


async def test_a_reader_that_does_not_read_is_told_to_list_again(
    server: apiserver.Server, http: Http, maps: str, namespace: str
) -> None:
    """More events wait for it than are kept; the server goes on meanwhile."""
    http.post(maps, configmap("big", namespace) | {"data": {"x": "y" * 5_000}})
    reader, writer = await asyncio.open_unix_connection(str(server.unix), limit=1 << 26)
    writer.write(f"GET {maps}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"ADDED")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    for number in range(1300):
        assert http.patch(f"{maps}/big", {"data": {"n": str(number)}}).code == 200
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    text = await asyncio.wait_for(reader.readuntil(b'"code":410'), PATIENCE)
    assert b'"type":"ERROR"' in text[-400:]
    assert 1000 <= text.count(b'"type":"MODIFIED"') < 1300
    writer.close()


async def test_every_event_once_and_in_order_over_kill_and_restart(fresh_server: apiserver.Server) -> None:
    """A client that goes on from the last revision it has seen misses nothing and sees nothing twice."""
    seen: list[tuple[int, str, str]] = []
    goal = asyncio.Event()
    async with Api.unix(fresh_server.unix) as reader, Api.unix(fresh_server.unix) as writer:
        following = asyncio.ensure_future(_follow(reader, seen, goal))
        acknowledged = []
        for number in range(120):
            acknowledged.append(await _create(writer, f"n{number}"))
            if number % 40 == 20:
                await asyncio.to_thread(fresh_server.kill)
                await asyncio.to_thread(fresh_server.start)
        await _create(writer, "last")
        await asyncio.wait_for(goal.wait(), PATIENCE)
        following.cancel()
    revisions = [revision for revision, *_ in seen]
    assert revisions == sorted(set(revisions))
    created = [(revision, name) for revision, kind, name in seen if kind == "ADDED"]
    assert [each for each in acknowledged if each not in created] == []
    assert len({name for _, name in created}) == len(created)


async def test_asked_to_stop_it_waits_for_no_watch_and_loses_nothing(fresh_server: apiserver.Server) -> None:
    async with Api.unix(fresh_server.unix) as api, watching(fresh_server, "/api/v1/pods") as watch:
        await _create(api, "x")
        async with asyncio.timeout(PATIENCE):  # the watch would go on for half an hour
            assert await asyncio.to_thread(fresh_server.stop) == 0
        with pytest.raises(AssertionError, match="the watch ended"):
            await watch.next()
        await asyncio.to_thread(fresh_server.start)
        assert (await api.get(MAPS, "default", "x"))["metadata"]["name"] == "x"
    assert fresh_server.log.read_text() == ""


async def _create(api: Api, name: str) -> tuple[int, str]:
    while True:
        try:
            stored = await api.create(MAPS, configmap(name, "default"))
        except ApiError as error:
            assert error.code == 409, error  # it was stored, and the answer lost
            stored = await api.get(MAPS, "default", name)
            return int(stored["metadata"]["resourceVersion"]), name
        except Unreachable:
            continue
        return int(stored["metadata"]["resourceVersion"]), name


async def _follow(api: Api, seen: list[tuple[int, str, str]], goal: asyncio.Event) -> None:
    version = "1"
    while True:
        with contextlib.suppress(Unreachable):
            async with contextlib.aclosing(api.watch(MAPS, "default", resource_version=version, seconds=60)) as events:
                async for event in events:
                    metadata = event.object["metadata"]
                    version = metadata["resourceVersion"]
                    if event.type != "BOOKMARK":
                        seen.append((int(version), event.type, metadata["name"]))
                    if metadata.get("name") == "last":
                        goal.set()
        await asyncio.sleep(0)
