"""No request fails while everything changes: endpoints, routes, certificates, and pods that end."""

import asyncio
import shutil
import ssl
from contextlib import AsyncExitStack
from itertools import count

import pytest
from msgspec import Struct
from msgspec.structs import replace

from portway.routing.table import HeaderEdit, Listener, RouteTable
from portway.testing.doors import host, listener, prefix, route, table, with_endpoints
from tests.gateway.backends import Backend, backend, free_port
from tests.gateway.certificates import certificate
from tests.gateway.conftest import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, SECURE = free_port(), free_port()
WEB = "shop/web:80/TCP"
GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nabcd"


class Client(Struct):
    """Asks again and again over one connection, as long as the door keeps it."""

    port: int
    request: bytes
    answered: int = 0
    failures: list[str] = []
    connections: int = 0

    async def run(self, until: asyncio.Event) -> None:
        """Each answer has to be whole and 200; a connection may be closed only when its last answer said so."""
        while not until.is_set():
            reader, writer = await self._connect()
            self.connections += 1
            try:
                while not until.is_set() and await self._ask(reader, writer):
                    self.answered += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(f"after {self.answered}: {error!r}")
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.port == PLAIN:
            return await asyncio.open_connection("127.0.0.1", self.port)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname="a.example")

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            self.failures.append((head + body).decode())
        if b"connection: close" in head:
            self.answered += 1
            return False
        return True


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


async def _settle(clients: list[Client], more: int) -> None:
    """Until each has been answered so many times more, or something has failed."""
    wanted = [client.answered + more for client in clients]
    async with asyncio.timeout(60):
        while any(c.answered < w for c, w in zip(clients, wanted, strict=True)) and not any(
            c.failures for c in clients
        ):
            await asyncio.sleep(0.002)


async def test_no_request_fails(run: Run) -> None:
    until, hows = asyncio.Event(), set()
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(backend(f"web-{number}")) for number in range(4)]
        await run.apply(_table(pods, 0, 1))
        clients = [Client(port, request) for port in (PLAIN, SECURE) for request in (GET, GET, POST)]
        running = [asyncio.create_task(client.run(until)) for client in clients]
        for number in range(1, 41):
            backends = [pod for at, pod in enumerate(pods) if (number >> at) % 2] or pods
            hows.add((await run.apply(_table(backends, number, 1 + number // 5))).how)
            await _settle(clients, 2)
        until.set()
        await asyncio.gather(*running)
    assert [failure for client in clients for failure in client.failures] == []
    assert hows == ({"runtime"} if run.name == "builtin" else {"runtime", "reload"})


async def test_pods_that_are_replaced_one_after_the_other(run: Run) -> None:
    """A rolling update: the new pod is there before the old one is taken out, which ends after that."""
    until, numbers = asyncio.Event(), count()
    async with AsyncExitStack() as others:
        clients = [Client(PLAIN, request) for request in (GET, GET, POST)]
        running: list[asyncio.Task[None]] = []
        stacks = [await others.enter_async_context(AsyncExitStack()) for _ in range(2)]
        pods = [await stack.enter_async_context(backend(f"web-{next(numbers)}")) for stack in stacks]
        for _ in range(8):
            new = await others.enter_async_context(AsyncExitStack())
            stacks.append(new)
            pods.append(await new.enter_async_context(backend(f"web-{next(numbers)}")))
            await run.apply(_table(pods, 0, 1))
            running = running or [asyncio.create_task(client.run(until)) for client in clients]
            await _settle(clients, 3)
            await run.apply(_table(pods[1:], 0, 1))
            pods.pop(0)
            await _settle(clients, 2)  # what it was asked before is answered, as a pod's preStop hook would wait for
            await stacks.pop(0).aclose()
            await _settle(clients, 3)
        until.set()
        await asyncio.gather(*running)
    assert [failure for client in clients for failure in client.failures] == []


@pytest.mark.parametrize("port", [PLAIN, SECURE], ids=["plain", "secure"])
async def test_who_was_idle_while_everything_changed_is_answered_as_things_are_now(run: Run, port: int) -> None:
    """HAProxy has been reloaded meanwhile: the connection is an old process's, which knows the old pod only."""
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(AsyncExitStack())
        one = await old.enter_async_context(backend("one"))
        two = await stack.enter_async_context(backend("two"))
        await run.apply(_table([one], 0, 1))
        client = Client(port, GET)
        connections = [await client._connect() for _ in range(2)]
        for reader, writer in connections:
            assert await client._ask(reader, writer)
        assert (await run.apply(_table([one], 10, 1))).how == ("reload" if run.name == "haproxy" else "runtime")
        await run.apply(_table([two], 10, 1))
        await old.aclose()
        await client._ask(*connections[0])
        await run.apply(_table([two], 20, 1))
        await client._ask(*connections[1])
        for _, writer in connections:
            writer.close()
    assert client.failures == []


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
async def test_wrk_meets_no_failure_while_endpoints_come_and_go(run: Run) -> None:
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(backend(f"web-{number}")) for number in range(3)]
        await run.apply(_table(pods, 0, 1))
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", "-c8", "-d1s", f"http://127.0.0.1:{PLAIN}/x", stdout=asyncio.subprocess.PIPE
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
