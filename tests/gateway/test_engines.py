"""Life of an engine: tables, certificates, ports, endings; with clients that nobody here wrote."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from portway.gateway.haproxy import HaproxyEngine, runtime
from portway.routing.table import Certificate, Endpoint, HeaderEdit, Listener, RouteTable
from portway.routing.timings import Timings
from portway.testing.doors import host, listener, route, table, with_endpoints
from tests.gateway.backends import Backend, exchange, refused
from tests.gateway.certificates import certificate
from tests.gateway.conftest import Run, running
from tests.ports import free_port
from tests.processes import parent, runs

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT, OWN_PORT = free_port(), free_port()
WEB = "shop/web:80/TCP"
GET = b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


def _table(
    backends: list[Backend], *listeners: Listener, certificates: dict[str, Certificate] | None = None
) -> RouteTable:
    made = with_endpoints(table(*(listeners or (_plain(),))), {WEB: [one.endpoint for one in backends]})
    return replace(made, certificates=certificates or {})


def _plain(name: str = "", port: int = PORT) -> Listener:
    return listener(host(name, route("/", "web")), port=port)


def _secure(name: str = "", *keys: str, **fields: str) -> Listener:
    return listener(
        host(name, route("/", "web")), port=PORT, protocol="HTTPS", hostname=name, certificates=keys, name=f"at/{name}"
    )


async def _client(name: str | None = "a.example") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", PORT, ssl=context, server_hostname=name)


async def _shown(name: str | None = "a.example") -> str:
    """The certificate that is shown for this name, as PEM."""
    _, writer = await _client(name)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(der)


async def _told(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return said.decode(errors="replace")


async def test_what_a_table_costs(run: Run, web: list[Backend]) -> None:
    first = _table(web[:1])
    await run.apply(first)
    assert (await run.apply(first)).how == "nothing"
    assert (await run.apply(replace(first, pools=dict(first.pools)))).how == "nothing"
    assert (await run.apply(_table(web))).how == "runtime"
    assert (await run.apply(_table(web[1:]))).how == "runtime"
    assert b'"name": "web-0"' not in b"".join([await exchange(PORT, GET) for _ in range(6)])
    other = _table(web, _plain("a.example"))
    assert (await run.apply(other)).how == "runtime"
    assert b"200 OK" in await exchange(PORT, GET)
    assert b" 404 " in await exchange(PORT, GET.replace(b"a.example", b"b.example"))
    foreign = listener(port=free_port())
    with_another_door = replace(other, listeners=(*other.listeners, replace(foreign, door="ingress", name="other")))
    assert (await run.apply(with_another_door)).how == "nothing"


async def test_endpoints_come_back(run: Run, web: list[Backend]) -> None:
    for backends in (web[:1], web[1:2], web[:1], web[1:2], web, web[:1]):
        await run.apply(_table(backends))
        names = {one.name for one in backends}
        answers = [await exchange(PORT, GET) for _ in range(4)]
        assert all(any(f'"name": "{name}"'.encode() in answer for name in names) for answer in answers)


async def test_a_port_that_somebody_else_has(run: Run, web: list[Backend]) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        both = _table(web, _plain(), listener(host("", route("/", "web")), port=port))
        applied = await run.engine.apply(both)
        assert applied.reason == f"port {port}: Address already in use"
        assert b"200 OK" in await exchange(PORT, GET)
    applied = await run.engine.apply(both)
    assert (applied.how, applied.reason) != ("nothing", "")
    assert b"200 OK" in await exchange(port, GET)


async def test_certificates_by_name(run: Run, web: list[Backend]) -> None:
    first, second, wild = certificate("a.example"), certificate("b.example"), certificate("*.c.example")
    certificates = {"shop/a": first, "shop/b": second, "shop/c": wild}
    await run.apply(_table(web, _secure("", *certificates), certificates=certificates))
    assert [await _shown(name) for name in ("a.example", "b.example", "x.c.example", "other.example")] == [
        certificate.chain for certificate in (first, second, wild, first)
    ]
    reader, writer = await _client()
    writer.write(GET)
    answer = await reader.read()
    assert b'["x-forwarded-proto", "https"]' in answer
    writer.close()


async def test_certificates_come_and_go_at_run_time(run: Run, web: list[Backend]) -> None:
    first, more = certificate("a.example"), certificate("b.example")
    await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": first}))
    assert await _shown("b.example") == first.chain
    both = _table(web, _secure("", "shop/a", "shop/b"), certificates={"shop/a": first, "shop/b": more})
    assert (await run.apply(both)).how == "runtime"
    assert await _shown("b.example") == more.chain
    assert (await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": first}))).how == "runtime"
    assert await _shown("b.example") == first.chain
    assert (await run.apply(both)).how == "runtime"
    assert await _shown("b.example") == more.chain


async def test_listeners_by_name(run: Run, web: list[Backend]) -> None:
    certificates = {"shop/a": certificate("any.example"), "shop/b": certificate("b.example")}
    listeners = (_secure("a.example", "shop/a"), _secure("*.b.example", "shop/b"))
    await run.apply(_table(web, *listeners, certificates=certificates))
    assert await _shown("a.example") == certificates["shop/a"].chain
    assert await _shown("x.b.example") == certificates["shop/b"].chain
    with pytest.raises(OSError):  # ssl.SSLError, or the connection is closed
        await _shown("nobody.example")


@pytest.mark.parametrize(
    ("name", "asked", "status"),
    [
        ("a.example", "a.example", 200),
        ("a.example", "x.b.example", 421),
        ("a.example", "nobody.example", 404),
        ("x.b.example", "y.b.example", 200),
        ("x.b.example", "own.b.example", 421),
        ("own.b.example", "x.b.example", 421),
        ("own.b.example", "own.b.example:443", 200),
    ],
)
async def test_a_connection_that_was_made_for_another_listener(
    run: Run, web: list[Backend], name: str, asked: str, status: int
) -> None:
    """Gateway API's GatewayHTTPSListenerDetectMisdirectedRequests."""
    names = ("a.example", "*.b.example", "own.b.example")
    one = certificate("a.example", "*.b.example", "b.example")
    listeners = (_secure(each, "shop/all") for each in names)
    await run.apply(_table(web, *listeners, certificates={"shop/all": one}))
    reader, writer = await _client(name)
    writer.write(GET.replace(b"a.example", asked.encode()))
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    if status == 421:
        assert b"this connection is not for this request" in answer
        async with asyncio.timeout(60):
            while ("MISDIRECTED", 421, asked, "") not in [(s.code, s.status, s.host, s.route) for s in run.served]:
                run.heard.clear()
                await run.heard.wait()


