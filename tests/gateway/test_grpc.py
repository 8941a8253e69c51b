"""gRPC through each engine: a client and a server that nobody here wrote (grpcio), led by a GRPCRoute."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import pytest_asyncio
from msgspec.structs import replace

from portway.routing.compute import compute, table
from portway.routing.table import RouteTable
from portway.testing.doordocs import (
    backend,
    documents,
    endpoint_slice,
    gateway,
    http,
    https,
    route,
    rule,
    service,
    tls_secret,
)
from tests.gateway.calls import Pod, serving
from tests.gateway.conftest import Run
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, SECURE = free_port(), free_port()
DOCUMENTS = (
    gateway("gateway", http(port=PLAIN), https("keys", port=SECURE)),
    tls_secret("keys", "cart.example"),
    *(service(name, 80) for name in ("cart", "other", "gone", "none")),
    *(endpoint_slice(name, "10.0.0.1") for name in ("cart", "other", "gone")),
    route(
        "calls",
        "gateway",
        rule({"method": {"service": "shop.Cart", "method": "Fail"}, "headers": [{"name": "to", "value": "other"}]},
             to=[backend("other")]),
        rule({"method": {"service": "shop.Cart"}}, to=[backend("cart")]),
        rule({"method": {"service": "shop.Gone"}}, to=[backend("gone")]),
        rule({"method": {"service": "shop.None"}}, to=[backend("none")]),
        kind="GRPCRoute",
    ),
)  # fmt: skip


def _table(**pods: Iterable[Pod]) -> RouteTable:
    """The documents' table, with these behind its Services."""
    given = documents(*DOCUMENTS)
    made = table(compute(given), lambda _: [], given.services)
    real = {
        key: replace(pool, endpoints=tuple(pod.endpoint for pod in pods.get(pool.service, ())))
        for key, pool in made.pools.items()
    }
    return replace(made, pools=real)


class World:
    """A door, pods, and a channel to the door."""

    def __init__(self, run: Run, pods: list[Pod], other: Pod, channels: dict[str, Any]) -> None:
        self.run, self.pods, self.other, self.channels = run, pods, other, channels
        self.channel = channels["plain"]

    def unary(self, method: str = "Get", service: str = "shop.Cart") -> Callable[..., Any]:
        """A method to call."""
        return self.channel.unary_unary(f"/{service}/{method}")  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(run: Run) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(serving(f"cart-{number}")) for number in range(2)]
        other = await stack.enter_async_context(serving("other"))
        gone = Pod("gone", free_port())
        made = _table(cart=pods, other=[other], gone=[gone])
        await run.apply(made)
        chain = next(iter(made.certificates.values())).chain.encode()
        names = (("grpc.ssl_target_name_override", "cart.example"),)
        channels = {
            "plain": grpc.aio.insecure_channel(f"127.0.0.1:{PLAIN}"),
            "tls": grpc.aio.secure_channel(f"127.0.0.1:{SECURE}", grpc.ssl_channel_credentials(chain), options=names),
        }
        for channel in channels.values():
            await stack.enter_async_context(channel)
        yield World(run, pods, other, channels)


@pytest.fixture(params=["plain", "tls"])
def either(world: World, request: pytest.FixtureRequest) -> World:
    """The same by h2c and by TLS."""
    return World(world.run, world.pods, world.other, world.channels) if request.param == "plain" else _by_tls(world)


def _by_tls(world: World) -> World:
    made = World(world.run, world.pods, world.other, world.channels)
    made.channel = world.channels["tls"]
    return made


async def test_one_message_each_way(either: World) -> None:
    call = either.unary()(b"milk", metadata=(("x-asked", "yes"),), timeout=60)
    answers = {await call}
    assert dict(await call.initial_metadata())["x-pod"] in ("cart-0", "cart-1")
    trailing = dict(await call.trailing_metadata())
    assert (trailing["x-seen"], trailing["x-bin"]) == ("yes", b"\x00\xff")
    answers |= {await either.unary()(b"milk", timeout=60) for _ in range(5)}
    assert answers == {b"cart-0 got milk", b"cart-1 got milk"}, "calls of one channel are spread over the pods"


async def test_a_stream_of_answers(either: World) -> None:
    call = either.channel.unary_stream("/shop.Cart/List")(b"500", timeout=60)
    assert [int(one) async for one in call] == list(range(500))


