"""HTTP/2 through each engine: what a door does with streams, windows, resets, farewells, limits and deadlines."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from portway.routing.table import Cors, Endpoint, HeaderEdit, Mirror, RouteTable, Timeouts
from portway.routing.timings import Timings
from portway.testing.doors import host, listener, route, table, with_endpoints
from tests.gateway.backends import Backend, exchange, refused
from tests.gateway.backends import backend as http1_backend
from tests.gateway.conftest import Run, running
from tests.gateway.frames import Peer, answer, backend, client
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT, OWN_PORT = free_port(), free_port()
INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 2, 7, 8


def _table(protocol: str, *routes: Any, port: int = PORT, **endpoints: list[Endpoint]) -> RouteTable:
    """Routes to Services whose pods are spoken to so."""
    made = table(listener(host("", *(routes or (route("/", "web"),))), port=port))
    made = with_endpoints(made, {f"shop/{name}:80/TCP": given for name, given in endpoints.items()})
    return replace(made, pools={k: replace(p, protocol=protocol) for k, p in made.pools.items()})


async def _wait(peer: Peer, number: int) -> None:
    """Answers nothing."""
    await asyncio.Event().wait()


async def test_requests_of_one_connection_go_each_its_way(run: Run, web: list[Backend]) -> None:
    """To backends of HTTP/1.1, none behind another."""
    routes = (route("/web", "web"), route("/none", "none"))
    await run.apply(_table("http", *routes, web=[one.endpoint for one in web], none=[]))
    async with client(PORT) as peer:
        slow = peer.asked("/web?wait=1")
        posted = peer.asked("/web/x", b"abc", "POST", x_a="1")
        many = [peer.asked("/web", x_forwarded_for="9.9.9.9") for _ in range(20)]
        told = json.loads((await peer.whole(posted)).body)
        assert (told["method"], told["path"], told["host"], told["body"]) == ("POST", "/web/x", "a.example", 3)
        headers = dict(told["headers"])
        assert (headers["x-a"], headers["x-forwarded-for"]) == ("1", "127.0.0.1")
        names = {json.loads((await peer.whole(number)).body)["name"] for number in many}
        assert names == {"web-0", "web-1", "web-2"}
        refused = await peer.whole(peer.asked("/none"))
        assert (refused.status, b"is ready" in refused.body) == (503, True)
        assert (await peer.whole(peer.asked("/nowhere"))).status == 404
        assert not peer.answers[slow].status
    served = await run.told("/web/x")
    assert (served.method, served.host, served.status, served.code) == ("POST", "a.example", 200, "ROUTED")
    assert served.backend in [(one.endpoint.address, one.port) for one in web]


async def test_bodies_of_unknown_length_both_ways(run: Run, web: list[Backend]) -> None:
    """HTTP/2 to the door, chunks to the backend and back."""
    await run.apply(_table("http", web=[web[0].endpoint]))
    async with client(PORT) as peer:
        number = peer.asked("/?size=200000", None, "POST")
        for _ in range(3):
            peer.h2.send_data(number, b"x" * 1000)
            peer.flush()
        peer.h2.end_stream(number)
        peer.flush()
        assert (await peer.whole(number)).body == b"x" * 200000


async def test_a_head_that_is_all_of_an_answer(run: Run) -> None:
    """As errors of gRPC are sent: nothing is put behind it."""

    async def serve(peer: Peer, number: int) -> None:
        answer(peer, number, b"", grpc_status="5")

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            got = await peer.whole(peer.asked("/", b"x", "POST"))
            assert (got.headers["grpc-status"], got.body, got.trailers) == ("5", b"", {})


async def test_header_edits_and_the_scheme_that_pods_are_told(run: Run) -> None:
    async def serve(peer: Peer, number: int) -> None:
        seen = {name: value for name, value in peer.answers[number].headers.items() if name != "x-forwarded-for"}
        answer(peer, number, json.dumps(seen).encode(), x_gone="1")

    edited = replace(
        route("/", "web"),
        request_headers=HeaderEdit(set=(("X-Set", "new"),), remove=("X-Old",)),
        response_headers=HeaderEdit(add=(("X-Added", "yes"),), remove=("X-Gone",)),
    )
    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", edited, web=[endpoint]))
        async with client(PORT) as peer:
            got = await peer.whole(peer.asked("/x", x_set="old", x_old="1", te="trailers"))
            seen = json.loads(got.body)
            assert (
                seen.items() >= {":scheme": "http", ":authority": "a.example", "x-set": "new", "te": "trailers"}.items()
            )
            assert "x-old" not in seen
            assert (got.headers.get("x-added"), got.headers.get("x-gone")) == ("yes", None)


async def test_a_client_of_http_1_in_front_of_pods_of_http_2(run: Run) -> None:
    async def serve(peer: Peer, number: int) -> None:
        await peer.until(lambda: peer.answers[number].ended)
        answer(peer, number, b"%d bytes" % len(peer.answers[number].body))

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        sent = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd"
        assert b"4 bytes" in await exchange(PORT, sent)
        chunks = sent.replace(
            b"Content-Length: 4\r\n\r\nabcd", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        assert b"3 bytes" in await exchange(PORT, chunks)


async def test_a_client_that_takes_nothing_holds_its_own_stream_only(run: Run) -> None:
    """What is on its way is bounded by windows and buffers, not by what the backend has."""
    if run.name == "haproxy":
        pytest.skip("HAProxy 2.6 reads no stream of a connection while the buffer of one is full")
    sent = 0

    async def serve(peer: Peer, number: int) -> None:
        nonlocal sent
        if peer.answers[number].headers[":path"] != "/large":
            answer(peer, number)
            return
        peer.h2.send_headers(number, [(":status", "200")])
        while sent < 64 << 20:
            room = min(peer.h2.local_flow_control_window(number), 16384)
            if room:
                peer.h2.send_data(number, bytes(room))
                peer.flush()
                sent += room
            await peer.writer.drain()
            await asyncio.sleep(0)

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            peer.acknowledges = False
            large = peer.asked("/large")
            await peer.until(lambda: len(peer.answers[large].body) >= 65535)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 8 << 20
            peer.acknowledges = True
            peer.h2.increment_flow_control_window(1 << 20)
            peer.flush()
            assert (await peer.whole(peer.asked("/small"))).body == b"ok"


async def test_a_backend_that_takes_nothing_stops_its_client_only(run: Run) -> None:
    if run.name == "haproxy":
        pytest.skip("HAProxy 2.6 reads no stream of a connection while the buffer of one is full")

    async def serve(peer: Peer, number: int) -> None:
        if peer.answers[number].headers[":path"] == "/slow":
            peer.acknowledges = False
            await asyncio.Event().wait()
        answer(peer, number)

    async with backend(serve) as slow, backend(serve) as quick:
        await run.apply(_table("h2c", route("/slow", "slow"), route("/", "web"), slow=[slow], web=[quick]))
        async with client(PORT) as peer:
            for _ in range(3):  # the first one uses up the backend's window, the others find it so
                number, sent = peer.asked("/slow", None, "POST"), 0
                for _ in range(40):
                    while room := min(peer.h2.local_flow_control_window(number), 16384):
                        peer.h2.send_data(number, bytes(room))
                        peer.flush()
                        sent += room
                    await asyncio.sleep(0.005)
                assert sent < 1 << 19
            # its own window: those of the connection and of other streams are open
            peer.h2.increment_flow_control_window(1 << 16)
            assert (await peer.whole(peer.asked("/x"))).body == b"ok"


async def test_bodies_of_cancelled_requests_give_the_connection_its_window_back(run: Run) -> None:
    """More of them than its window has room for, each left in the middle and read by nobody."""

    async def serve(peer: Peer, number: int) -> None:
        if peer.answers[number].headers[":path"] == "/slow":
            peer.acknowledges = False
            await asyncio.Event().wait()
        answer(peer, number)

    if run.name == "haproxy":
        pytest.skip("HAProxy 2.6 reads no stream of a connection while the buffer of one is full")
    async with backend(serve) as slow, backend(serve) as quick:
        await run.apply(_table("h2c", route("/slow", "slow"), route("/", "web"), slow=[slow], web=[quick]))
        async with client(PORT) as peer:
            for _ in range(200):
                number = peer.asked("/slow", None, "POST")
                for _ in range(3):
                    peer.h2.send_data(number, bytes(16384))
                peer.flush()
                await asyncio.sleep(0.002)
                peer.h2.reset_stream(number, CANCEL)
                peer.flush()
            await peer.until(lambda: peer.h2.outbound_flow_control_window > 1 << 20)
            assert (await peer.whole(peer.asked("/x"))).body == b"ok"


async def test_a_reset_of_either_side_reaches_the_other(run: Run) -> None:
    passed_on, asked, heard = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(peer: Peer, number: int) -> None:
        if peer.answers[number].headers[":path"] == "/breaks":
            peer.h2.send_headers(number, [(":status", "200")])
            peer.h2.send_data(number, b"half")
            peer.flush()
            await passed_on.wait()
            peer.h2.reset_stream(number, CANCEL)
            peer.flush()
            return
        asked.set()
        await peer.until(lambda: peer.answers[number].reset is not None or peer.closed)
        heard.set()

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            breaks = peer.asked("/breaks")
            await peer.until(lambda: peer.answers[breaks].body == b"half")
            passed_on.set()
            broken = await peer.whole(breaks)
            assert (broken.status, broken.body) == (200, b"half")
            if run.name == "builtin":  # HAProxy 2.6 ends it as if it were whole, unless it has a length
                assert (broken.reset, broken.ended) == (CANCEL, False)
            number = peer.asked("/waits")
            async with asyncio.timeout(60):
                await asked.wait()
                peer.h2.reset_stream(number, CANCEL)
                peer.flush()
                await heard.wait()
            assert not peer.closed


async def test_a_pod_that_resets_before_it_answers_is_a_bad_gateway(run: Run) -> None:
    async def serve(peer: Peer, number: int) -> None:
        peer.h2.reset_stream(number, INTERNAL_ERROR)
        peer.flush()

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            got = await peer.whole(peer.asked("/", b"x", "POST"))
            assert got.status == 502 or (run.name == "haproxy" and got.reset == REFUSED_STREAM)


async def test_what_a_pod_refuses_untouched_goes_to_another(run: Run) -> None:
    """REFUSED_STREAM, and streams beyond a GOAWAY (RFC 9113 8.7). HAProxy 2.6 repeats what has no body only."""
    refused = 0

    async def refuse(peer: Peer, number: int) -> None:
        nonlocal refused
        refused += 1
        peer.h2.reset_stream(number, REFUSED_STREAM)
        peer.flush()

    async def serve(peer: Peer, number: int) -> None:
        await peer.until(lambda: peer.answers[number].ended)
        answer(peer, number, peer.answers[number].body)

    if run.name == "haproxy":
        pytest.skip("HAProxy 2.6 answers 502: it takes no REFUSED_STREAM for a reason to ask again")
    async with backend(refuse) as one, backend(serve) as other:
        await run.apply(_table("h2c", web=[one, other]))
        async with client(PORT) as peer:
            for number in range(6):
                assert (await peer.whole(peer.asked("/", b"%d" % number, "POST"))).body == b"%d" % number
    assert refused


async def test_a_pod_takes_leave_and_ends_what_it_has(run: Run) -> None:
    connections: set[Peer] = set()
    go_on = asyncio.Event()

    async def serve(peer: Peer, number: int) -> None:
        connections.add(peer)
        if peer.answers[number].headers[":path"] == "/last":
            # GOAWAY by hand, for h2 would not go on; before the head, so that who has that has heard it too
            peer.writer.write(b"\0\0\x08\x07\0\0\0\0\0" + number.to_bytes(4) + b"\0\0\0\0")
            peer.h2.send_headers(number, [(":status", "200")])
            peer.flush()
            await go_on.wait()
            peer.h2.send_data(number, b"to the end", end_stream=True)
            peer.flush()
            return
        answer(peer, number)

    async with backend(serve) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            last = peer.asked("/last")
            await peer.until(lambda: peer.answers[last].status == 200)
            assert (await peer.whole(peer.asked("/next"))).body == b"ok"
            go_on.set()
            assert (await peer.whole(last)).body == b"to the end"
    assert len(connections) == 2


async def test_more_requests_than_a_pod_takes_at_once(run: Run) -> None:
    """SETTINGS_MAX_CONCURRENT_STREAMS: another connection, not a failure."""
    connections: set[Peer] = set()
    together = asyncio.Barrier(10)

    async def serve(peer: Peer, number: int) -> None:
        connections.add(peer)
        if peer.answers[number].headers[":path"] != "/first":
            await together.wait()
        answer(peer, number)

    async with backend(serve, most=2) as endpoint:
        await run.apply(_table("h2c", web=[endpoint]))
        async with client(PORT) as peer:
            assert (await peer.whole(peer.asked("/first"))).body == b"ok"
            answers = [await peer.whole(number) for number in [peer.asked() for _ in range(10)]]
            assert {one.status for one in answers} == {200}
    assert len(connections) >= 5


async def test_limits_and_deadlines(run: Run) -> None:
    routes = (
        route("/small", "web", max_body=10),
        route("/quick", "web", timeouts=Timeouts(backend_request=0.2)),
        route("/", "web"),
    )

    async with backend(_wait) as endpoint:
        await run.apply(_table("h2c", *routes, web=[endpoint]))
        async with client(PORT) as peer:
            announced = await peer.whole(peer.asked("/small", b"x" * 11, "POST", content_length="11"))
            assert (announced.status, b"more than 10 bytes" in announced.body) == (413, True)
            assert (await peer.whole(peer.asked("/quick"))).status == 504
            fields = {f"x_{number}": "v" * 900 for number in range(30)}
            large = await peer.whole(peer.asked("/", b"", "GET", **fields))
            assert large.status in (400, 431) or large.reset is not None or peer.closed


async def test_what_is_no_http_2_ends_the_connection(run: Run, web: list[Backend]) -> None:
    await run.apply(_table("http", web=[web[0].endpoint]))
    await exchange(PORT, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100)
    async with client(PORT) as peer:
        assert (await peer.whole(peer.asked())).status == 200


@pytest.mark.parametrize("name", ["builtin", "haproxy"])
async def test_a_door_that_stops_takes_leave_and_ends_what_is_under_way(name: str) -> None:
    go = asyncio.Event()

    async def serve(peer: Peer, number: int) -> None:
        peer.h2.send_headers(number, [(":status", "200")])
        peer.flush()
        await go.wait()
        peer.h2.send_data(number, b"to the end", end_stream=True)
        peer.flush()

    async with backend(serve) as endpoint, running(name, Timings(drain=60)) as own:
        await own.apply(_table("h2c", port=OWN_PORT, web=[endpoint]))
        reader, writer = await asyncio.open_connection("127.0.0.1", OWN_PORT)
        peer = Peer(reader, writer, client=True)
        number = peer.asked()
        await peer.until(lambda: peer.answers[number].status == 200)
        stopping = asyncio.create_task(own.engine.stop())
        await refused(OWN_PORT)
        go.set()
        await peer.whole(number)
        await peer.until(lambda: bool(peer.farewells))
        assert peer.answers[number].body == b"to the end"
        await peer.close()
        await stopping


@pytest.mark.parametrize("name", ["builtin"])
async def test_who_cancels_without_end_is_sent_away(name: str) -> None:
    async with backend(_wait) as endpoint, running(name, Timings(drain=0.1)) as own:
        await own.apply(_table("h2c", port=OWN_PORT, web=[endpoint]))
        async with client(OWN_PORT) as peer:
            for _ in range(2000):
                if peer.closed or peer.farewells:
                    break
                peer.h2.reset_stream(peer.asked(), CANCEL)
                peer.flush()
                await asyncio.sleep(0)
            await peer.until(lambda: peer.closed)


async def test_a_preflight_is_answered_by_the_door(run: Run) -> None:
    async def fail(peer: Peer, number: int) -> None:
        raise AssertionError("the pod was asked")

    cors = Cors(("https://shop.example",), ("PUT",))
    async with backend(fail) as endpoint:
        await run.apply(_table("h2c", route("/", "web", cors=cors), web=[endpoint]))
        async with client(PORT) as peer:
            fields = {"origin": "https://shop.example", "access_control_request_method": "PUT"}
            answered = await peer.whole(peer.asked("/", b"", "OPTIONS", **fields))
            assert (answered.status, answered.body) == (204, b"")
            assert dict(answered.headers)["access-control-allow-methods"] == "PUT"


async def test_copies_for_a_mirror_of_http_2(run: Run) -> None:
    copied: asyncio.Queue[bytes] = asyncio.Queue()

    async def keep(peer: Peer, number: int) -> None:
        await peer.until(lambda: peer.answers[number].ended)
        copied.put_nowait(peer.answers[number].body)
        answer(peer, number)

    async def serve(peer: Peer, number: int) -> None:
        answer(peer, number)

    mirrored = (route("/copy", "copy"), route("/", "web", mirrors=(Mirror("shop/copy:80/TCP"),)))
    async with backend(keep) as copy, backend(serve) as endpoint:
        await run.apply(_table("h2c", *mirrored, web=[endpoint], copy=[copy]))
        async with client(PORT) as peer:
            assert (await peer.whole(peer.asked("/m", b"abcd", "POST", content_length="4"))).body == b"ok"
            async with asyncio.timeout(60):
                assert await copied.get() == b"abcd"


async def test_a_pod_that_speaks_http_1_where_http_2_is_asked_for(run: Run) -> None:
    async with http1_backend("old") as old:
        await run.apply(_table("h2c", web=[old.endpoint]))
        async with client(PORT) as peer:
            assert (await peer.whole(peer.asked())).status in (502, 503)
