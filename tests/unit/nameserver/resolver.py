"""A resolver of somebody else, on loopback: says what it is told to say."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import dns.flags
import dns.message
import dns.rrset

from portway.dns.stubs import Address

Say = Callable[[dns.message.Message, bool], list[bytes]]
"""(query, by TCP) -> the packets that are sent."""


def addressed(query: dns.message.Message, address: str = "192.0.2.1", ttl: int = 60) -> dns.message.Message:
    """The name has this address."""
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    reply.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", "A", address))
    return reply


def answers(query: dns.message.Message, _: bool) -> list[bytes]:
    """One response."""
    return [addressed(query).to_wire()]


def silent(_: dns.message.Message, __: bool) -> list[bytes]:
    """None."""
    return []


class Resolver(asyncio.DatagramProtocol):
    """What it was asked, and where it is."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[dns.message.Message] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.address: Address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, client: Any) -> None:
        for packet in self._said(data, False):
            self.transport.sendto(packet, client)

    def _said(self, data: bytes, tcp: bool) -> list[bytes]:
        query = dns.message.from_wire(data)
        self.asked.append(query)
        return self.say(query, tcp)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection."""
        size = int.from_bytes(await reader.readexactly(2), "big")
        for packet in self._said(await reader.readexactly(size), True):
            writer.write(len(packet).to_bytes(2, "big") + packet)
        writer.close()


def one_port() -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket on loopback, of the same number."""
    while True:
        tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # somebody has that one
            tcp.close()
            udp.close()
        else:
            return udp, tcp


@asynccontextmanager
async def resolving(say: Say = answers) -> AsyncIterator[Resolver]:
    """It answers inside, by UDP and TCP at one port."""
    udp, tcp = one_port()
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(lambda: Resolver(say), sock=udp)
    server = await asyncio.start_server(made.talk, sock=tcp)
    try:
        yield made
    finally:
        server.close()
        transport.close()
