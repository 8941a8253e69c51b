"""Clients that ask all the time, and remember what went wrong."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nabcd"


class Client(Struct):
    """Asks again and again over one connection, as long as the door keeps it."""

    port: int
    request: bytes
    context: ssl.SSLContext | None = None
    """Over TLS with this, or plain."""
    answered: int = 0
    failures: list[str] = []
    connections: int = 0
    turned_away: int = 0
    """How often it was told to come again by another connection (421)."""

    async def run(self, until: asyncio.Event) -> None:
        """Each answer has to be whole and 200; a connection may be closed only when its last answer said so."""
        while not until.is_set() and not self.failures:
            try:
                reader, writer = await self.connect()
                self.connections += 1
                while not until.is_set() and await self.ask(reader, writer):
                    self.answered += 1
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(f"after {self.answered}: {error!r}")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Another connection."""
        name = None if self.context is None else "a.example"
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname=name)

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if head.startswith(b"http/1.1 421"):
            self.turned_away += 1
            return False
        if not head.startswith(b"http/1.1 200"):
            self.failures.append((head + body).decode())
        if b"connection: close" in head:
            self.answered += 1
            return False
        return True


@asynccontextmanager
async def asking(clients: Sequence[Client]) -> AsyncIterator[None]:
    """Meanwhile they ask; nothing of that may have failed."""
    until = asyncio.Event()
    running = [asyncio.create_task(client.run(until)) for client in clients]
    try:
        yield
    finally:
        until.set()
        await asyncio.gather(*running)
    assert [failure for client in clients for failure in client.failures] == []


async def settle(clients: Sequence[Client], more: int) -> None:
    """Until each has been answered so many times more, or something has failed."""
    wanted = [client.answered + more for client in clients]
    async with asyncio.timeout(60):
        while any(c.answered < w for c, w in zip(clients, wanted, strict=True)) and not any(
            c.failures for c in clients
        ):
            await asyncio.sleep(0.002)
