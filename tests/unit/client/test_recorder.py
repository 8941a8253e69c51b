"""Events as they are written, and what becomes of the same news twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from portway.client import Api
from portway.client.recorder import Recorder
from portway.controllers.workloads import ReplicaSetController
from portway.kubeapi.errors import ApiError
from portway.reconcile.change import Event
from tests.unit.client.server import Server

Doc = dict[str, Any]
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web-1", "uid": "u"}}


class Desk:
    def __init__(self, server: Server, api: Api) -> None:
        self.now = 1_000_000.0
        self.server = server
        self.recorder = Recorder(api, lambda: self.now)

    def tell(self, message: str = "Created pod: web-1") -> None:
        self.recorder.record(Event(POD, "Normal", "SuccessfulCreate", message, "replicaset-controller"))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    @property
    def written(self) -> list[tuple[str, Doc]]:
        return [(r.method, b) for r, b in zip(self.server.requests, self.server.bodies, strict=True)]


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = Server(tmp_path / "api.sock")
    await server.start()
    async with Api.unix(server.socket) as api:
        desk = Desk(server, api)
        running = asyncio.create_task(desk.recorder.run())
        yield desk
        running.cancel()
    await server.stop()


async def test_an_event_is_what_kubectl_describe_reads(desk: Desk) -> None:
    desk.tell()
    await desk.until(lambda: len(desk.written) == 1)
    [(method, event)] = desk.written
    assert method == "POST" and desk.server.requests[0].path == "/api/v1/namespaces/shop/events"
    assert event["metadata"]["name"].startswith("web-1.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "web-1",
        "uid": "u",
    }
    told = {name: event[name] for name in ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp")}
    assert told == {
        "type": "Normal",
        "reason": "SuccessfulCreate",
        "message": "Created pod: web-1",
        "count": 1,
        "firstTimestamp": "1970-01-12T13:46:40Z",
        "lastTimestamp": "1970-01-12T13:46:40Z",
    }
    assert event["source"] == {"component": "replicaset-controller"}


async def test_the_same_news_is_counted(desk: Desk) -> None:
    desk.tell()
    desk.tell()
    desk.tell("Created pod: web-2")
    await desk.until(lambda: len(desk.written) == 2)
    assert [(body["message"], body["count"]) for _, body in desk.written] == [
        ("Created pod: web-1", 2),
        ("Created pod: web-2", 1),
    ]
    assert len({body["metadata"]["name"] for _, body in desk.written}) == 2
    desk.now += 60
    desk.tell()
    await desk.until(lambda: len(desk.written) == 3)
    assert desk.written[2] == ("PATCH", {"count": 3, "lastTimestamp": "1970-01-12T13:47:40Z"})


async def test_a_server_that_is_away_loses_news_but_not_the_recorder(desk: Desk) -> None:
    await desk.server.stop()
    desk.tell()
    await desk.until(lambda: not desk.recorder._unsaid)
    await desk.server.start()
    desk.tell()
    await desk.until(lambda: any(body and body["count"] == 2 for _, body in desk.written))
    assert json.dumps(desk.written)


def test_a_refused_pod_is_the_same_news_under_every_name() -> None:
    owner = {"metadata": {"namespace": "shop", "name": "web-5f", "uid": "rs"}}
    controller = ReplicaSetController.__new__(ReplicaSetController)
    messages = {
        controller._failed(owner, ApiError(422, "Invalid", f'Pod "web-5f-{suffix}" is invalid: spec')).message
        for suffix in ("abcde", "fghij")
    }
    assert messages == {'Error creating: Pod "web-5f-" is invalid: spec'}
