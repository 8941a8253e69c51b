"""Engines at a door of the loopback, with real backends behind."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from msgspec.structs import replace

from portway.gateway.engine import Applied, Carried, Door, Engine, Served, Told
from portway.gateway.router import BuiltinEngine
from portway.routing.table import RouteTable
from portway.routing.timings import Timings
from tests.gateway.backends import Backend, backend

DOOR = "gateway/shop/gateway"
T = TypeVar("T")


class Run:
    """An engine that runs, and what it told."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self.served: list[Served] = []
        self.carried: list[Carried] = []
        self.heard = asyncio.Event()

    def report(self, told: Told) -> None:
        """Keep it."""
        if isinstance(told, Served):
            self.served.append(told)
        else:
            assert isinstance(told, Carried)
            self.carried.append(told)
        self.heard.set()

    async def apply(self, table: RouteTable) -> Applied:
        """It has to work."""
        applied = await self.engine.apply(table)
        assert not applied.reason, applied
        return applied

    async def told(self, path: str) -> Served:
        """What it says of the request for this path, as soon as it does."""
        return await self._last(lambda: [one for one in self.served if one.path == path])

    async def told_of(self, name: str) -> Carried:
        """What it says of the connection for this server name, as soon as that is over."""
        return await self._last(lambda: [one for one in self.carried if one.name == name])

    async def _last(self, found: Callable[[], list[T]]) -> T:
        """Of those, once there are any."""
        async with asyncio.timeout(60):
            while not found():
                self.heard.clear()
                await self.heard.wait()
        return found()[-1]


def _engine(name: str) -> Engine:
    if name == "builtin":
        return BuiltinEngine()
    if not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")
    from portway.gateway.haproxy import HaproxyEngine

    return HaproxyEngine()


@asynccontextmanager
async def running(name: str, timings: Timings = Timings()) -> AsyncIterator[Run]:  # noqa: B008  # frozen
    """An engine of this name."""
    run = Run(_engine(name), name)
    with tempfile.TemporaryDirectory(prefix="portway-door-") as folder:
        await run.engine.start(Door(DOOR, Path(folder), ("127.0.0.1",), timings), run.report)
        try:
            yield run
        finally:
            await run.engine.stop()


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["builtin", "haproxy"])
async def run(request: pytest.FixtureRequest) -> AsyncIterator[Run]:
    """Each engine in turn; a module's tests share it."""
    # Connections to backends may take long where everything does.
    async with running(request.param, replace(Timings(), drain=1.0, connect=20.0)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def web() -> AsyncIterator[list[Backend]]:
    """Three pods of one Service."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(backend(f"web-{number}")) for number in range(3)]
