"""Requests as a real server sees them, and what comes of its answers."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from portway.client import Api, Unreachable
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from tests.unit.client.server import Server, refusal

SERVICES = Resource("", "v1", "services")
DEPLOYMENTS = Resource("apps", "v1", "deployments")


async def test_list_reads_every_page_and_completes_items(server: Server, api: Api) -> None:
    for number in range(1203):
        server.put(f"web-{number:04}")
    items, version = await api.list(SERVICES, "shop", label_selector="a=b", field_selector="metadata.name=x")
    assert [item["metadata"]["name"] for item in items] == [f"web-{n:04}" for n in range(1203)]
    assert version == str(server.version)
    assert (items[0]["kind"], items[0]["apiVersion"]) == ("Service", "v1")
    assert [request.query.get("continue") for request in server.requests] == [None, "500", "1000"]
    assert {request.query["labelSelector"] for request in server.requests} == {"a=b"}
    assert {request.path for request in server.requests} == {"/api/v1/namespaces/shop/services"}


DOCUMENT = {"metadata": {"namespace": "shop", "name": "web"}}
CALLS: list[tuple[str, Any, str, str, str]] = [
    ("get", lambda a: a.get(DEPLOYMENTS, "shop", "web"), "GET", "/apis/apps/v1/namespaces/shop/deployments/web", ""),
    ("create", lambda a: a.create(SERVICES, DOCUMENT), "POST", "/api/v1/namespaces/shop/services", "application/json"),
    (
        "replace",
        lambda a: a.replace(SERVICES, DOCUMENT, "status"),
        "PUT",
        "/api/v1/namespaces/shop/services/web/status",
        "application/json",
    ),
    (
        "merge",
        lambda a: a.patch(SERVICES, "shop", "web", {"a": 1}),
        "PATCH",
        "/api/v1/namespaces/shop/services/web",
        "application/merge-patch+json",
    ),
    (
        "json patch of a subresource",
        lambda a: a.patch(SERVICES, "shop", "web", [{"op": "test"}], kind="json", subresource="status"),
        "PATCH",
        "/api/v1/namespaces/shop/services/web/status",
        "application/json-patch+json",
    ),
    (
        "apply",
        lambda a: a.patch(SERVICES, "shop", "web", {}, kind="apply"),
        "PATCH",
        "/api/v1/namespaces/shop/services/web?fieldManager=portway&force=true",
        "application/apply-patch+yaml",
    ),
    (
        "delete",
        lambda a: a.delete(SERVICES, "shop", "web", uid="u1", grace_seconds=0, propagation="Background"),
        "DELETE",
        "/api/v1/namespaces/shop/services/web",
        "application/json",
    ),
    ("post", lambda a: a.post("/api/v1/x/binding", {"a": 1}), "POST", "/api/v1/x/binding", "application/json"),
    ("raw", lambda a: a.raw("GET", "/version"), "GET", "/version", ""),
]


@pytest.mark.parametrize(("call", "method", "path", "content"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
async def test_what_is_sent(server: Server, api: Api, call: Any, method: str, path: str, content: str) -> None:
    await call(api)
    request = server.requests[-1]
    assert (request.method, request.path_qs) == (method, path)
    assert request.headers.get("Content-Type", "") in ((content,) if content else ("", "application/octet-stream"))


async def test_delete_options(server: Server, api: Api) -> None:
    await api.delete(SERVICES, "shop", "web", uid="u1", grace_seconds=0, propagation="Background")
    assert server.bodies[-1] == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u1"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
    }


async def test_a_refusal_keeps_the_servers_words(server: Server, api: Api) -> None:
    server.answers = [refusal(404, "NotFound", 'services "web" not found', name="web", kind="services")]
    with pytest.raises(ApiError, match='services "web" not found') as caught:
        await api.get(SERVICES, "shop", "web")
    error = caught.value
    assert (error.code, error.reason, error.details) == (404, "NotFound", {"name": "web", "kind": "services"})


async def test_a_refusal_that_is_no_status(server: Server, api: Api) -> None:
    server.answers = [web.Response(status=502, text="bad gateway\n")]
    with pytest.raises(ApiError) as caught:
        await api.get(SERVICES, "shop", "web")
    assert (caught.value.code, caught.value.message) == (502, "bad gateway")


async def test_too_many_requests_is_tried_again(server: Server, api: Api) -> None:
    server.answers = [refusal(429, "TooManyRequests", "later")]
    await api.create(SERVICES, DOCUMENT)
    assert [request.method for request in server.requests] == ["POST", "POST"]


async def test_no_server_is_one_line(tmp_path: Path) -> None:
    async with Api.unix(tmp_path / "nothing.sock") as api:
        with pytest.raises(Unreachable, match=r"no answer from the API server at .*/nothing.sock") as caught:
            await api.create(SERVICES, DOCUMENT)
    assert "\n" not in str(caught.value)


async def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    server = Server(tmp_path / "api.sock")
    async with Api.unix(server.socket) as api:
        asking = asyncio.create_task(api.create(SERVICES, DOCUMENT))
        await server.start()
        assert await asking == DOCUMENT
    await server.stop()


async def test_a_broken_connection_repeats_reads_but_never_writes(server: Server, api: Api) -> None:
    def cut(request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.close()

    class Cut(web.Response):
        async def prepare(self, request: web.BaseRequest) -> Any:
            cut(request)
            return await super().prepare(request)

    server.answers = [Cut()]
    await api.get(SERVICES, "shop", "web")
    assert len(server.requests) >= 2
    server.requests.clear()
    server.answers = [Cut()]
    with pytest.raises(Unreachable):
        await api.create(SERVICES, DOCUMENT)
    assert len(server.requests) == 1


async def test_not_an_api_server(server: Server, api: Api) -> None:
    server.answers = [web.Response(text="<html>")]
    with pytest.raises(Unreachable, match="does not answer like an API server"):
        await api.get(SERVICES, "shop", "web")


def test_importing_the_room_does_not_import_aiohttp() -> None:
    program = "import sys, portway.client; print('aiohttp' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