async def test_a_certificate_is_replaced_under_open_connections(run: Run, web: list[Backend]) -> None:
    old, new = certificate("a.example"), certificate("a.example", serial=2)
    await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": old}))
    reader, writer = await _client()
    keep = GET.replace(b"Connection: close\r\n", b"")
    writer.write(keep)
    await reader.readuntil(b"}")
    applied = await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": new}))
    assert applied.how == "runtime"
    assert await _shown() == new.chain
    writer.write(keep)
    assert await reader.readuntil(b"}")
    writer.close()


@asynccontextmanager
async def _tls_server(one: Certificate) -> AsyncIterator[Endpoint]:
    """Ends TLS itself, and says so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine")
        writer.close()

    from portway.gateway.router.certificates import Contexts

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=Contexts().of(one)) as server:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])


async def test_tls_is_passed_through_beside_https(run: Run, web: list[Backend]) -> None:
    inner, outer = certificate("pass.example"), certificate("a.example")
    passing = listener(
        host("pass.example", route("/", "tls")), port=PORT, protocol="TLS", hostname="pass.example", name="at/pass"
    )
    made = table(passing, _secure("a.example", "shop/a"))
    async with _tls_server(inner) as endpoint:
        made = with_endpoints(made, {"shop/tls:80/TCP": [endpoint], WEB: [web[0].endpoint]})
        await run.apply(replace(made, certificates={"shop/a": outer}))
        assert await _shown("pass.example") == inner.chain
        assert await _shown("a.example") == outer.chain
        for name, words in (("pass.example", b"mine"), ("a.example", b'"name": "web-0"')):
            reader, writer = await _client(name)
            writer.write(GET)
            assert words in await reader.read()
            writer.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_curl(run: Run, web: list[Backend]) -> None:
    url = f"https://a.example:{PORT}/cart"
    at = ["--silent", "--insecure", "--resolve", f"a.example:{PORT}:127.0.0.1"]
    await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": certificate("a.example")}))
    said = await _told("curl", *at, "--http1.1", "--write-out", "%{http_version}", url)
    assert '"path": "/cart"' in said and said.endswith("1.1")
    assert (await _told("curl", *at, "--http2", "--write-out", "%{http_version}", url)).endswith("2")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
async def test_openssl(run: Run, web: list[Backend]) -> None:
    await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": certificate("a.example", serial=77)}))
    said = await _told("openssl", "s_client", "-connect", f"127.0.0.1:{PORT}", "-servername", "a.example", "-tls1_3")
    assert "subject=CN = a.example" in said
    old = await _told("openssl", "s_client", "-connect", f"127.0.0.1:{PORT}", "-servername", "a.example", "-tls1_1")
    assert "no protocols available" in old or "alert" in old or "Cipher is (NONE)" in old


@pytest.mark.parametrize("name", ["builtin", "haproxy"])
async def test_slow_heads_are_given_up(name: str, web: list[Backend]) -> None:
    async with running(name, Timings(head=0.3, drain=0.5)) as run:
        await run.apply(_table(web, _plain(port=OWN_PORT)))
        # who was too late with the first byte has no answer
        while not (answer := await exchange(OWN_PORT, b"GET / HTTP/1.1\r\nHost:")):
            pass
        assert b" 408 " in answer


@pytest.mark.parametrize("name", ["builtin", "haproxy"])
async def test_what_is_under_way_ends_before_the_engine_does(name: str) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        slow = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        async with running(name, Timings(drain=60, last_chance=30)) as run:
            await run.apply(with_endpoints(table(_plain(port=OWN_PORT)), {WEB: [slow]}))
            asking = asyncio.create_task(exchange(OWN_PORT, GET))
            await arrived.wait()
            stopping = asyncio.create_task(run.engine.stop())
            await refused(OWN_PORT)
            go.set()
            assert (await asking).endswith(b"ok")
            await stopping


@pytest.mark.parametrize("reloaded", [False, True])
@pytest.mark.parametrize("name", ["builtin", "haproxy"])
async def test_who_asks_just_when_the_engine_stops_is_answered(name: str, reloaded: bool, web: list[Backend]) -> None:
    """An idle connection is not closed under a request that is on its way: its answer says that it is the last."""
    async with running(name, Timings(drain=60, last_chance=30)) as run:
        await run.apply(_table(web, _plain(port=OWN_PORT)))
        reader, writer = await asyncio.open_connection("127.0.0.1", OWN_PORT)
        writer.write(GET.replace(b"Connection: close\r\n", b""))
        await reader.readuntil(b"}")
        if reloaded:
            changed = replace(route("/", "web"), request_headers=HeaderEdit(set=(("X-New", "1"),)))
            await run.apply(_table(web, listener(host("", changed), port=OWN_PORT)))
        stopping = asyncio.create_task(run.engine.stop())
        await refused(OWN_PORT)
        writer.write(GET.replace(b"Connection: close\r\n", b""))
        answer = await reader.read()
        assert (b"200 OK" in answer, b"connection: close" in answer.lower()) == (True, True), answer
        await stopping
        writer.close()


async def test_backends_that_speak_tls(run: Run, web: list[Backend]) -> None:
    made = _table(web)
    async with _tls_server(certificate("pod.example")) as endpoint:
        pools = {key: replace(pool, protocol="https", endpoints=()) for key, pool in made.pools.items()}
        await run.apply(replace(made, pools=pools))
        ready = {key: replace(pool, endpoints=(endpoint,)) for key, pool in pools.items()}
        assert (await run.apply(replace(made, pools=ready))).how == "runtime"
        assert (await exchange(PORT, GET)).endswith(b"mine")


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy, which is the backend here, is not installed")
async def test_http_2_to_backends(run: Run, web: list[Backend], tmp_path: Path) -> None:
    made = _table(web)
    pods, file = free_port(), tmp_path / "h2.cfg"
    file.write_text(_H2_PODS.format(port=pods))
    pools = {k: replace(p, protocol="h2c", endpoints=(Endpoint("127.0.0.1", pods),)) for k, p in made.pools.items()}
    await run.apply(replace(made, pools=pools))
    process = await asyncio.create_subprocess_exec("haproxy", "-db", "-f", str(file))
    try:
        async with asyncio.timeout(60):
            while b"by HTTP/2" not in await exchange(PORT, GET):
                await asyncio.sleep(0.02)
    finally:
        process.terminate()
        await process.wait()


_H2_PODS = """
defaults
  mode http
  timeout client 5s
