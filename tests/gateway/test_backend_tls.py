"""What backends must prove before a request reaches them, at both engines."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from cryptography import x509
from msgspec.structs import replace

from portway.routing.table import BackendTls, Certificate, Endpoint, Pool, RouteTable, UpstreamProtocol
from portway.routing.timings import Timings
from portway.testing.doors import host, listener, route, table
from tests.gateway.authority import Authority, SecureBackend, secure_backend
from tests.gateway.backends import Backend, exchange
from tests.gateway.calls import serving
from tests.gateway.certificates import certificate, showing
from tests.gateway.conftest import Run, running
from tests.ports import free_port
from tests.told import of_us_and_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT = free_port()
WEB = "shop/web:80/TCP"
OURS, THEIRS = Authority("ours"), Authority("theirs")
SPIFFE = "spiffe://shop.example/web"
SERVED = OURS.certificate("web.example", "*.wild.example", uris=(SPIFFE,))
BY_HOST = BackendTls("web.example", OURS.pem)


def _table(
    tls: BackendTls | None,
    *endpoints: Endpoint,
    protocol: UpstreamProtocol = "https",
    certificates: Mapping[str, Certificate] | None = None,
    port: int = PORT,
) -> RouteTable:
    made = table(listener(host("", route("/", "web")), port=port))
    pool = Pool("shop", "web", 80, protocol=protocol, endpoints=endpoints, tls=tls)
    return replace(made, pools={WEB: pool}, certificates=certificates or {})


async def _asked(path: str, method: str = "GET", port: int = PORT) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", headers={"Host": "door.example"}) as response,
    ):
        return response.status, await response.text()


def _named(*names: str) -> BackendTls:
    return replace(BY_HOST, names=tuple(("URI" if ":" in name else "Hostname", name) for name in names))


@asynccontextmanager
async def _secure() -> AsyncIterator[SecureBackend]:
    async with secure_backend(SERVED) as made:
        yield made


@pytest.mark.parametrize(
    "tls",
    [
        BY_HOST,
        replace(BY_HOST, hostname="one.wild.example"),
        replace(BY_HOST, authorities=THEIRS.pem + OURS.pem),
        _named("web.example"),
        _named("other.example", "web.example"),
        _named("other.example", SPIFFE),
        _named("*.wild.example"),
        replace(_named(SPIFFE), hostname="nobody.example"),
    ],
)
async def test_a_backend_that_proves_who_it_is(run: Run, tls: BackendTls) -> None:
    async with _secure() as backend:
        await run.apply(_table(tls, backend.endpoint))
        for _ in range(2):
            status, text = await _asked("/in")
            assert (status, json.loads(text)["path"]) == (200, "/in")
        status, text = await _asked(f"/body/{backend.port}", "POST")
        assert (status, set(backend.names)) == (200, {tls.hostname})
        told = await run.told(f"/body/{backend.port}")
        assert (told.code, told.pool, told.backend) == ("ROUTED", WEB, ("127.0.0.1", backend.port))


@pytest.mark.parametrize(
    "tls",
    [
        replace(BY_HOST, hostname="other.example"),
        replace(BY_HOST, hostname="two.one.wild.example"),
        replace(BY_HOST, hostname=f"{'a' * 64}.example"),
        replace(_named(SPIFFE), hostname=f"{'a' * 64}.example"),
        replace(BY_HOST, authorities=THEIRS.pem),
        replace(BY_HOST, authorities=""),
        _named("other.example"),
        _named("other.example", "spiffe://shop.example/other"),
        _named("spiffe://shop.example/web/"),
        replace(_named(SPIFFE), authorities=THEIRS.pem),
        replace(_named("web.example"), authorities=""),
    ],
)
async def test_a_backend_that_does_not(run: Run, tls: BackendTls, caplog: pytest.LogCaptureFixture) -> None:
    async with _secure() as backend:
        await run.apply(_table(tls, backend.endpoint))
        with caplog.at_level(logging.INFO):
            status, text = await _asked(f"/out/{backend.port}", "POST")
            assert status in (502, 503), text
            assert (await run.told(f"/out/{backend.port}")).code == "BACKEND_TLS_FAILED"
        assert backend.requests == []
        ours = of_us_and_asyncio(caplog)
        assert not [record for record in ours if record.exc_info or record.levelno > logging.WARNING]


async def test_a_backend_that_speaks_no_tls(run: Run, web: list[Backend]) -> None:
    for tls in (BY_HOST, _named(SPIFFE)):
        await run.apply(_table(tls, web[0].endpoint))
        status, text = await _asked("/plain")
        assert status in (502, 503), text
        assert "GET /plain" not in web[0].requests


async def test_one_who_proves_it_among_others(run: Run) -> None:
    """A pod that cannot be trusted gets nothing, whoever is asked first."""
    async with secure_backend(THEIRS.certificate("web.example", uris=(SPIFFE,))) as bad, _secure() as good:
        for tls in (BY_HOST, _named(SPIFFE)):
            await run.apply(_table(tls, bad.endpoint, good.endpoint))
            assert [(await _asked("/mixed"))[0] for _ in range(6)] == [200] * 6
        assert bad.requests == []


async def test_policies_come_and_change(run: Run, web: list[Backend]) -> None:
    """Whoever was trusted by an older policy has to prove it again."""
    async with _secure() as backend:
        for tls, expected in (
            (BY_HOST, [200]),
            (replace(BY_HOST, authorities=THEIRS.pem), [502, 503]),
            (_named(SPIFFE), [200]),
            (_named("spiffe://shop.example/other"), [502, 503]),
            (_named(SPIFFE), [200]),
            (replace(BY_HOST, hostname="other.example"), [502, 503]),
            (BY_HOST, [200]),
        ):
            await run.apply(_table(tls, backend.endpoint))
            assert (await _asked("/changed"))[0] in expected
    await run.apply(_table(None, web[0].endpoint, protocol="http"))
    assert (await _asked("/changed"))[0] == 200


async def test_endpoints_of_a_policy_need_no_reload(run: Run) -> None:
    async with _secure() as one, _secure() as two:
        for tls in (BY_HOST, _named(SPIFFE)):
            await run.apply(_table(tls, one.endpoint))
            before = len(two.requests)
            assert (await run.apply(_table(tls, one.endpoint, two.endpoint))).how == "runtime"
            assert (await run.apply(_table(tls, two.endpoint))).how == "runtime"
            assert [(await _asked("/moved"))[0] for _ in range(3)] == [200] * 3
            assert len(two.requests) == before + 3


@pytest.mark.parametrize("tls", [BY_HOST, _named(SPIFFE), BackendTls()])
async def test_what_the_door_shows(run: Run, tls: BackendTls) -> None:
    own = OURS.certificate("door.example")
    serial = x509.load_pem_x509_certificate(own.chain.encode()).serial_number
    async with secure_backend(SERVED, clients=OURS.pem) as backend:
        shown = replace(tls, certificate="shop/door")
        await run.apply(_table(shown, backend.endpoint, certificates={"shop/door": own}))
        status, text = await _asked("/shown")
        assert (status, int(json.loads(text)["client"], 16)) == (200, serial)
        await run.apply(_table(tls, backend.endpoint))
        assert (await _asked("/hidden"))[0] in (502, 503)


async def test_a_large_body(run: Run) -> None:
    async with _secure() as backend:
        for tls in (BY_HOST, _named(SPIFFE)):
            await run.apply(_table(tls, backend.endpoint))
            head = b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n"
            answer = await exchange(PORT, head + b"x" * 3_000_000)
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == 3_000_000


@pytest.mark.parametrize("tls", [BY_HOST, _named(SPIFFE)])
async def test_tls_that_ends_at_the_door_goes_on_by_tls(run: Run, tls: BackendTls) -> None:
    """Of a TLSRoute: bytes are read by nobody in between."""
    own = certificate("door.example")
    at = listener(host("door.example", route("/", "web")), port=PORT, protocol="TLS", certificates=("shop/own",))
    request = b"GET /inner HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    async def said() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, ssl=showing(), server_hostname="door.example")
        writer.write(request)
        try:
            async with asyncio.timeout(60):
                return await reader.read()
        except OSError:
            return b""
        finally:
            writer.close()

    async with _secure() as backend:
        for demanded, served in ((tls, True), (replace(tls, authorities=THEIRS.pem), False)):
            made = _table(demanded, backend.endpoint, certificates={"shop/own": own})
            await run.apply(replace(made, listeners=(replace(at, hostname="door.example"),)))
            assert (b'"path": "/inner"' in await said()) is served
        assert backend.requests == ["/inner"]


@pytest.mark.parametrize("tls", [BY_HOST, _named(SPIFFE)])
async def test_grpc_by_tls(run: Run, tls: BackendTls) -> None:
    credentials = grpc.ssl_server_credentials([(SERVED.key.encode(), SERVED.chain.encode())])
    async with serving("cart", credentials=credentials) as pod:
        await run.apply(_table(tls, pod.endpoint, protocol="h2"))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{PORT}") as channel:
            assert await channel.unary_unary("/shop.Cart/Get")(b"x", timeout=60) == b"cart got x"
            await run.apply(_table(replace(tls, authorities=THEIRS.pem), pod.endpoint, protocol="h2"))
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await channel.unary_unary("/shop.Cart/Get")(b"x", timeout=60)
            assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
        assert pod.called == ["Get"]


@pytest.mark.parametrize("engine", ["builtin", "haproxy"])
async def test_authorities_of_the_system(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL's word for where they are."""
    (tmp_path / "ours.pem").write_text(OURS.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
    system, port = replace(BY_HOST, authorities=""), free_port()
    theirs = secure_backend(THEIRS.certificate("web.example"))
    async with running(engine, replace(Timings(), drain=0.1, connect=20.0)) as run, _secure() as good, theirs as bad:
        for tls in (system, replace(system, names=(("Hostname", "web.example"),))):
            await run.apply(_table(tls, good.endpoint, port=port))
            assert (await _asked("/system", port=port))[0] == 200
            await run.apply(_table(tls, bad.endpoint, port=port))
            assert (await _asked("/system", "POST", port))[0] in (502, 503)
        assert bad.requests == []


async def test_contexts_are_strict() -> None:
    """Nothing of what `ssl` checks by itself is switched off."""
    from portway.gateway.backendtls import BackendContexts

    contexts = BackendContexts()
    for tls in (BY_HOST, _named(SPIFFE)):
        context = contexts.of(tls, None)
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname is not bool(tls.names)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
