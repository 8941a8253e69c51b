"""What agnhost's servers answer, over HTTP and UDP, from a pod's own network.

Source of paths, words and forms: test/images/agnhost/netexec of Kubernetes 1.36. `/shell`, `/upload` and `/exit`
are not played: who asks for them is told 501.
"""

import asyncio
import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from portway.fleet.kubelet import agnhost_dial
from portway.fleet.kubelet.agnhost_programs import Server
from portway.fleet.kubelet.http import Request, looks_like_http, parse
from portway.fleet.kubelet.process import Space
from portway.fleet.kubelet.standin import listening
from portway.fleet.mounts import Mount
from portway.model.address import host_port

_LONGEST = 1 << 20
_PATIENCE = 1.0


class Reply(Struct, frozen=True):
    """What an HTTP request gets."""

    body: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Asked(Struct, frozen=True):
    """An HTTP request as netexec's handlers see it."""

    request: Request
    query: Mapping[str, str]
    client: str
    """`ADDRESS:PORT`."""
    hostname: str
    port: int


def _echo(asked: Asked) -> Reply:
    code = asked.query.get("code", "")
    if code and not code.isdigit():
        return Reply(f"argument 'code' must be an integer or empty, got \"{code}\"\n")
    return Reply(asked.query.get("msg", ""), int(code or 200))


def _header(asked: Asked) -> Reply:
    headers = asked.request.headers
    if key := asked.query.get("key"):
        return Reply(headers.get(key.lower(), ""))
    return Reply(json.dumps({name.title(): [value] for name, value in headers.items() if name != "host"}))


def _redirect(asked: Asked) -> Reply:
    code = asked.query.get("code", "302")
    return Reply("", int(code) if code.isdigit() else 302, (("Location", asked.query.get("location", "")),))


_HANDLERS: Mapping[str, Callable[[Asked], Reply]] = {
    "/clientip": lambda asked: Reply(asked.client),
    "/serverport": lambda asked: Reply(str(asked.port)),
    "/hostname": lambda asked: Reply(asked.hostname),
    "/hostName": lambda asked: Reply(asked.hostname),
    "/healthz": lambda _: Reply(),
    "/readyz": lambda _: Reply("ok"),
    "/header": _header,
    "/echo": _echo,
    "/redirect": _redirect,
    "/": lambda _: Reply(f"NOW: {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} +0000 UTC"),
}
_NOT_PLAYED = ("/shell", "/upload", "/exit", "/shutdown")


def netexec(asked: Asked) -> Reply:
    """What netexec's HTTP server says; `/dial` is asynchronous and not here."""
    path = urlsplit(asked.request.path).path
    if path in _NOT_PLAYED:
        return Reply(f"{path} is not played here\n", 501)
    return _HANDLERS.get(path, _HANDLERS["/"])(asked)


def datagram(text: str, server: Server, hostname: str, client: str) -> str:
    """What a UDP datagram is answered; "" for nothing."""
    if server.speaks != "netexec":
        return server.text or hostname
    said = text.strip().lower()
    fixed = {"hostname": hostname, "clientip": client, "serverport": str(server.port.port)}
    return said.removeprefix("echo ") if said.startswith("echo ") else fixed.get(said, "")


