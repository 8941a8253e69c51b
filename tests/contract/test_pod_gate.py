"""Waiting for pods to be in the node's rules and out of them, on the kernel's word."""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator

import pytest

from portway.agent.pod_gate import PodGate
from portway.nftables import Container
from portway.nftables.statement import Operand
from portway.testing.netns import Namespace, Unavailable, World
from tests.patience import PATIENCE

SETS = tuple(Container(f"pods{f[-1]}", (Operand("saddr", f),)) for f in ("IPv4", "IPv6"))
TABLE = "add table inet portway\n" + "".join(f"add set inet portway {c.name} {{ {c} }}\n" for c in SETS)
FOUR, SIX = "10.244.1.2", "fd00:244:0:1::2"


@pytest.fixture(scope="module", params=[None, True], ids=["as we are", "user namespace"])
def node(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """An empty network namespace."""
    try:
        with World(request.param) as world:
            yield world.namespace("node")
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _nft(*lines: str) -> None:
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True)


def _element(verb: str, address: str) -> str:
    return f"{verb} element inet portway pods{6 if ':' in address else 4} {{ {address} }}"


def _inside(node: Namespace, test: Callable[[PodGate], Coroutine[None, None, None]]) -> None:
    """Run it there, with a table of its own, against a gate."""

    async def whole() -> None:
        async with asyncio.timeout(PATIENCE):
            await test(PodGate(SETS))

    def run() -> None:
        _nft("add table inet portway", "delete table inet portway")
        asyncio.run(whole())

    node.run(run)


async def _still_waits(task: asyncio.Task[None]) -> bool:
    """After everything that was due was done."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


def test_known_and_forgotten(node: Namespace) -> None:
    async def test(gate: PodGate) -> None:
        known = asyncio.create_task(gate.known((FOUR, SIX)))
        assert await _still_waits(known), "there is no table"
        _nft(TABLE)
        assert await _still_waits(known), "the sets are empty"
        _nft(_element("add", FOUR))
        assert await _still_waits(known), "one address of two"
        assert not gate.knows((FOUR, SIX))
        _nft(_element("add", SIX))
        await known
        assert gate.knows((FOUR, SIX))
        forgotten = asyncio.create_task(gate.forgotten((FOUR, SIX)))
        _nft(_element("delete", SIX))
        assert await _still_waits(forgotten)
        _nft(_element("delete", FOUR))
        await forgotten

    _inside(node, test)


def test_a_table_that_goes_knows_nobody(node: Namespace) -> None:
    async def test(gate: PodGate) -> None:
        _nft(TABLE, _element("add", FOUR))
        await gate.known((FOUR,))
        forgotten = asyncio.create_task(gate.forgotten((FOUR,)))
        assert await _still_waits(forgotten)
        _nft("delete table inet portway")
        await forgotten

    _inside(node, test)


def test_many_wait_and_some_give_up(node: Namespace) -> None:
    async def test(gate: PodGate) -> None:
        _nft(TABLE)
        addresses = [f"10.244.{i // 200}.{i % 200 + 2}" for i in range(1000)]
        tasks = [asyncio.create_task(gate.known((address,))) for address in addresses]
        assert await _still_waits(tasks[0])
        for task in tasks[500:]:
            task.cancel()
        looks = 0
        look = gate._held

        def counted() -> set[bytes]:
            nonlocal looks
            looks += 1
            return look()

        gate._held = counted  # type: ignore[method-assign]
        _nft(*(_element("add", address) for address in addresses))
        await asyncio.gather(*tasks[:500])
        assert looks < 10, "a commit is looked at once, not once for each who waits"
        _nft(_element("add", "10.255.0.1"))
        assert await _still_waits(asyncio.create_task(gate.known(("10.255.0.2",))))
        await gate.known(("10.255.0.1",))

    _inside(node, test)
