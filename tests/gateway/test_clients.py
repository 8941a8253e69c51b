"""Who may come in where clients have to show certificates, by both engines: nobody else, on no old terms either."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from typing import Any

import pytest
from msgspec.structs import replace

from portway.routing.table import Certificate, ClientValidation, Endpoint, Listener, RouteTable
from portway.testing.doors import host, listener, route, table, with_endpoints
from tests.gateway.backends import Backend
from tests.gateway.certificates import authority, certificate, issued, showing
from tests.gateway.conftest import Run
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT = free_port()
CERTIFICATES = {"shop/a": certificate("a.example", "raw.example"), "shop/b": certificate("b.example")}
ROOT, OTHER = authority("root"), authority("other")
MIDDLE = authority("middle", ROOT)
ANN, EVE = issued("ann", ROOT), issued("eve", OTHER)
ALONE = replace(issued("alone", MIDDLE), chain=issued("alone", MIDDLE).chain.removesuffix(MIDDLE.chain))
ASKED = ClientValidation(ROOT.chain)
GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def _https(clients: ClientValidation | None = ASKED, *keys: str, **fields: Any) -> Listener:
    fields |= {"protocol": "HTTPS", "certificates": keys or ("shop/a",), "clients": clients}
    return listener(host("", route("/", "web")), port=PORT, name="at/https", **fields)


def _ended(clients: ClientValidation | None = ASKED) -> Listener:
    fields: dict[str, Any] = {"protocol": "TLS", "certificates": ("shop/a",), "clients": clients}
    return listener(host("", route("/", "raw")), port=PORT, name="at/ended", hostname="raw.example", **fields)


def _table(web: list[Backend], *listeners: Listener, **more: Endpoint) -> RouteTable:
    endpoints = {"web": web[0].endpoint, **more}
    behind = {f"shop/{name}:80/TCP": [endpoint] for name, endpoint in endpoints.items()}
    return replace(with_endpoints(table(*listeners), behind), certificates=CERTIFICATES)


class _Client:
    """A connection that waits for what it says. In threads: asyncio knows no sessions."""

    def __init__(self, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None) -> None:
        self._plain = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        try:
            self.tls = context.wrap_socket(self._plain, server_hostname=name, session=session)
        except BaseException:
            self._plain.close()
            raise

    def said(self, data: bytes = GET) -> bytes:
        """What comes back, as far as an answer goes; nothing when the door ends the connection before there is one."""
        said = b""
        try:
            self.tls.sendall(data)
            while not said.endswith((b"}", b"raw", b"\n")) and (piece := self.tls.recv(1 << 16)):
                said += piece
        except OSError:
            pass
        return said


async def _client(
    shown: Certificate | None = None,
    name: str = "a.example",
    version: ssl.TLSVersion = TLS_1_3,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> _Client:
    context = context or showing(shown)
    context.maximum_version = version
    return await asyncio.to_thread(_Client, context, name, session)


async def _served(*args: Any, **fields: Any) -> bool:
    """Whether a client gets an answer from behind the door."""
    data = fields.pop("data", GET)
    try:
        client = await _client(*args, **fields)
    except OSError:
        return False
    said = await asyncio.to_thread(client.said, data)
    client.tls.close()
    assert said == b"" or b'"name": "web-0"' in said or said == b"raw", said
    return bool(said)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize(
    ("shown", "served"),
    [
        (None, False),
        (ANN, True),
        (EVE, False),
        (issued("ann's friend", MIDDLE), True),
        (ALONE, False),
        (issued("old", ROOT, days=1), False),
        (issued("a server", ROOT, usage="SERVER_AUTH"), False),
        (certificate("ann"), False),
    ],
    ids=["none", "good", "another's", "by way of another", "without that other", "expired", "server's", "her own"],
)
async def test_who_is_let_in(
    run: Run, web: list[Backend], shown: Certificate | None, served: bool, version: ssl.TLSVersion
) -> None:
    await run.apply(_table(web, _https()))
    assert await _served(shown, version=version) is served


async def test_an_authority_below_another_is_trusted_alike(run: Run, web: list[Backend]) -> None:
    """Trust begins at roots: one in the middle is none."""
    await run.apply(_table(web, _https(ClientValidation(MIDDLE.chain))))
    assert not await _served(issued("ann's friend", MIDDLE))
    await run.apply(_table(web, _https(ClientValidation(MIDDLE.chain + ROOT.chain))))
    assert await _served(issued("ann's friend", MIDDLE))


async def test_who_is_not_let_in_reaches_no_pod(run: Run, web: list[Backend]) -> None:
    came: list[str] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("somebody")
        writer.write(b"raw")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        raw = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        await run.apply(_table(web, _https(), _ended(), raw=raw))
        for shown in (None, EVE):
            assert not await _served(shown, name="raw.example")
            assert not await _served(shown)
        assert came == []
        assert await _served(ANN, name="raw.example")
        assert await _served(ANN)


async def test_certificates_that_come_at_run_time_ask_too(run: Run, web: list[Backend]) -> None:
    await run.apply(_table(web, _https()))
    assert (await run.apply(_table(web, _https(ASKED, "shop/a", "shop/b")))).how == "runtime"
    assert not await _served(name="b.example")
    assert await _served(ANN, name="b.example")


async def test_another_authority(run: Run, web: list[Backend]) -> None:
    await run.apply(_table(web, _https()))
    assert [await _served(ANN), await _served(EVE)] == [True, False]
    await run.apply(_table(web, _https(ClientValidation(OTHER.chain))))
    assert [await _served(ANN), await _served(EVE)] == [False, True]
    await run.apply(_table(web, _https(ClientValidation(OTHER.chain + ROOT.chain))))
    assert [await _served(ANN), await _served(EVE), await _served()] == [True, True, False]
    await run.apply(_table(web, _https(None)))
    assert await _served()


@pytest.mark.parametrize("before", [None, ClientValidation(OTHER.chain)])
async def test_connections_from_before_are_served_no_more(
    run: Run, web: list[Backend], before: ClientValidation | None
) -> None:
    await run.apply(_table(web, _https(before)))
    client = await _client(EVE if before else None)
    assert b'"name": "web-0"' in await asyncio.to_thread(client.said)
    await run.apply(_table(web, _https()))
    assert b"200 OK" not in await asyncio.to_thread(client.said)
    client.tls.close()


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("before", [None, ClientValidation(OTHER.chain)])
async def test_sessions_from_before_are_taken_up_no_more(
    run: Run, web: list[Backend], before: ClientValidation | None, version: ssl.TLSVersion
) -> None:
    await run.apply(_table(web, _https(before)))
    context = showing(EVE if before else None)
    client = await _client(context=context, version=version)
    assert b'"name": "web-0"' in await asyncio.to_thread(client.said)
    session = client.tls.session
    client.tls.close()
    again = await _client(context=context, version=version, session=session)
    assert again.tls.session_reused
    assert b'"name": "web-0"' in await asyncio.to_thread(again.said)
    again.tls.close()
    await run.apply(_table(web, _https()))
    assert not await _served(context=context, version=version, session=session)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
async def test_insecure_fallback_serves_whoever_comes(run: Run, web: list[Backend], version: ssl.TLSVersion) -> None:
    await run.apply(_table(web, _https(replace(ASKED, is_required=False))))
    assert [await _served(shown, version=version) for shown in (None, ANN, EVE, certificate("ann"))] == [True] * 4
    client = await _client(EVE)
    await run.apply(_table(web, _https()))
    assert b"200 OK" not in await asyncio.to_thread(client.said)
    client.tls.close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("is_required", [True, False])
async def test_openssl_is_asked(run: Run, web: list[Backend], is_required: bool) -> None:
    if run.name == "builtin" and not is_required:
        pytest.skip("the built-in router asks only for what it can verify")
    await run.apply(_table(web, _https(replace(ASKED, is_required=is_required))))
    command = ("openssl", "s_client", "-connect", f"127.0.0.1:{PORT}", "-tls1_2")
    asked = await asyncio.to_thread(subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert b"Client Certificate Types" in asked.stdout


async def test_listeners_of_a_port_have_to_agree(run: Run, web: list[Backend]) -> None:
    await run.apply(_table(web, _https()))
    applied = await run.engine.apply(_table(web, _https(), _ended(None)))
    assert (applied.how, "different certificates" in applied.reason) == ("refused", True)
    assert not await _served()
    assert await _served(ANN)
