from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from portway.client import Api
from tests.unit.client.server import Server


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "api.sock")
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with Api.unix(server.socket) as api:
        yield api
