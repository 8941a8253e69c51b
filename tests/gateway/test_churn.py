"""No request fails while everything changes: endpoints, routes, certificates, and pods that end."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from itertools import count

import pytest
from msgspec.structs import replace

from portway.routing.table import HeaderEdit, Listener, RouteTable
from portway.testing.doors import host, listener, prefix, route, table, with_endpoints
from tests.gateway.backends import Backend, backend
from tests.gateway.certificates import certificate, showing
from tests.gateway.conftest import Run
from tests.gateway.load import GET, POST, Client, asking, settle
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, SECURE = free_port(), free_port()
WEB = "shop/web:80/TCP"


def _client(port: int, request: bytes = GET) -> Client:
    return Client(port, request, showing() if port == SECURE else None)


def _table(backends: list[Backend], number: int, serial: int) -> RouteTable:
    """`number` changes routes; every tenth one changes what HAProxy has to reload for."""
    structural = HeaderEdit(set=(("X-Number", str(number // 10)),))
    routes = (route(prefix(f"/{number}"), "web"), replace(route("/", "web"), request_headers=structural))
    doors: list[Listener] = [
        listener(host("", *routes), port=PLAIN),
        listener(host("", *routes), port=SECURE, protocol="HTTPS", certificates=("shop/a",)),
    ]
    made = with_endpoints(table(*doors), {WEB: [one.endpoint for one in backends]})
    return replace(made, certificates={"shop/a": certificate("a.example", serial=serial)})


async def test_no_request_fails(run: Run) -> None:
    hows = set()
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(backend(f"web-{number}")) for number in range(4)]
        await run.apply(_table(pods, 0, 1))
        clients = [_client(port, request) for port in (PLAIN, SECURE) for request in (GET, GET, POST)]
        async with asking(clients):
            for number in range(1, 41):
                backends = [pod for at, pod in enumerate(pods) if (number >> at) % 2] or pods
                hows.add((await run.apply(_table(backends, number, 1 + number // 5))).how)
                await settle(clients, 2)
    assert hows == ({"runtime"} if run.name == "builtin" else {"runtime", "reload"})


async def test_pods_that_are_replaced_one_after_the_other(run: Run) -> None:
    """A rolling update: the new pod is there before the old one is taken out, which ends after that."""
    numbers = count()
    async with AsyncExitStack() as others:
        clients = [_client(PLAIN, request) for request in (GET, GET, POST)]
        stacks = [await others.enter_async_context(AsyncExitStack()) for _ in range(2)]
        pods = [await stack.enter_async_context(backend(f"web-{next(numbers)}")) for stack in stacks]
        await run.apply(_table(pods, 0, 1))
        async with asking(clients):
            for _ in range(8):
                new = await others.enter_async_context(AsyncExitStack())
                stacks.append(new)
                pods.append(await new.enter_async_context(backend(f"web-{next(numbers)}")))
                await run.apply(_table(pods, 0, 1))
                await settle(clients, 3)
                await run.apply(_table(pods[1:], 0, 1))
                pods.pop(0)
                await settle(clients, 2)  # what it was asked before is answered: a pod's preStop hook waits for that
                await stacks.pop(0).aclose()
                await settle(clients, 3)


@pytest.mark.parametrize("port", [PLAIN, SECURE], ids=["plain", "secure"])
async def test_who_was_idle_while_everything_changed_is_answered_as_things_are_now(run: Run, port: int) -> None:
    """HAProxy has been reloaded meanwhile: the connection is an old process's, which knows the old pod only."""
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(AsyncExitStack())
        one = await old.enter_async_context(backend("one"))
        two = await stack.enter_async_context(backend("two"))
        await run.apply(_table([one], 0, 1))
        client = _client(port)
        connections = [await client.connect() for _ in range(2)]
        for reader, writer in connections:
            assert await client.ask(reader, writer)
        assert (await run.apply(_table([one], 10, 1))).how == ("reload" if run.name == "haproxy" else "runtime")
        await run.apply(_table([two], 10, 1))
        await old.aclose()
        await client.ask(*connections[0])
        await run.apply(_table([two], 20, 1))
        await client.ask(*connections[1])
        for _, writer in connections:
            writer.close()
    assert client.failures == []


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
async def test_wrk_meets_no_failure_while_endpoints_come_and_go(run: Run) -> None:
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(backend(f"web-{number}")) for number in range(3)]
        await run.apply(_table(pods, 0, 1))
        wrk = await asyncio.create_subprocess_exec(
            "wrk",
            "-t1",
            "-c8",
            "-d1s",
            "--timeout",
            "60s",
            f"http://127.0.0.1:{PLAIN}/x",
            stdout=asyncio.subprocess.PIPE,
        )
        asking = asyncio.create_task(wrk.communicate())
        for number in count():
            if asking.done():
                break
            await run.apply(_table(pods[number % 3 :] or pods, 0, 1))
            await asyncio.sleep(0.01)
        said = (await asking)[0].decode()
    assert "requests in" in said
    assert "Non-2xx" not in said and "Socket errors" not in said, said
