"""Every case of `decide`, as a real request through each engine to real servers: all say the same."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from portway.routing import decide
from portway.routing.table import Request, RouteTable
from portway.testing.doors import CASES, DoorCase, with_endpoints
from tests.gateway.backends import backend
from tests.gateway.certificates import certificate
from tests.gateway.conftest import Run
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Together(Struct):
    """All tables as one, a port for each of their listeners."""

    table: RouteTable
    ports: dict[str, int]
    session: aiohttp.ClientSession


def _port(case: DoorCase) -> str:
    return str(hash(case.table.listeners[0]))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def together(run: Run) -> AsyncIterator[Together]:
    ports = {_port(case): 0 for case in CASES}
    listeners = []
    for case in CASES:
        if not ports[_port(case)]:
            ports[_port(case)] = port = free_port()
            listeners.append(replace(case.table.listeners[0], name=f"at-{port}", port=port, certificates=("shop/any",)))
    known = {key: pool for case in CASES for key, pool in case.table.pools.items()}
    async with AsyncExitStack() as stack:
        real = {key: [(await stack.enter_async_context(backend(pool.service))).endpoint] for key, pool in known.items()}
        table = with_endpoints(RouteTable(tuple(listeners), known, {"shop/any": certificate("any.example")}), real)
        await run.apply(table)
        connector = aiohttp.TCPConnector(ssl=False)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        yield Together(table, ports, session)


@pytest.mark.parametrize("case", CASES, ids=repr)
async def test_engines_do_as_decided(together: Together, case: DoorCase) -> None:
    listener = next(at for at in together.table.listeners if at.port == together.ports[_port(case)])
    decision = decide(together.table, listener, case.request)
    status, location, text = await _asked(together, listener.port, listener.protocol == "HTTPS", case.request)
    assert (status, location) == (decision.status or 200, decision.location), text
    if decision.code == "ROUTED":
        told = json.loads(text)
        assert told["name"] in {together.table.pools[b.pool].service for b in decision.backends if b.pool}
        assert (told["path"], told["host"]) == (decision.path, decision.host)
    elif decision.code != "REDIRECTED":
        assert text.strip()


async def _asked(together: Together, port: int, tls: bool, request: Request) -> tuple[int, str, str]:
    url = URL(f"http{'s' if tls else ''}://127.0.0.1:{port}{request.target}", encoded=True)
    length = next((int(value) for name, value in request.headers if name == "content-length"), 0)
    headers = [(name, value) for name, value in request.headers if name != "content-length"]
    async with together.session.request(
        request.method, url, headers=[("Host", request.host), *headers], data=b"x" * length, allow_redirects=False
    ) as response:
        return response.status, response.headers.get("Location", ""), await response.text()
