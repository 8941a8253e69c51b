"""Who came to a door: asked of the node's agent now and then, and said in the log's own words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from portway.accesslog.names import door_name
from portway.accesslog.packed import packed_address
from portway.accesslog.parties import Known
from portway.accesslog.parties import Parties as Directory
from portway.accesslog.record import Party, ServiceRef, Tls
from portway.gateway.engine import Carried, Served
from portway.gateway.parties import AT_ONCE, Parties
from portway.gateway.records import record_of
from portway.model import Node, Pod
from portway.routing.table import Endpoint, Pool

POD, NODE, ABROAD = "10.244.1.9", "172.18.0.12", "203.0.113.7"


def _directory() -> Directory:
    made = Directory()
    made.put_cluster("node-1", ("172.18.0.11",), ("10.244.0.0/16",))
    for number in (1, 2):
        name = f"node-{number}"
        made.put_node(name, Node(name, addresses=(f"172.18.0.1{number}",), zone="a"))
    made.put_pod(("shop", "visitor"), Pod("shop", "visitor", addresses=(POD,), node_name="node-2"))
    return made


def _served(client: str, backend: str = "") -> Served:
    return Served(
        started=1.0,
        seconds=0.1,
        client=(client, 40000),
        frontend=("10.244.1.2", 80),
        entry="Ingress",
        method="GET",
        host="a.example",
        path="/",
        status=200,
        pool="shop/web:80/TCP",
        backend=(backend, 8080) if backend else None,
    )


def _known(*addresses: str) -> dict[str, Known]:
    directory = _directory()
    return {address: directory.known(packed_address(address)) for address in addresses}


def test_a_record_says_what_the_nodes_log_would() -> None:
    directory, known = _directory(), _known(POD, NODE, ABROAD)
    for address in (POD, NODE, ABROAD):
        assert record_of(_served(address), "node-1", {}, known).client == directory.party(
            packed_address(address), 40000
        )
    assert record_of(_served(POD), "node-1", {}, {}).client == Party(POD, 40000)


def test_a_backend_has_its_node_and_where_that_is() -> None:
    pool = Pool("shop", "web", 80, "", endpoints=(Endpoint(POD, 8080, "shop/behind"),))
    asked = record_of(_served(ABROAD, POD), "node-1", {"shop/web:80/TCP": pool}, _known(POD))
    assert asked.topology == "same-zone"
    assert asked.backend == Party(POD, 8080, "pod", "shop", "visitor", "node-2", "a")
    unasked = record_of(_served(ABROAD, POD), "node-1", {"shop/web:80/TCP": pool}, {})
    assert unasked.backend == Party(POD, 8080, "pod", "shop", "behind")
    assert unasked.topology == ""


def test_a_connection_is_told_by_the_name_that_it_was_for() -> None:
    carried = Carried(
        started=1.0,
        seconds=0.5,
        client=(ABROAD, 40000),
        frontend=("10.244.1.2", 443),
        entry="Gateway",
        name="db.example",
        route="TLSRoute shop/db rules[0]",
        pool="shop/db:5432/tls",
        backend=(POD, 5432),
        bytes_in=10,
        bytes_out=20,
    )
    pool = Pool("shop", "db", 5432, "pg", endpoints=(Endpoint(POD, 5432, "shop/db-0"),))
    told = record_of(carried, "node-1", {"shop/db:5432/tls": pool}, {})
    assert (told.http, told.tls) == (None, Tls("db.example", "TLSRoute shop/db rules[0]"))
    assert (told.verdict, told.entry, told.service) == ("FORWARDED", "Gateway", ServiceRef("shop", "db", "pg", 5432))
    assert (told.bytes_in, told.bytes_out, told.duration_ms) == (10, 20, 500.0)
    assert told.backend is not None and told.backend.pod == "db-0"
    assert door_name(told) == "db.example"
    refused = record_of(replace(carried, code="NO_ENDPOINTS", backend=None), "node-1", {}, {})
    assert (refused.verdict, refused.reason, refused.backend) == ("REFUSED", "NO_ENDPOINTS", None)


@asynccontextmanager
async def _agent(asked: list[list[str]]) -> AsyncIterator[Path]:
    async def answer(request: web.BaseRequest) -> web.Response:
        addresses = request.path.removeprefix("/parties/").split(",")
        asked.append(addresses)
        return web.Response(body=msgspec.json.encode({address: Known(Party(address)) for address in addresses}))

    with TemporaryDirectory(prefix="pw-") as folder:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.UnixSite(runner, f"{folder}/node-1.sock").start()
        try:
            yield Path(folder) / "node-1.sock"
        finally:
            await runner.cleanup()


async def test_many_are_asked_for_at_once_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portway.gateway.parties.FRESH", 3600.0)
    asked: list[list[str]] = []
    many = [f"fd00:1234:5678:9abc:def0:1234:5678:{number:x}" for number in range(0x1000, 0x1000 + AT_ONCE + 1)]
    async with _agent(asked) as path:
        parties = Parties(path)
        known = await parties.known(iter(many + many))
        assert set(known) == set(many)
        assert set(await parties.known(many)) == set(many)
        await parties.close()
    assert sorted(map(len, asked)) == [1, AT_ONCE]


async def test_an_agent_that_is_away_leaves_addresses_as_they_are(tmp_path: Path) -> None:
    parties = Parties(tmp_path / "nobody.sock")
    assert await parties.known([POD]) == {}
    await parties.close()
