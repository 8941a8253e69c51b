"""Clients that ask a door again and again while a test changes things, each in its own way, and tell what failed."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import grpc
from msgspec import Struct, field

from tests.patience import PATIENCE, until

Ask = Callable[[], Awaitable[bool]]


class Client(Struct):
    """One that never stops."""

    name: str
    answered: int = 0
    failures: list[str] = field(default_factory=list)


class Load:
    """Clients of the doors at these places (ADDRESS:PORT)."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self._until = asyncio.Event()
        self._steps: list[Callable[[Client], Awaitable[None]]] = []

    def fresh(self, at: str, host: str) -> None:
        """A new connection for every request."""
        self._add("fresh", lambda client: self._kept(client, at, host, None, keep=False))

    def kept(self, at: str, host: str, authority: ssl.SSLContext | None = None) -> None:
        """One connection as long as the door keeps it; by TLS with an authority."""
        self._add("kept" if authority is None else "kept, TLS", lambda client: self._kept(client, at, host, authority))

    def calls(self, at: str, authority: bytes = b"", host: str = "") -> None:
        """Calls of gRPC over one channel of HTTP/2; by TLS with an authority."""
        self._add("gRPC" if not authority else "gRPC, TLS", lambda client: self._calls(client, at, authority, host))

    def wait(self, more: int, seconds: float = PATIENCE) -> None:
        """Until each has been answered so many times more, or one has failed."""
        wanted = [client.answered + more for client in self.clients]

        def answered() -> bool:
            pairs = zip(self.clients, wanted, strict=True)
            return bool(self.failures()) or all(client.answered >= number for client, number in pairs)

        until(answered, f"so many answers: {self.clients}", seconds)

    def failures(self) -> list[str]:
        """Of all."""
        return [f"{client.name}: {failure}" for client in self.clients for failure in client.failures]

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """In a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._all()))
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self._until.set)
            thread.join()
            loop.close()

    def _add(self, name: str, step: Callable[[Client], Awaitable[None]]) -> None:
        self.clients.append(Client(f"{name} {len(self.clients)}"))
        self._steps.append(step)

    async def _all(self) -> None:
        await asyncio.gather(*(step(client) for step, client in zip(self._steps, self.clients, strict=True)))

    async def _kept(
        self, client: Client, at: str, host: str, authority: ssl.SSLContext | None, keep: bool = True
    ) -> None:
        address, _, port = at.rpartition(":")
        close = "" if keep else "Connection: close\r\n"
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\n{close}\r\n".encode()
        name = host if authority else None
        while not self._until.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    reader, writer = await asyncio.open_connection(
                        address, int(port), ssl=authority, server_hostname=name
                    )
                again = True
                while again and not self._until.is_set():
                    again = await _asked(client, reader, writer, request)
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                client.failures.append(f"after {client.answered}: {error!r}")

    async def _calls(self, client: Client, at: str, authority: bytes, host: str) -> None:
        options = (("grpc.ssl_target_name_override", host),)
        channel = (
            grpc.aio.secure_channel(at, grpc.ssl_channel_credentials(authority), options=options)
            if authority
            else grpc.aio.insecure_channel(at)
        )
        async with channel:
            call = channel.unary_unary("/shop.Cart/Get")
            while not self._until.is_set():
                try:
                    await call(b"milk", timeout=PATIENCE)
                    client.answered += 1
                except grpc.aio.AioRpcError as error:
                    client.failures.append(f"after {client.answered}: {error.code()} {error.details()}")


async def _asked(client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    """Whether the connection is good for another request; only an answer may say that it is not."""
    async with asyncio.timeout(PATIENCE):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in head:
            body = await reader.readuntil(b"0\r\n\r\n")
        else:
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
    client.answered += 1
    if not head.startswith(b"http/1.1 200"):
        client.failures.append((head + body).decode())
    return b"connection: close" not in head


SERVER = """
import asyncio, grpc, os, signal

async def get(request, context):
    return os.environ["HOSTNAME"].encode() + b" got " + request

async def main():
    server = grpc.aio.server()
    handlers = {"Get": grpc.unary_unary_rpc_method_handler(get)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", handlers),))
    server.add_insecure_port("0.0.0.0:9000")
    await server.start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    await asyncio.sleep(10)  # calls still come until all nodes and doors know that this pod goes
    await server.stop(10)

asyncio.run(main())
"""
"""A pod that answers calls: started with Python, with grpcio on its path."""
