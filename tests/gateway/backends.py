"""Small real backends, and a client that shows bytes."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from msgspec import Struct

from portway.routing.table import Endpoint


class Backend(Struct):
    """One that tells what it got: JSON of name, method, path, host, headers, body length."""

    name: str
    port: int
    requests: list[str]
    connections: set[tuple[str, int]]
    address: str = "127.0.0.1"

    @property
    def endpoint(self) -> Endpoint:
        """It as an endpoint."""
        return Endpoint(self.address, self.port, f"test/{self.name}")


@asynccontextmanager
async def backend(name: str, address: str = "127.0.0.1") -> AsyncIterator[Backend]:
    """`?status=`, `?size=` (bytes of the answer, chunked), `?wait=` (until the client goes), `?header=name:value`."""
    made = Backend(name, 0, [], set(), address)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        made.requests.append(f"{request.method} {request.path_qs}")
        assert request.transport is not None
        made.connections.add(request.transport.get_extra_info("peername"))
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await _echo_websocket(request)
        return await _tell(made, request)

    async with listening(web.Server(handle, keepalive_timeout=3600), address) as made.port:
        yield made


@asynccontextmanager
async def listening(
    server: web.Server, address: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """At a port of its own, by TLS with a `context`."""
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _tell(made: Backend, request: web.BaseRequest) -> web.StreamResponse:
    if request.headers.get("Expect") == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    size = sum([len(piece) async for piece in request.content.iter_any()])
    if "wait" in request.query:
        await asyncio.Event().wait()
    headers = dict([request.query["header"].split(":")] if "header" in request.query else ())
    if "size" in request.query:
        response = web.StreamResponse(headers=headers)
        if request.version >= (1, 1):
            response.enable_chunked_encoding()
        else:
            response.force_close()
        await response.prepare(request)
        left = int(request.query["size"])
        while left:
            await response.write(b"x" * min(left, 65536))
            left -= min(left, 65536)
        return response
    told = {
        "name": made.name,
        "method": request.method,
        "path": request.path_qs,
        "host": request.headers.get("Host", ""),
        "headers": [[key.lower(), value] for key, value in request.headers.items()],
        "body": size,
    }
    return web.Response(status=int(request.query.get("status", 200)), headers=headers, text=json.dumps(told))


async def _echo_websocket(request: web.BaseRequest) -> web.WebSocketResponse:
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        await answer.send_str(f"echo {message.data}")
    return answer


class _Heard(asyncio.Protocol):
    """Keeps what comes, also when a reset follows it: a StreamReader would lose it then."""

    def __init__(self) -> None:
        self.data, self.ended = bytearray(), asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def exchange(port: int, data: bytes, *, end: bool = False) -> bytes:
    """What comes back for these bytes until the door closes the connection, in whichever way.

    `end`: the client says no more behind them. Raises OSError when nobody listens.
    """
    transport, heard = await asyncio.get_running_loop().create_connection(_Heard, "127.0.0.1", port)
    try:
        transport.write(data)
        if end:
            with suppress(OSError):  # a reset came before
                transport.write_eof()
        async with asyncio.timeout(60):
            await heard.ended
    finally:
        transport.close()
    return bytes(heard.data)


async def refused(port: int) -> None:
    """Knocks until nobody listens there any more."""
    async with asyncio.timeout(60):
        with suppress(OSError):
            while True:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await asyncio.sleep(0.01)
