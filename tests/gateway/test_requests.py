"""What a door does with requests and bodies, the same by each engine."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from msgspec.structs import replace

from portway.routing.table import Endpoint, HeaderEdit, Mirror, RouteTable, Timeouts, ValueMatch, VirtualHost
from portway.testing.doors import host, listener, prefix, route, to, with_endpoints
from portway.testing.doors import table as table_of
from tests.gateway.backends import Backend, backend, exchange
from tests.gateway.conftest import Run
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT = free_port()
WEB = "shop/web:80/TCP"


async def _apply(run: Run, backends: list[Backend], *routes: Any, **more: list[Endpoint]) -> RouteTable:
    """Routes of any host at PORT; Service web has these backends."""
    table = table_of(listener(host("", *(routes or (route("/", "web"),))), port=PORT))
    endpoints = {WEB: [one.endpoint for one in backends]} | {f"shop/{name}:80/TCP": e for name, e in more.items()}
    table = with_endpoints(table, endpoints)
    await run.apply(table)
    return table


def _get(path: str = "/", *fields: str, close: bool = True, method: str = "GET", body: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *fields, *(["Connection: close"] if close else []), "", body]
    return "\r\n".join(lines).encode()


def _told(answer: bytes) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer
    return json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


def _status(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


async def _in_pieces(sent: bytes, size: int, seconds: float) -> str:
    """What is answered to bytes that come so many at a time; `seconds`: that the answers may take."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    for at in range(0, len(sent), size):
        writer.write(sent[at : at + size])
        await asyncio.sleep(0)  # the other side may read
    async with asyncio.timeout(seconds):
        answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_who_asks_is_told_to_the_backend(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    claimed = ["X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "x-forwarded-host: evil"]
    # which a program that is told by the environment (CGI, WSGI) cannot tell from the former
    claimed += ["X_Forwarded_For: 9.9.9.9", "X-Forwarded_Port: 1", "Forwarded: for=9.9.9.9"]
    answer = _told(await exchange(PORT, _get("/", *claimed)))
    assert sorted((k, v) for k, v in answer["headers"] if "forwarded" in k) == [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "a"),
        ("x-forwarded-port", str(PORT)),
        ("x-forwarded-proto", "http"),
    ]


async def test_what_the_door_says_is_not_taken_for_the_connections(run: Run, web: list[Backend]) -> None:
    """Who reads Connection by the letter (RFC 9110 7.6.1) drops the fields that it names."""
    await _apply(run, web)
    answer = _told(await exchange(PORT, _get("/", "Connection: X-Forwarded-For, close", close=False)))
    told = dict(answer["headers"])
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert "x-forwarded-for" not in told.get("connection", "").lower()


async def test_white_space_around_a_value_is_none_of_it(run: Run, web: list[Backend]) -> None:
    gold = replace(route("/", "web"), match=replace(prefix("/"), headers=(ValueMatch("x-plan", "gold"),)))
    table = table_of(listener(host("a.example", gold), port=PORT))
    await run.apply(with_endpoints(table, {WEB: [web[0].endpoint]}))
    sent = b"GET / HTTP/1.1\r\nHost:\t a.example \t\r\nX-Plan:gold \r\nConnection: close\r\n\r\n"
    assert _told(await exchange(PORT, sent))["host"] == "a.example"


async def test_a_target_with_its_host_is_a_path_to_the_backend(run: Run, web: list[Backend]) -> None:
    """So that what a route says of host and path is what the backend reads."""
    await _apply(run, web)
    for one in web:
        one.requests.clear()
    for target in ("http://a/x?y", "http://a"):
        assert _status(await exchange(PORT, _get(target))) == 200
    assert sorted(r for one in web for r in one.requests) == ["GET /", "GET /x?y"]


async def test_a_question_about_the_door_as_a_whole_has_no_route(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    assert _status(await exchange(PORT, _get("*", method="OPTIONS"))) == 404


async def test_each_request_has_an_id(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    made = [dict(_told(await exchange(PORT, _get("/")))["headers"])["x-request-id"] for _ in range(2)]
    assert len(set(made)) == 2 and all(str(UUID(one)) == one for one in made)
    kept = dict(_told(await exchange(PORT, _get("/", "X-Request-Id: mine")))["headers"])
    assert kept["x-request-id"] == "mine"


async def test_connections_are_kept_on_both_sides(run: Run, web: list[Backend]) -> None:
    await _apply(run, web[:1])
    web[0].connections.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    for number in range(20):
        writer.write(_get(f"/{number}", close=False))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["path"] == f"/{number}"
    writer.close()
    # HAProxy gives the first request of a client no connection that others have used
    assert len(web[0].connections) <= (2 if run.name == "haproxy" else 1)


async def test_requests_sent_at_once_are_answered_in_order(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    sent = b"".join(_get(f"/{number}", close=number == 9) for number in range(10))
    answer = (await exchange(PORT, sent)).decode()
    assert [part.split('"')[0] for part in answer.split('"path": "')[1:]] == [f"/{number}" for number in range(10)]


async def test_requests_may_come_in_any_pieces(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    chunks = "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n"
    sent = (
        _get("/1", close=False)
        + _get("/2", "Content-Length: 5", close=False, method="POST", body="12345")
        + _get("/3", "Transfer-Encoding: chunked", method="POST", body=chunks)
    )
    for size in (1, 7, 40, len(sent)):
        answer = await _in_pieces(sent, size, seconds=60)
        paths = [part.split('"')[0] for part in answer.split('"path": "')[1:]]
        bodies = [part.split("}")[0] for part in answer.split('"body": ')[1:]]
        assert (paths, bodies) == (["/1", "/2", "/3"], ["0", "5", "7"]), size


async def test_old_clients_get_a_body_that_ends_with_the_connection(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    answer = await exchange(PORT, b"GET /?size=70000 HTTP/1.0\r\nHost: a\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"x" * 70000


async def test_head_has_no_body(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    answer = await exchange(PORT, _get("/x", close=False, method="HEAD") + _get("/y"))
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b"content-length" in first.lower()
    assert rest.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_large_bodies_pass_both_ways(run: Run, web: list[Backend], framing: str) -> None:
    await _apply(run, web)
    size = 3_000_000

    async def pieces() -> Any:
        for _ in range(30):
            yield b"y" * (size // 30)

    async with aiohttp.ClientSession() as session:
        data = pieces() if framing == "chunked" else b"y" * size
        async with session.post(f"http://127.0.0.1:{PORT}/up", data=data) as response:
            assert (await response.json(content_type=None))["body"] == size
        async with session.get(f"http://127.0.0.1:{PORT}/?size={size}") as response:
            assert len(await response.read()) == size


async def test_bodies_are_not_collected_before_they_are_passed_on(run: Run, web: list[Backend]) -> None:
    """The backend sees the first piece while the client still holds the last one, and the other way round."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.put_nowait(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        got.put_nowait(await reader.readexactly(5))
        writer.write(b"def")

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        await _apply(run, web, route("/", "slow"), slow=[at])
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(_get("/", "Content-Length: 10", close=False, method="POST", body="12345"))
        assert await got.get() == b"12345"
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3) == b"abc"
        writer.write(b"67890")
        assert await got.get() == b"67890"
        assert await reader.readexactly(3) == b"def"
        writer.close()


async def test_a_client_may_wait_for_100_continue(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(_get("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(b"abc")
    assert _told(await reader.read())["body"] == 3
    writer.close()


async def test_websockets(run: Run, web: list[Backend]) -> None:
    """A route's timeout is for requests: it does not end them."""
    await _apply(run, web, route("/", "web", timeouts=Timeouts(request=0.2)))
    async with aiohttp.ClientSession() as session, await _switched(session) as socket:
        for word in ("one", "two"):
            await socket.send_str(word)
            assert await socket.receive_str() == f"echo {word}"
            await asyncio.sleep(0.3)


async def _switched(session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """As soon as the door and its pod are quick enough for the route's timeout."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await session.ws_connect(f"http://127.0.0.1:{PORT}/ws")
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == 504


async def test_an_upgrade_that_the_backend_declines_is_an_ordinary_request(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    upgrade = _get("/", "Connection: Upgrade", "Upgrade: other/1", close=False)
    answers = await exchange(PORT, upgrade + _get("/next"))
    assert answers.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "framing", ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
async def test_a_body_may_come_with_an_offer_of_another_protocol(run: Run, web: list[Backend], framing: str) -> None:
    """As from `curl --http2 -d` and Java's HttpClient; each of several, in any pieces."""
    await _apply(run, web)
    head = "POST /m HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    sent = f"{head}{framing}".encode() * 3 + _get("/end")
    for size in (7, len(sent)):
        answer = await _in_pieces(sent, size, seconds=30)
        bodies = [part.split("}")[0] for part in answer.split('"body": ')[1:]]
        assert bodies == ["5", "5", "5", "0"], (size, answer)


async def test_header_edits_of_routes_and_backends(run: Run, web: list[Backend]) -> None:
    edits = HeaderEdit(set=(("X-Set", 'a "b" %c'),), add=(("X-Add", "2"),), remove=("X-Gone",))
    answers = HeaderEdit(set=(("X-Answer", "route"),), remove=("Content-Type",))
    one = replace(to("web")[0], request_headers=HeaderEdit(set=(("X-Backend", "yes"),)))
    await _apply(run, web, replace(route("/", "web"), request_headers=edits, response_headers=answers, backends=(one,)))
    answer = await exchange(PORT, _get("/", "X-Set: old", "X-Add: 1", "X-Gone: 1"))
    headers = [tuple(pair) for pair in _told(answer)["headers"]]
    assert {value for name, value in headers if name == "x-add"} == {"1", "2"}
    assert dict(headers).items() >= {"x-set": 'a "b" %c', "x-backend": "yes"}.items()
    assert "x-gone" not in dict(headers)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"x-answer: route" in head
    assert b"content-type" not in head


async def test_a_header_filter_may_name_another_host(run: Run, web: list[Backend]) -> None:
    edits = HeaderEdit(set=(("host", "b.example"),))
    await _apply(run, web, replace(route("/", "web"), request_headers=edits))
    told = _told(await exchange(PORT, _get("/")))
    assert (told["host"], dict(told["headers"])["x-forwarded-host"]) == ("b.example", "a")


async def test_weights(run: Run, web: list[Backend]) -> None:
    routes = [replace(route("/", ""), backends=to("a=3", "b=1", "c=0"))]
    await _apply(run, web, *routes, a=[web[0].endpoint], b=[web[1].endpoint], c=[web[2].endpoint])
    async with aiohttp.ClientSession() as session:
        seen: Counter[str] = Counter()
        for _ in range(200):
            async with session.get(f"http://127.0.0.1:{PORT}/") as response:
                seen[(await response.json(content_type=None))["name"]] += 1
    assert seen.keys() == {"web-0", "web-1"}
    assert 110 <= seen["web-0"] <= 190  # 150, and more than six standard deviations


async def test_all_endpoints_have_their_turn(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    names = Counter([_told(await exchange(PORT, _get()))["name"] for _ in range(30)])
    assert names.keys() == {"web-0", "web-1", "web-2"}


async def test_an_endpoint_that_refuses_is_passed_over(run: Run, web: list[Backend]) -> None:
    dead = [Endpoint("127.0.0.1", free_port()) for _ in range(2)]
    await _apply(run, web, route("/", "mixed"), mixed=[*dead, web[0].endpoint])
    for number in range(12):
        assert (
            _told(await exchange(PORT, _get(f"/{number}", "Content-Length: 2", method="POST", body="ab")))["body"] == 2
        )


async def test_nobody_can_be_reached(run: Run, web: list[Backend]) -> None:
    await _apply(run, web, route("/", "dead"), dead=[Endpoint("127.0.0.1", free_port())])
    answer = await exchange(PORT, _get())
    assert _status(answer) == 503
    assert b"can be reached" in answer


async def test_answers_of_the_door_say_why(run: Run, web: list[Backend]) -> None:
    await _apply(run, web, route("/none", "none"), route("/bad", ""), route("/web", "web"), none=[])
    for path, status, words in [
        ("/none", 503, b"no endpoint of shop/none:80/TCP is ready"),
        ("/bad", 500, b"the backend cannot be used: BackendNotFound"),
        ("/x", 404, b"no route for this path"),
    ]:
        answer = await exchange(PORT, _get(path))
        assert (_status(answer), words in answer) == (status, True), answer


async def test_a_backend_that_takes_too_long(run: Run, web: list[Backend]) -> None:
    await _apply(run, web, route("/", "web", timeouts=Timeouts(backend_request=0.2)))
    assert _status(await exchange(PORT, _get("/?wait=1"))) == 504


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"])
async def test_a_backend_that_answers_nonsense(run: Run, web: list[Backend], answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        await _apply(run, web, route("/", "mad"), mad=[at])
        assert _status(await exchange(PORT, _get("/", "Content-Length: 1", method="POST", body="x"))) == 502


async def test_bodies_over_the_limit(run: Run, web: list[Backend]) -> None:
    await _apply(run, web, route("/", "web", max_body=10))
    announced = await exchange(PORT, _get("/", "Content-Length: 11", method="POST", body="x" * 11))
    assert (_status(announced), b"more than 10 bytes" in announced) == (413, True)
    whole = _get("/", "Transfer-Encoding: chunked", method="POST", body="0\r\n\r\n")
    assert _told(await exchange(PORT, whole))["body"] == 0
    most = "5\r\nxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n"
    assert _told(await exchange(PORT, _get("/", "Transfer-Encoding: chunked", method="POST", body=most)))["body"] == 10
    chunks = "5\r\nxxxxx\r\n6\r\nxxxxxx\r\n0\r\n\r\n"
    answer = await exchange(PORT, _get("/", "Transfer-Encoding: chunked", method="POST", body=chunks))
    assert (_status(answer), b"more than 10 bytes" in answer) == (413, True)


@pytest.mark.parametrize("length", ["known", "unknown"])
async def test_large_bodies_over_a_large_limit(run: Run, web: list[Backend], length: str) -> None:
    """HAProxy has only the end of the connection to say that what it has begun to pass on is too much."""
    await _apply(run, web, route("/", "web", max_body=200_000))

    async def pieces(count: int) -> Any:
        for _ in range(count):
            yield b"y" * 10_000

    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{PORT}/"
        data = pieces(20) if length == "unknown" else b"y" * 200_000
        async with session.post(url, data=data) as response:
            assert (await response.json(content_type=None))["body"] == 200_000
        try:
            data = pieces(400) if length == "unknown" else b"y" * 4_000_000
            async with session.post(url, data=data) as response:
                assert response.status == 413
        except aiohttp.ClientError:
            assert (run.name, length) == ("haproxy", "unknown") or isinstance(data, bytes)


SMUGGLED = [
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n",
    "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\x16\x03\x01\x00\x05hello",
]


@pytest.mark.parametrize("sent", SMUGGLED)
async def test_what_is_not_http_is_refused(run: Run, web: list[Backend], sent: str) -> None:
    await _apply(run, web)
    for one in web:
        one.requests.clear()
    answer = await exchange(PORT, sent.encode("latin-1"), end=True)
    assert _status(answer) in (400, 505) and b"aiohttp" not in answer, answer
    assert [r for one in web for r in one.requests] == []


async def test_length_and_chunks_together_smuggle_nothing(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    for one in web:
        one.requests.clear()
    inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = _get("/", f"Content-Length: {len(inner) + 5}", "Transfer-Encoding: chunked", body="0\r\n\r\n" + inner)
    await exchange(PORT, sent, end=True)
    assert not any("smuggled" in request for one in web for request in one.requests)


async def test_heads_have_a_largest_size(run: Run, web: list[Backend]) -> None:
    await _apply(run, web)
    fields = [f"X-{number}: {'v' * 1000}" for number in range(60)]
    assert _status(await exchange(PORT, _get("/", *fields), end=True)) in (400, 431)


async def test_each_request_is_told(run: Run, web: list[Backend]) -> None:
    await _apply(run, web, route("/told", "web", name="HTTPRoute shop/told rules[0]"))
    await exchange(PORT, _get("/told/quietly?secret=1", "Content-Length: 4", method="POST", body="abcd"))
    served = await run.told("/told/quietly")
    assert (served.method, served.host, served.status) == ("POST", "a", 200)
    assert (served.route, served.pool) == ("HTTPRoute shop/told rules[0]", WEB)
    assert served.backend in [(one.endpoint.address, one.port) for one in web]
    assert (served.client[0], served.frontend, served.entry) == ("127.0.0.1", ("127.0.0.1", PORT), "Gateway")
    await exchange(PORT, _get("/nowhere"))
    assert (await run.told("/nowhere")).status == 404


async def test_a_copy_for_a_mirror(run: Run, web: list[Backend]) -> None:
    async with backend("copy") as copy:
        routes = [route("/copy", "copy"), route("/", "web", mirrors=(Mirror("shop/copy:80/TCP"),))]
        await _apply(run, web[:1], *routes, copy=[copy.endpoint])
        assert _told(await exchange(PORT, _get("/m", "Content-Length: 2", method="POST", body="ab")))["name"] == "web-0"
        async with asyncio.timeout(60):
            while not copy.requests:
                await asyncio.sleep(0.01)
        assert copy.requests == ["POST /m"]


async def test_copies_of_a_share(run: Run, web: list[Backend]) -> None:
    """Of 400 requests half are 200, give or take six standard deviations; the last one says that all are through."""
    shares = {"/none": (0, 1), "/half": (17, 34), "/all": (1, 1)}
    async with backend("copy") as copy:
        mirrored = [route(path, "web", mirrors=(Mirror("shop/copy:80/TCP", *of),)) for path, of in shares.items()]
        await _apply(run, web[:1], route("/copy", "copy"), *mirrored, copy=[copy.endpoint])
        paths = [*["/none"] * 10, *["/half"] * 400, *["/all"] * 10]
        asked = [_get(path, close=number == len(paths)) for number, path in enumerate(paths, 1)]
        await exchange(PORT, b"".join(asked))
        async with asyncio.timeout(60):
            while copy.requests.count("GET /all") < 10 or copy.requests.count("GET /half") < 140:
                await asyncio.sleep(0.01)
        assert 140 <= copy.requests.count("GET /half") <= 260
        assert copy.requests.count("GET /none") == 0


async def test_virtual_hosts_of_thousands(run: Run, web: list[Backend]) -> None:
    hosts = [VirtualHost(f"h{number}.example", routes=(route(prefix(f"/{number}"), "web"),)) for number in range(2000)]
    table = with_endpoints(table_of(listener(*hosts, port=PORT)), {WEB: [web[0].endpoint]})
    await run.apply(table)
    answer = await exchange(PORT, _get("/1999/x").replace(b"Host: a", b"Host: h1999.example"))
    assert _told(answer)["path"] == "/1999/x"
