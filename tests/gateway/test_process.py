"""The process of a door: from objects in a real API server to requests answered, counted and logged."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from portway.accesslog.lines import Reading
from portway.client import Api
from portway.gateway.engine import Applied
from portway.gateway.run import GatewayConfig, serve
from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.doorclasses import first_objects
from portway.kubeapi.errors import Doc
from portway.reconcile.resources import CONFIG_MAPS, ENDPOINT_SLICES, GATEWAYS, HTTP_ROUTES, NAMESPACES
from portway.testing import apiserver
from portway.testing.doordocs import (
    config_map,
    endpoint_slice,
    gateway,
    http,
    key_pair,
    path,
    route,
    rule,
    service,
    tls_policy,
)
from portway.testing.doorengine import FakeEngine
from tests.gateway.backends import Backend, backend, exchange
from tests.ports import free_port

GET = b"GET /cart HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"


def _own_address() -> str:
    """An address of this machine that EndpointSlices may have: not a loopback one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        return str(asking.getsockname()[0])


class Kept:
    """Takes lines of the access log."""

    def __init__(self) -> None:
        self.text = b""

    def write(self, lines: bytes, count: int) -> int:
        assert lines.count(b"\n") == count
        self.text += lines
        return 0

    def keep(self) -> None: ...

    def close(self) -> None: ...


async def create(api: Api, *documents: Doc) -> None:
    """Any kind of object."""
    for document in documents:
        kind = by_kind(document["apiVersion"], document["kind"])
        assert kind is not None
        await api.create(kind.resource, document)


def _slice(*backends: Backend) -> Doc:
    made = endpoint_slice("web", *(one.address for one in backends), port=backends[0].port)
    return {**made, "metadata": {**made["metadata"], "name": f"web-{backends[0].name}"}}


@asynccontextmanager
async def _door(api: Api, engine: str, healthz: int, lines: Kept) -> AsyncIterator[None]:
    config = GatewayConfig(
        door="gateway/shop/front", engine=engine, addresses=("127.0.0.1",), healthz=("127.0.0.1", healthz)  # type: ignore[arg-type]
    )  # fmt: skip
    running = asyncio.create_task(serve(config, api, lines))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _until(port: int, words: bytes, sent: bytes = GET) -> bytes:
    """What the door answers, once these words are in it."""
    answer = b""
    try:
        async with asyncio.timeout(60):
            while words not in answer:
                try:
                    answer = await exchange(port, sent)
                except OSError:
                    await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(answer) from None
    return answer


async def test_what_was_refused_is_tried_again_and_the_door_is_ready_when_a_table_is_in_force(tmp_path: Path) -> None:
    healthz, today = free_port(), asyncio.Event()
    engine = FakeEngine(Applied("refused", reason="not today") for _ in iter(today.is_set, True))
    config = GatewayConfig(door="gateway/shop/front", healthz=("127.0.0.1", healthz))
    asking = GET.replace(b"/cart", b"/healthz")
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            await api.create(NAMESPACES, {"metadata": {"name": "shop"}})
            await create(api, *first_objects(), gateway("front", http(port=8080)))
            running = asyncio.create_task(serve(config, api, engine=engine))
            await engine.changed.wait()
            assert b"no table yet" in await exchange(healthz, asking)
            today.set()
            await _until(healthz, b" 200 OK", asking)
            assert [[at.port for at in table.listeners] for table in engine.tables] == [[8080]]
            server.kill()
            assert b" 200 OK" in await exchange(healthz, asking)
            server.start()
            await create(api, service("web", 80), route("web", "front", rule(path("/cart"), to="web")))
            async with asyncio.timeout(60):
                while not engine.tables[-1].pools:
                    engine.changed.clear()
                    await engine.changed.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert engine.stopped