frontend pods
  bind 127.0.0.1:{port} proto h2
  http-request return status 200 content-type text/plain string "by HTTP/2"
"""


async def test_a_backend_waits_for_a_client_that_does_not_read(run: Run) -> None:
    """What is on its way is bounded by buffers, not by what the backend has."""
    sent, whole = 0, 200 << 20

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % whole)
        while sent < whole:
            writer.write(bytes(1 << 16))
            sent += 1 << 16
            await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        await run.apply(with_endpoints(table(_plain()), {WEB: [endpoint]}))
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 14)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert 0 < sent < whole // 4
        writer.close()


async def test_haproxy_ends_with_who_started_it(tmp_path: Path, web: list[Backend]) -> None:
    if not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")
    program = _STARTER.format(folder=str(tmp_path), port=OWN_PORT)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    worker = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    async with asyncio.timeout(60):
        while runs(worker):
            await asyncio.sleep(0.01)


_STARTER = """
import asyncio
from pathlib import Path
from portway.gateway.engine import Door
from portway.gateway.haproxy import HaproxyEngine, runtime
from portway.testing.doors import host, listener, route, table

async def main():
    engine = HaproxyEngine()
    await engine.start(Door("gateway/shop/gateway", Path("{folder}"), ("127.0.0.1",)), print)
    await engine.apply(table(listener(host("", route("/", "web")), port={port})))
    print(await runtime.worker(Path("{folder}") / "worker.sock"), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_what_haproxy_cannot_be_told_is_refused_and_the_old_table_goes_on(run: Run, web: list[Backend]) -> None:
    if run.name != "haproxy":
        pytest.skip("the built-in router has no configuration")
    await run.apply(_table(web))
    bad = replace(route("/", "web"), request_headers=HeaderEdit(set=(("X-A", "one\ntwo"),)))
    applied = await run.engine.apply(_table(web, listener(host("", bad), port=PORT)))
    assert (applied.how, "control characters" in applied.reason) == ("refused", True)
    worse = replace(route("/", "web"), match=replace(route("/", "web").match, path="(", path_type="RegularExpression"))
    applied = await run.engine.apply(_table(web, listener(host("", worse), port=PORT)))
    assert (applied.how, "\n" in applied.reason, "regex" in applied.reason) == ("refused", False, True), applied
    assert b"200 OK" in await exchange(PORT, GET)


async def test_haproxy_is_started_again_when_it_dies(run: Run, web: list[Backend]) -> None:
    if not isinstance(run.engine, HaproxyEngine):
        pytest.skip("the built-in router is this process")
    await run.apply(_table(web[:1]))
    await run.apply(_table(web[1:2]))
    before = await runtime.worker(run.engine.door.folder / "worker.sock")
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(60):
        while await runtime.worker(run.engine.door.folder / "worker.sock") in (0, before):
            await asyncio.sleep(0.02)
    assert b'"name": "web-1"' in await exchange(PORT, GET)
    assert (await run.apply(_table(web))).how == "runtime"


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5])
async def test_a_table_that_comes_while_haproxy_dies(run: Run, web: list[Backend], seconds: float) -> None:
    """Its master ends when it hears that the worker has, which may take a moment in which it seems to be well."""
    if not isinstance(run.engine, HaproxyEngine):
        pytest.skip("the built-in router is this process")
    await run.apply(_table(web[:1]))
    dead = await runtime.worker(run.engine.door.folder / "worker.sock")
    master = parent(dead)
    os.kill(master, signal.SIGSTOP)
    os.kill(dead, signal.SIGKILL)
    asyncio.get_running_loop().call_later(seconds, os.kill, master, signal.SIGCONT)
    await run.apply(_table(web[2:]))
    async with asyncio.timeout(60):
        while await runtime.worker(run.engine.door.folder / "worker.sock") in (0, dead):
            await asyncio.sleep(0.02)
    assert b'"name": "web-2"' in await exchange(PORT, GET)


