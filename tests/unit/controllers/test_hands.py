"""Changes as requests, and which answers are failures."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portway.client import Api
from portway.client.recorder import Recorder
from portway.controllers.cache import Cache
from portway.controllers.hands import Hands
from portway.kubeapi.errors import ApiError
from portway.reconcile.change import Bind, Change, Create, Delete, Event, Update
from portway.reconcile.resources import PODS
from tests.unit.client.server import Server, refusal

Doc = dict[str, Any]
POD: Doc = {"metadata": {"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "7"}}
NEWS = Event(POD, "Normal", "Done", "done", "test")


class Desk:
    def __init__(self, server: Server, api: Api) -> None:
        self.server = server
        self.cache = Cache(api, PODS)
        self.recorder = Recorder(api)
        self.hands = Hands(api, {PODS: self.cache}, self.recorder)

    @property
    def news(self) -> list[str]:
        return [told.event.reason for told in self.recorder._unsaid.values()]


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = Server(tmp_path / "api.sock")
    await server.start()
    async with Api.unix(server.socket) as api:
        yield Desk(server, api)
    await server.stop()


async def test_what_was_written_is_in_the_cache_at_once(desk: Desk) -> None:
    await desk.hands.carry_out([Create(PODS, POD), NEWS])
    assert desk.cache.get(("shop", "web")) == POD
    assert desk.news == ["Done"]


async def test_a_binding(desk: Desk) -> None:
    await desk.hands.carry_out([Bind("shop", "web", "node-1")])
    assert desk.server.requests[-1].path == "/api/v1/namespaces/shop/pods/web/binding"
    assert desk.server.bodies[-1]["target"] == {"apiVersion": "v1", "kind": "Node", "name": "node-1"}


async def test_a_deleted_object_counts_as_going(desk: Desk) -> None:
    desk.cache.note(POD)
    await desk.hands.carry_out([Delete(PODS, "shop", "web", "u")])
    assert desk.server.bodies[-1]["preconditions"] == {"uid": "u"}
    assert "deletionTimestamp" in desk.cache.objects["shop", "web"]["metadata"]


TERMINATING = refusal(403, "Forbidden", "going", causes=[{"reason": "NamespaceTerminating"}])
MOOT: list[tuple[str, Change, Any]] = [
    ("deleted already", Delete(PODS, "shop", "web", "u"), refusal(404, "NotFound", "gone")),
    ("another object by now", Delete(PODS, "shop", "web", "u"), refusal(409, "Conflict", "uid")),
    ("nothing to update", Update(PODS, POD), refusal(404, "NotFound", "gone")),
    ("nothing to bind", Bind("shop", "web", "node-1"), refusal(404, "NotFound", "gone")),
    ("the namespace goes", Create(PODS, POD), TERMINATING),
]
FAILURES: list[tuple[str, Change, Any]] = [
    ("stale", Update(PODS, POD), refusal(409, "Conflict", "modified")),
    ("exists", Create(PODS, POD), refusal(409, "AlreadyExists", "there")),
    ("forbidden", Create(PODS, POD), refusal(403, "Forbidden", "no")),
    ("bound elsewhere", Bind("shop", "web", "node-1"), refusal(409, "Conflict", "assigned")),
]


@pytest.mark.parametrize(("change", "answer"), [m[1:] for m in MOOT], ids=[m[0] for m in MOOT])
async def test_what_need_not_be_done_any_more_is_no_failure_and_no_news(
    desk: Desk, change: Change, answer: Any
) -> None:
    desk.server.answers = [answer]
    await desk.hands.carry_out([change, NEWS])
    assert desk.news == []


@pytest.mark.parametrize(("change", "answer"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
async def test_failures_are_raised_after_all_was_tried(desk: Desk, change: Change, answer: Any) -> None:
    other = Delete(PODS, "elsewhere", "other", "o")
    desk.server.answers, desk.server.only = [answer], "/shop/"
    with pytest.raises(ApiError):
        await desk.hands.carry_out([change, NEWS, other])
    assert desk.news == []
    assert len(desk.server.requests) == 2