async def test_authorities_reach_the_table_and_other_config_maps_do_not(tmp_path: Path) -> None:
    engine, config = FakeEngine(), GatewayConfig(door="gateway/shop/front", healthz=("127.0.0.1", 0))

    async def until(*wanted: str) -> None:
        """The table has these authorities, once."""
        found: list[str] | None = None
        async with asyncio.timeout(60):
            while found != list(wanted):
                await engine.changed.wait()
                engine.changed.clear()
                pools = engine.tables[-1].pools.values() if engine.tables else ()
                found = [pool.tls.authorities for pool in pools if pool.tls is not None]

    first, second = key_pair("first")[0], key_pair("second")[0]
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            await api.create(NAMESPACES, {"metadata": {"name": "shop"}})
            await create(api, *first_objects(), gateway("front"), service("web", 80))
            await create(api, route("web", "front", rule(to="web")), tls_policy("p", "web"))
            running = asyncio.create_task(serve(config, api, engine=engine))
            await create(api, config_map("ca", ca_crt=first))
            await until(first)
            await api.patch(CONFIG_MAPS, "shop", "ca", {"data": {"ca.crt": second}})
            await until(second)
            asked = engine.asked
            await create(api, config_map("other", text="x"))
            await api.patch(CONFIG_MAPS, "shop", "other", {"data": {"text": "y"}})
            await api.delete(CONFIG_MAPS, "shop", "ca")
            await until()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert engine.asked == asked + 1


async def test_a_port_for_health_that_is_taken_ends_the_process_with_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = GatewayConfig(door="ingress", healthz=taken.getsockname())
        engine = FakeEngine()
        async with Api.unix("/nowhere") as api:
            with pytest.raises(OSError, match="address already in use"):
                await serve(config, api, engine=engine)
    assert engine.stopped


@pytest.mark.parametrize("engine", ["builtin", "haproxy"])
async def test_objects_become_requests(engine: str, tmp_path: Path) -> None:
    if engine == "haproxy" and not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")
    port, healthz, lines, own = free_port(), free_port(), Kept(), _own_address()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Api.unix(stack.enter_context(apiserver.start(tmp_path)).unix))
        one, two = [await stack.enter_async_context(backend(name, own)) for name in ("one", "two")]
        await api.create(NAMESPACES, {"metadata": {"name": "shop"}})
        front = gateway("front", http(port=port))
        web = route("web", "front", rule(path("/cart"), to="web"))
        await create(api, *first_objects(), service("web", 80), _slice(one), front, web)
        await stack.enter_async_context(_door(api, engine, healthz, lines))
        await _until(port, b'"name": "one"')
        async with aiohttp.ClientSession() as session:
            await _until(healthz, b" 200 OK", GET.replace(b"/cart", b"/healthz"))
            await create(api, _slice(two))
            await api.delete(ENDPOINT_SLICES, "shop", "web-one")
            await _until(port, b'"name": "two"')
            await api.delete(ENDPOINT_SLICES, "shop", "web-two")
            await _until(port, b"no endpoint of shop/web:80/TCP is ready")
            await api.delete(HTTP_ROUTES, "shop", "web")
            await _until(port, b"no route for this host")
            async with session.get(f"http://127.0.0.1:{healthz}/metrics") as answer:
                text = await answer.text()
        await api.delete(GATEWAYS, "shop", "front")
        async with asyncio.timeout(60):
            while True:
                try:
                    await exchange(port, GET)
                except OSError:
                    break
    assert 'portway_gateway_requests_total{code="200",route="HTTPRoute shop/web rules[0]"}' in text
    assert f'portway_gateway_tables_total{{engine="{engine}",how="runtime"}}' in text
    records = [entry.record for entry in Reading().entries(lines.text.splitlines())]
    seen = {(r.verdict, r.reason, r.http.status, r.http.route) for r in records if r.http}
    assert ("FORWARDED", "ROUTED", 200, "HTTPRoute shop/web rules[0]") in seen
    assert ("REFUSED", "NO_ENDPOINTS", 503, "HTTPRoute shop/web rules[0]") in seen
    assert ("REFUSED", "NO_HOST", 404, "") in seen
    first = next(r for r in records if r.reason == "ROUTED")
    assert (first.entry, first.http and first.http.host, first.http and first.http.path) == (
        "Gateway",
        "shop.example",
        "/cart",
    )
    assert first.service is not None and first.service.name == "web"
    assert first.backend is not None and first.backend.port == one.port
