"""A server of gRPC by grpcio: messages are bytes, so that nothing has to be generated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from msgspec import Struct, field

from portway.routing.table import Endpoint


class Pod(Struct):
    """One that tells who it is: its name is in the answers and in the metadata."""

    name: str
    port: int = 0
    called: list[str] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    server: Any = None

    @property
    def endpoint(self) -> Endpoint:
        """It as an endpoint."""
        return Endpoint("127.0.0.1", self.port, f"test/{self.name}")

    async def get(self, request: bytes, context: Any) -> bytes:
        """Unary: echoed, with the metadata that came told in the trailers."""
        self.called.append("Get")
        await context.send_initial_metadata((("x-pod", self.name),))
        seen = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-seen", seen.get("x-asked", "")), ("x-bin", b"\x00\xff")))
        return b"%s got %s" % (self.name.encode(), request)

    async def list(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Server stream: as many messages as asked for."""
        for number in range(int(request)):
            yield b"%d" % number

    async def put(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Client stream: how many bytes came."""
        return b"%d" % sum([len(one) async for one in requests])

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Both: each message is answered before the next one is read."""
        async for one in requests:
            yield b"echo " + one

    async def fail(self, request: bytes, context: Any) -> bytes:
        """An error, in the trailers."""
        context.set_trailing_metadata((("x-why", "empty"),))
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such cart")
        raise AssertionError

    async def half(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """An error behind messages."""
        yield b"one"
        await context.abort(grpc.StatusCode.DATA_LOSS, "no more")

    async def wait(self, request: bytes, context: Any) -> bytes:
        """For ever; a caller who goes is heard."""
        self.called.append("Wait")
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return b""


@asynccontextmanager
async def serving(name: str, service: str = "shop.Cart", credentials: Any = None) -> AsyncIterator[Pod]:
    """A pod of this name; with credentials it speaks TLS."""
    pod = Pod(name)
    pod.server = server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {
        "Get": grpc.unary_unary_rpc_method_handler(pod.get),
        "List": grpc.unary_stream_rpc_method_handler(pod.list),
        "Put": grpc.stream_unary_rpc_method_handler(pod.put),
        "Chat": grpc.stream_stream_rpc_method_handler(pod.chat),
        "Fail": grpc.unary_unary_rpc_method_handler(pod.fail),
        "Half": grpc.unary_stream_rpc_method_handler(pod.half),
        "Wait": grpc.unary_unary_rpc_method_handler(pod.wait),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    at = "127.0.0.1:0"
    pod.port = server.add_secure_port(at, credentials) if credentials else server.add_insecure_port(at)
    await server.start()
    try:
        yield pod
    finally:
        await server.stop(0)
