"""Doors on real sockets."""

import asyncio
import logging
import socket
from functools import partial

import aiohttp
import pytest

from portway.agent.doors import Door, Doors, door_at
from portway.agent.health import Answer
from tests.ports import free_port
from tests.told import by_portway


def _telling(text: str) -> Answer:
    return Answer(200, text, "text/x-test", (("X-Weight", "3"),))


def _naming(name: str, _path: str) -> Answer:
    return Answer(200, name)


async def _ask(method: str, port: int, path: str = "/") -> tuple[int, str, str | None]:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=b"x" * 100) as got:
        return got.status, await got.text(), got.headers.get("X-Weight")


async def test_any_method_and_path_is_answered_until_the_door_closes() -> None:
    door = Door("127.0.0.1", free_port(), "test")
    doors = Doors()
    assert await doors.follow({door: _telling})
    for method in ("GET", "POST", "DELETE", "OPTIONS", "PATCH"):
        assert await _ask(method, door.port, "/some/where?x=1") == (200, "/some/where", "3")
    assert await _ask("HEAD", door.port) == (200, "", "3")
    await doors.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await _ask("GET", door.port)


async def test_a_door_that_cannot_be_opened_is_said_once_and_opened_later(caplog: pytest.LogCaptureFixture) -> None:
    doors, other = Doors(), Door("127.0.0.1", free_port(), "another")
    door = Door("127.0.0.1", free_port(), "health check of Service shop/web")
    with caplog.at_level(logging.ERROR), socket.create_server((door.address, door.port)):
        for _ in range(3):
            assert not await doors.follow({door: _telling, other: _telling})
        assert (await _ask("GET", other.port))[0] == 200, "others are not held up"
    (said,) = by_portway(caplog)
    assert said == f"cannot listen on {door}: Address already in use; trying again every 5 s"
    assert await doors.follow({door: _telling, other: _telling})
    assert (await _ask("GET", door.port))[0] == 200
    await doors.close()


async def test_a_door_goes_to_another_service_at_once() -> None:
    port, doors = free_port(), Doors()
    for name in ("web", "api"):
        assert await doors.follow({Door("127.0.0.1", port, name): partial(_naming, name)})
        assert await _ask("GET", port) == (200, name, None)
    await doors.close()


async def test_a_client_that_says_nothing_holds_nobody_up() -> None:
    door, doors = Door("127.0.0.1", free_port(), "test"), Doors()
    await doors.follow({door: _telling})
    _, silent = await asyncio.open_connection("127.0.0.1", door.port)
    assert (await _ask("GET", door.port))[0] == 200
    await doors.close()
    silent.close()


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("0.0.0.0:10256", "", 10256),
        ("[::]:10256", "", 10256),
        (":10256", "", 10256),
        ("127.0.0.1:10249", "127.0.0.1", 10249),
        ("[::1]:1", "::1", 1),
    ],
)
def test_bind_addresses(text: str, address: str, port: int) -> None:
    assert door_at(text, "test") == Door(address, port, "test")


@pytest.mark.parametrize(
    "text", ["10256", "127.0.0.1", "127.0.0.1:", ":0", ":65536", ":http", "::1", "[::1]", "node-1:80", "[10.0.0.1]:1"]
)
def test_bind_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="must be IP:PORT"):
        door_at(text, "test")


_NO_COLON = b"GET / HTTP/1.1\r\nno colon\r\n\r\n"
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TLS = b"\x16\x03\x01\x02\x00\x01\r\n\r\n"


async def test_who_speaks_no_http_is_a_line_in_the_log_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    door, doors = Door("127.0.0.1", free_port(), "test"), Doors()
    assert await doors.follow({door: _telling})
    with caplog.at_level(logging.INFO):
        for said in (_NO_COLON, _HTTP2, _TLS):
            reader, writer = await asyncio.open_connection(door.address, door.port)
            writer.write(said)
            assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
            writer.close()
    await doors.close()
    assert not [record for record in caplog.records if record.exc_info]
    assert [each.partition(":")[0] for each in by_portway(caplog)] == ["a client that speaks no HTTP"] * 2
