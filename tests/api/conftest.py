"""One API server for the module; each test gets a namespace of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from portway.client import Api
from portway.testing import apiserver
from tests.api.http import Http


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apiserver.Server]:
    with apiserver.start(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[apiserver.Server]:
    """For tests that kill it."""
    with apiserver.start(tmp_path) as running:
        yield running


@pytest.fixture
def http(server: apiserver.Server) -> Iterator[Http]:
    connection = Http(server.unix)
    yield connection
    connection.close()


@pytest.fixture
def namespace(http: Http) -> str:
    """A new namespace."""
    answer = http.post("/api/v1/namespaces", {"metadata": {"generateName": "t-"}})
    assert answer.code == 201, answer
    return str(answer.doc["metadata"]["name"])


@pytest.fixture
async def api(server: apiserver.Server) -> AsyncIterator[Api]:
    async with Api.unix(server.unix) as client:
        yield client
