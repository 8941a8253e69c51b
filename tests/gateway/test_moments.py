"""What happens at one moment because this process stood still meanwhile."""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from portway.gateway.engine import Door
from portway.gateway.router import BuiltinEngine
from portway.routing.table import Endpoint, Timeouts
from portway.routing.timings import Timings
from portway.testing.doors import host, listener, route, table, with_endpoints
from tests.gateway.certificates import certificate, showing
from tests.ports import free_port
from tests.told import by_portway, of_us_and_asyncio


async def test_a_deadline_that_passes_while_a_websocket_begins(tmp_path: Path) -> None:
    """A route's timeout is for requests: what has become something else in time goes on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        time.sleep(0.5)  # nobody here has a turn before both the answer is there and the deadline has passed
        writer.write(await reader.readline())

    engine, port = BuiltinEngine(), free_port()
    await engine.start(Door("gateway/shop/gateway", tmp_path, ("127.0.0.1",), Timings(drain=0.1)), print)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        hurried = replace(route("/", "web"), timeouts=Timeouts(request=0.4))
        made = with_endpoints(table(listener(host("", hurried), port=port)), {"shop/web:80/TCP": [endpoint]})
        await engine.apply(made)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            writer.write(b"one\n")
            assert await reader.readline() == b"one\n"
        writer.close()
        await engine.stop()


async def test_a_client_that_comes_just_when_the_door_closes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine, port = BuiltinEngine(), free_port()
    await engine.start(Door("gateway/shop/gateway", tmp_path, ("127.0.0.1",), Timings(drain=0.1)), print)
    at = listener(host("a.example", route("/", "web")), port=port, protocol="TLS", hostname="a.example")
    await engine.apply(table(at))
    await asyncio.sleep(0)  # it listens
    with socket.create_connection(("127.0.0.1", port)):
        await asyncio.sleep(0)  # the loop has seen the client; our turn is before that of who takes it
        await engine.stop()
    assert [record.getMessage() for record in of_us_and_asyncio(caplog) if record.levelno >= logging.WARNING] == []


class _Aborting(BuiltinEngine):
    """Loses the connection while it looks for who takes the first of its requests."""

    def listener(self, transport: asyncio.Transport, *more: Any) -> Any:
        """As ever."""
        transport.abort()
        return super().listener(transport, *more)


async def test_the_next_request_of_a_tls_client_that_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio's TLS forgets whose connection it was before it says that it is lost."""
    engine, port = _Aborting(), free_port()
    await engine.start(Door("gateway/shop/gateway", tmp_path, ("127.0.0.1",), Timings(drain=0.1)), print)
    at = listener(host("b.example", route("/", "web")), port=port, protocol="HTTPS", certificates=("shop/a",))
    await engine.apply(replace(table(at), certificates={"shop/a": certificate("a.example")}))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=showing(), server_hostname="a.example")
    writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" * 2)
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            await reader.read()
    writer.close()
    await engine.stop()
    assert by_portway(caplog) == []