async def test_a_websocket_outlives_reloads(run: Run, web: list[Backend]) -> None:
    await run.apply(_table(web))
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{PORT}/") as socket:
        for number in range(2):
            edit = HeaderEdit(set=(("X-Number", str(number)),))
            changed = replace(route("/", "web"), request_headers=edit)
            applied = await run.apply(_table(web, listener(host("", changed), port=PORT)))
            assert applied.how == ("reload" if run.name == "haproxy" else "runtime")
            await socket.send_str("still there")
            assert await socket.receive_str() == "echo still there"


async def test_haproxy_is_not_root_when_it_has_its_ports(run: Run, web: list[Backend]) -> None:
    """Whoever talks it into something finds no files, no rights, and nobody to become."""
    if not isinstance(run.engine, HaproxyEngine):
        pytest.skip("the built-in router is this process; tests/e2e/test_doors.py looks at one in a pod")
    if os.geteuid() != 0:
        pytest.skip("it is whoever started it, unless that is root")
    await run.apply(_table(web))
    folder = run.engine.door.folder
    for number in range(2):  # after a reload, too
        changed = replace(route("/", "web"), request_headers=HeaderEdit(set=(("X-Number", str(number)),)))
        assert (await run.apply(_table(web, listener(host("", changed), port=PORT)))).how == "reload"
        worker = Path(f"/proc/{await runtime.worker(folder / 'worker.sock')}")
        status = dict(line.split(":\t", 1) for line in (worker / "status").read_text().splitlines())
        users, groups = status["Uid"].split(), status["Gid"].split()
        assert len({*users}) == len({*groups}) == 1
        assert "0" not in (users[0], groups[0])
        assert not status["Groups"].split()
        assert [int(status[field], 16) for field in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0, 0, 0, 0]
        assert (worker / "root").readlink() == folder / "sockets"
        assert b"200 OK" in await exchange(PORT, GET)
        assert run.served


async def test_keys_are_for_nobody_else(run: Run, web: list[Backend]) -> None:
    if not isinstance(run.engine, HaproxyEngine):
        pytest.skip("the built-in router keeps keys in memory")
    await run.apply(_table(web, _secure("", "shop/a"), certificates={"shop/a": certificate("a.example")}))
    folder = run.engine.door.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file() or path.is_socket()}
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