async def test_a_stream_of_requests(either: World) -> None:
    """More than any window: backend and client wait for each other."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b"x" * 100_000

    assert await either.channel.stream_unary("/shop.Cart/Put")(pieces(), timeout=60) == b"6000000"


async def test_both_streams_at_once(either: World) -> None:
    """Each message has its answer before the next one is sent: nothing is collected on the way."""
    call = either.channel.stream_stream("/shop.Cart/Chat")(timeout=60)
    for number in range(20):
        await call.write(b"%d" % number)
        assert await call.read() == b"echo %d" % number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK


async def test_an_error_is_in_the_trailers(either: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await either.unary("Fail")(b"", timeout=60)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such cart")
    assert dict(caught.value.trailing_metadata())["x-why"] == "empty"


async def test_an_error_behind_messages(either: World) -> None:
    call = either.channel.unary_stream("/shop.Cart/Half")(b"", timeout=60)
    assert await call.read() == b"one"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "no more")


async def test_a_deadline_is_heard_by_the_pod(world: World) -> None:
    for pod in world.pods:
        pod.cancelled.clear()
        pod.called.clear()
    seconds = 0.2
    while not any(pod.called for pod in world.pods):  # on a busy machine a short deadline may pass before
        seconds *= 2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.unary("Wait")(b"", timeout=seconds)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    waiting = [asyncio.ensure_future(pod.cancelled.wait()) for pod in world.pods]
    done, others = await asyncio.wait(waiting, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    for one in others:
        one.cancel()
    assert done


async def test_a_call_that_is_cancelled_is_cancelled_at_the_pod(world: World) -> None:
    for pod in world.pods:
        pod.cancelled.clear()
        pod.called.clear()
    call = world.unary("Wait")(b"")
    async with asyncio.timeout(60):
        while not any("Wait" in pod.called for pod in world.pods):
            await asyncio.sleep(0.01)
        call.cancel()
        while not any(pod.cancelled.is_set() for pod in world.pods):
            await asyncio.sleep(0.01)


async def test_a_route_by_method_and_header(world: World) -> None:
    world.other.called.clear()
    with pytest.raises(grpc.aio.AioRpcError):
        await world.unary("Fail")(b"", metadata=(("to", "other"),), timeout=60)
    served = await world.run.told("/shop.Cart/Fail")
    assert served.backend == (world.other.endpoint.address, world.other.port)
    assert (served.route, served.status, served.code) == ("GRPCRoute shop/calls rules[0]", 200, "ROUTED")


@pytest.mark.parametrize(
    ("called", "code"),
    [("shop.Gone", "UNAVAILABLE"), ("shop.None", "UNAVAILABLE"), ("shop.Nobody", "UNIMPLEMENTED")],
)
async def test_the_door_answers_what_no_pod_does(world: World, called: str, code: str) -> None:
    """As a status of HTTP, which clients of gRPC have words for: 503, 503, 404."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.unary("Get", called)(b"", timeout=60)
    assert caught.value.code().name == code


async def test_many_calls_at_once(world: World) -> None:
    answers = await asyncio.gather(*(world.unary()(b"%d" % number, timeout=60) for number in range(500)))
    assert {int(answer.rpartition(b" ")[2]) for answer in answers} == set(range(500))


async def test_pods_that_are_replaced_under_calls(world: World) -> None:
    """A rolling update: the old pod is taken out of the table, takes leave (GOAWAY) and ends. No call fails."""
    until, made = asyncio.Event(), [0] * 4

    async def calling(caller: int) -> None:
        while not until.is_set():
            await world.unary()(b"x" * 2000, timeout=60)
            made[caller] += 1

    async def settle(more: int) -> None:
        """Until each caller has been answered so many times more, or one has failed."""
        wanted = [number + more for number in made]
        while any(m < w for m, w in zip(made, wanted, strict=True)) and not any(caller.done() for caller in callers):
            await asyncio.sleep(0.002)

    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(serving(f"old-{number}")) for number in range(2)]
        await world.run.apply(_table(cart=pods, other=[world.other]))
        callers = [asyncio.create_task(calling(caller)) for caller in range(4)]
        for number in range(6):
            pods.append(await stack.enter_async_context(serving(f"new-{number}")))
            old = pods.pop(0)
            await world.run.apply(_table(cart=pods, other=[world.other]))
            await settle(2)  # what it was asked before is answered, as a pod's preStop hook would wait for
            await old.server.stop(30)
            await settle(5)
        until.set()
        await asyncio.gather(*callers)
    await world.run.apply(_table(cart=world.pods, other=[world.other], gone=[Pod("gone", free_port())]))


async def test_a_pod_that_takes_leave_while_it_is_in_the_table_fails_no_call(world: World) -> None:
    """Calls that it has not looked at go to another one."""
    async with AsyncExitStack() as stack:
        pods = [await stack.enter_async_context(serving(f"leaving-{number}")) for number in range(3)]
        await world.run.apply(_table(cart=pods, other=[world.other]))
        calls = [asyncio.ensure_future(world.unary()(b"%d" % number, timeout=60)) for number in range(200)]
        await pods[0].server.stop(30)
        await asyncio.gather(*calls)
    await world.run.apply(_table(cart=world.pods, other=[world.other], gone=[Pod("gone", free_port())]))


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_a_client_of_another_version_reads_what_it_can(world: World) -> None:
    """By HTTP/1.1: the call is answered, its trailers are behind the chunks."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "-i", "--http1.1", "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary",
        "@-", f"http://127.0.0.1:{PLAIN}/shop.Cart/Get", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
    )  # fmt: skip
    said, _ = await process.communicate(b"\0\0\0\0\2ab")
    assert b"HTTP/1.1 200" in said and b"got ab" in said, said
