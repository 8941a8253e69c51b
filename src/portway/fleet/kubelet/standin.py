"""Stand-ins: what answers in a pod whose containers name no program that runs here.

One per declared containerPort, all in the kubelet's own process. Bytes that begin like an HTTP request get an
HTTP answer with JSON; any other TCP client gets one line about who answers, then an echo, at its first bytes or
after a short silence; each UDP datagram gets the line and itself back.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from portway.fleet import linux
from portway.fleet.kubelet.http import Request, looks_like_http, parse

_SILENCE_SECONDS = 0.2
"""A client that says nothing for so long wants to be spoken to (as SMTP's or MySQL's do)."""
_LONGEST_HEAD = 65536


class Identity(Struct, frozen=True):
    """Who answers."""

    pod: str
    namespace: str
    node: str
    pod_ip: str


class Port(Struct, frozen=True, order=True):
    """A declared containerPort."""

    port: int
    protocol: str
    name: str = ""


def about(identity: Identity, port: Port, client: Any) -> dict[str, Any]:
    """What an answer says, in JSON's spelling."""
    return {
        "pod": identity.pod,
        "namespace": identity.namespace,
        "node": identity.node,
        "podIP": identity.pod_ip,
        "portName": port.name,
        "port": port.port,
        "protocol": port.protocol,
        "client": client[0],
        "clientPort": client[1],
    }


def line(identity: Identity, port: Port, client: Any) -> bytes:
    """The same as one line of key=value."""
    return " ".join(f"{key}={value}" for key, value in about(identity, port, client).items()).encode() + b"\n"


class StandIn:
    """The listeners of one pod."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._close: list[Callable[[], None]] = []
        self._connections: set[asyncio.Transport] = set()

    async def listen(self, network: str | None, ports: Iterable[Port]) -> None:
        """Answer at every port, of both families, in the network namespace at `network` (None: the current one).

        OSError when a port is taken (by another pod of the node's own network).
        """
        loop = asyncio.get_running_loop()
        opened = [(each, made) for each in sorted(set(ports)) for made in listening(network, each)]
        for port, each_socket in opened:
            if port.protocol == "TCP":
                server = await loop.create_server(self._talk(port), sock=each_socket, backlog=1024)
                self._close.append(server.close)
            else:
                transport, _ = await loop.create_datagram_endpoint(self._echo(port), sock=each_socket)
                self._close.append(transport.close)

    def _talk(self, port: Port) -> Callable[[], asyncio.Protocol]:
        return lambda: Talk(self._identity, port, self._connections)

    def _echo(self, port: Port) -> Callable[[], asyncio.DatagramProtocol]:
        return lambda: Echo(self._identity, port)

    def close(self) -> None:
        """Listen no more, and end what is being talked."""
        for close in self._close:
            close()
        self._close.clear()
        for transport in list(self._connections):
            transport.abort()


def listening(network: str | None, port: Port) -> Sequence[socket.socket]:
    """Sockets of both families at that port, in the network namespace at `network` (None: the current one)."""
    place = linux.inside_network(network) if network else contextlib.nullcontext()
    kind = socket.SOCK_STREAM if port.protocol == "TCP" else socket.SOCK_DGRAM
    made = []
    with place:
        for family, wildcard in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            try:
                each = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            except OSError:  # a kernel without IPv6
                continue
            made.append(each)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((wildcard, port.port))
            if port.protocol == "TCP":
                each.listen(1024)
    return made


class Talk(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, identity: Identity, port: Port, connections: set[asyncio.Transport]) -> None:
        self._identity, self._port, self._connections = identity, port, connections
        self._buffer = b""
        self._echoes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._client = transport.get_extra_info("peername")
        self._connections.add(transport)
        self._silence = asyncio.get_running_loop().call_later(_SILENCE_SECONDS, self._speak_up)

    def _speak_up(self) -> None:
        if not self._buffer and not self._echoes:
            self._begin_echo()

    def _begin_echo(self) -> None:
        self._echoes = True
        self._transport.write(line(self._identity, self._port, self._client) + self._buffer)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._silence.cancel()
        if self._echoes:
            self._transport.write(data)
            return
        self._buffer += data
        while self._buffer and not self._echoes:
            if not looks_like_http(self._buffer) or len(self._buffer) > _LONGEST_HEAD:
                self._begin_echo()
            elif not self._answer():
                return

    def _answer(self) -> bool:
        """Answer the request at the buffer's head; False while it is incomplete."""
        request = parse(self._buffer)
        if request is None:
            return False
        self._buffer = self._buffer[request.length :]
        self._transport.write(_response(request, about(self._identity, self._port, self._client)))
        if not request.keep_alive:
            self._transport.close()
            return False
        return True

    def eof_received(self) -> bool:
        if self._buffer:
            self._begin_echo()
        return False

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._silence.cancel()
        self._connections.discard(self._transport)


def _response(request: Request, who: dict[str, Any]) -> bytes:
    said = who | {"method": request.method, "path": request.path, "headers": request.headers}
    body = msgspec.json.format(msgspec.json.encode(said)) + b"\n"
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: portway\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if request.keep_alive else 'close'}\r\n\r\n"
    )
    return head.encode() + (b"" if request.method == "HEAD" else body)


class Echo(asyncio.DatagramProtocol):
    """UDP: every datagram is answered."""

    def __init__(self, identity: Identity, port: Port) -> None:
        self._identity, self._port = identity, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is no DatagramTransport by inheritance
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: Any) -> None:
        self._transport.sendto(line(self._identity, self._port, client) + data, client)