@cache
def certified() -> ssl.SSLContext:
    """For servers whose clients look at no certificate: one that signs itself, made when the first is wanted."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "agnhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=3650))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(secret + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class AgnhostServers:
    """The listeners of one pod's agnhost containers."""

    def __init__(self, hostname: str, space: Space) -> None:
        self._hostname, self._space = hostname, space
        self._close: list[Callable[[], None]] = []
        self._talks: set[asyncio.StreamWriter] = set()
        self._leaving = False

    async def listen(self, wanted: Sequence[Server]) -> None:
        """Begin. OSError when a port is taken (by another pod of the node's own network)."""
        loop = asyncio.get_running_loop()
        for server, opened in [(each, made) for each in wanted for made in listening(self._space.network, each.port)]:
            if server.port.protocol == "TCP":
                secured = certified() if server.tls else None
                made = await asyncio.start_server(self._talk(server), sock=opened, backlog=1024, ssl=secured)
                self._close.append(made.close)
            else:
                datagrams = _Datagrams(server, self._hostname)
                transport, _ = await loop.create_datagram_endpoint(lambda it=datagrams: it, sock=opened)  # type: ignore[misc]
                self._close.append(transport.close)

    def leave(self) -> None:
        """They were told to end: `/readyz` says so while they still serve."""
        self._leaving = True

    def close(self) -> None:
        """Listen no more, and end what is being talked."""
        for close in self._close:
            close()
        self._close.clear()
        for writer in list(self._talks):
            writer.transport.abort()

    def _talk(self, server: Server) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._talks.add(writer)
            try:
                if server.raw:
                    await _say(self._hostname, reader, writer)
                else:
                    await self._converse(server, reader, writer)
                await writer.drain()
            except OSError:
                pass  # the client has gone; ENOTCONN where it reset what is being half-closed, no ConnectionError
            finally:
                self._talks.discard(writer)
                writer.close()

        return talk

    async def _converse(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client goes or wants no more."""
        buffer = b""
        client = host_port(*writer.get_extra_info("peername")[:2])
        while data := await reader.read(65536):
            buffer += data
            if not looks_like_http(buffer) or len(buffer) > _LONGEST:
                writer.write(_encoded(Reply("400 Bad Request", 400), "GET", keep=False))
                return
            while (request := parse(buffer)) is not None:
                buffer = buffer[request.length :]
                reply = await self._reply(server, request, client)
                writer.write(_encoded(reply, request.method, request.keep_alive))
                await writer.drain()  # who has gone is not written to again and again
                if not request.keep_alive:
                    return

    async def _reply(self, server: Server, request: Request, client: str) -> Reply:
        if server.speaks == "json":
            return Reply(json.dumps({"Method": request.method, "Body": server.text}))
        if server.speaks == "files":
            return _file(unquote(urlsplit(request.path).path), server.files)
        if server.speaks != "netexec":
            return Reply(server.text if server.speaks == "text" else self._hostname)
        place = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(place.query, keep_blank_values=True).items()}
        if place.path == "/readyz" and self._leaving:
            return Reply("shutting down", 503)
        if place.path == "/dial":
            status, body = await agnhost_dial.dial(self._space, query)
            return Reply(body, status)
        return netexec(Asked(request, query, client, self._hostname, server.port.port))


def _file(path: str, mounts: Sequence[Mount]) -> Reply:
    """What test-webserver says of a file; it sees those of its container's volumes, and no others."""
    if path == "/":
        return Reply("<pre>\n</pre>\n")
    wanted = Path(os.path.normpath(path))
    for mount in sorted(mounts, key=lambda each: len(each.target), reverse=True):
        if wanted.is_relative_to(mount.target):
            found = (Path(mount.source) / wanted.relative_to(mount.target)).resolve()
            if found.is_relative_to(Path(mount.source).resolve()) and found.is_file():
                return Reply(found.read_text(errors="replace"))
            break
    return Reply("404 page not found\n", 404)


async def _say(text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say it, and end the connection when the client has: what it said meanwhile must not reset it."""
    writer.write(text.encode())
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while await reader.read(4096):
                continue


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server, hostname: str) -> None:
        self._server, self._hostname = server, hostname

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, client: Any) -> None:
        answer = datagram(data.decode(errors="replace"), self._server, self._hostname, host_port(*client[:2]))
        if answer:
            self._transport.sendto(answer.encode(), client)


def _encoded(reply: Reply, method: str, keep: bool) -> bytes:
    body = reply.body.encode()
    headers = (
        ("Content-Type", f"text/{'html' if reply.body.startswith('<') else 'plain'}; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "keep-alive" if keep else "close"),
        *reply.headers,
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}\r\n{head}\r\n".encode() + (
        b"" if method == "HEAD" else body
    )


_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    404: "Not Found",
    503: "Service Unavailable",
    501: "Not Implemented",
}
