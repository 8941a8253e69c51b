"""No request fails that should not while what is trusted, and what is shown, is replaced step by step."""

from contextlib import AsyncExitStack
from typing import Literal

import pytest
from cryptography import x509
from msgspec.structs import replace

from portway.routing.table import BackendTls, Certificate, ClientValidation, Endpoint, HeaderEdit, Pool, RouteTable
from portway.testing.doors import host, listener, route, table, with_endpoints
from tests.gateway.authority import Authority, secure_backend
from tests.gateway.backends import Backend
from tests.gateway.certificates import authority, certificate, issued, showing
from tests.gateway.conftest import Run
from tests.gateway.load import GET, POST, Client, asking, settle
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PORT, SECURE = free_port(), free_port()
OLD, NEW = Authority("pods"), Authority("pods")
"""Of one name, as who renews an authority usually has it."""
SPIFFE = "spiffe://shop.example/web"


def _table(tls: BackendTls | None, *endpoints: Endpoint, shown: Certificate | None = None) -> RouteTable:
    made = table(listener(host("", route("/", "web")), port=PORT))
    pool = Pool("shop", "web", 80, protocol="https", endpoints=endpoints, tls=tls)
    return replace(made, pools={"shop/web:80/TCP": pool}, certificates={"shop/door": shown} if shown else {})


def _signed(by: Authority) -> Certificate:
    return by.certificate("web.example", uris=(SPIFFE,))


_POLICIES = pytest.mark.parametrize("names", [(), (("URI", SPIFFE),)], ids=["hostname", "names"])
Names = tuple[tuple[Literal["Hostname", "URI"], str], ...]


@_POLICIES
async def test_authorities_of_pods(run: Run, names: Names) -> None:
    """The new authority beside the old one, then pods of the new one, then the old one goes."""
    old, both, new = (BackendTls("web.example", pem, names) for pem in (OLD.pem, OLD.pem + NEW.pem, NEW.pem))
    async with secure_backend(_signed(OLD)) as before, secure_backend(_signed(NEW)) as after:
        await run.apply(_table(old, before.endpoint))
        clients = [Client(PORT, GET), Client(PORT, GET), Client(PORT, POST)]
        async with asking(clients):
            for tls, pods in (
                (old, [before]), (both, [before]), (both, [before, after]), (both, [after]), (new, [after]),
                (both, [after]), (both, [after, before]), (both, [before]), (old, [before]),
            ):  # fmt: skip
                await run.apply(_table(tls, *(pod.endpoint for pod in pods)))
                await settle(clients, 3)
        assert before.requests and after.requests


@_POLICIES
async def test_what_the_door_shows_to_pods(run: Run, names: Names) -> None:
    """Connections stay, and who comes later sees the new one."""
    tls = BackendTls("web.example", OLD.pem, names, certificate="shop/door")
    async with secure_backend(_signed(OLD), clients=OLD.pem) as pod:
        shown = OLD.certificate("door.example")
        await run.apply(_table(tls, pod.endpoint, shown=shown))
        clients = [Client(PORT, GET), Client(PORT, GET), Client(PORT, POST)]
        async with asking(clients), AsyncExitStack() as stack:
            others: list[Endpoint] = []
            for _ in range(4):
                await settle(clients, 3)
                shown = OLD.certificate("door.example")
                await run.apply(_table(tls, pod.endpoint, *others, shown=shown))
                other = await stack.enter_async_context(secure_backend(_signed(OLD), clients=OLD.pem))
                others.append(other.endpoint)
                await run.apply(_table(tls, pod.endpoint, *others, shown=shown))
                await settle(clients, 6)
                assert {int(serial, 16) for serial in other.shown} == {_serial(shown)}
            await run.apply(_table(tls, pod.endpoint, shown=shown))
            await settle(clients, 3)


def _serial(one: Certificate) -> int:
    return x509.load_pem_x509_certificate(one.chain.encode()).serial_number


_ROOT, _NEXT = authority("people"), authority("others")
_ANN, _BOB = issued("ann", _ROOT), issued("bob", _NEXT)


def _asking(web: list[Backend], *roots: Certificate, header: str = "old") -> RouteTable:
    """`header`: another one is a reload of HAProxy."""
    clients = ClientValidation("".join(root.chain for root in roots))
    behind = host("", route("/", "web", request_headers=HeaderEdit(set=(("x", header),))))
    at = listener(behind, port=SECURE, protocol="HTTPS", certificates=("shop/a",), clients=clients)
    made = with_endpoints(table(at), {"shop/web:80/TCP": [one.endpoint for one in web]})
    return replace(made, certificates={"shop/a": certificate("a.example")})


async def test_another_authority_of_clients_beside_theirs(run: Run, web: list[Backend]) -> None:
    """Whoever was trusted still is, on the connections that there are."""
    await run.apply(_asking(web, _ROOT))
    clients = [Client(SECURE, request, showing(_ANN)) for request in (GET, GET, POST)]
    async with asking(clients):
        await settle(clients, 3)
        await run.apply(_asking(web, _ROOT, _NEXT))
        await settle(clients, 3)
        await run.apply(_asking(web, _NEXT, _ROOT))
        await settle(clients, 3)
    assert [client.turned_away for client in clients] == [0, 0, 0]


async def test_many_authorities_of_clients(run: Run, web: list[Backend]) -> None:
    """As before when all are as before; with more than HAProxy's workers tell each other, another set is another."""
    roots = [_ROOT, *(authority(f"people {number}") for number in range(20))]
    await run.apply(_asking(web, *roots))
    clients = [Client(SECURE, request, showing(_ANN)) for request in (GET, POST)]
    async with asking(clients):
        await settle(clients, 3)
        await run.apply(_asking(web, *roots, header="new"))
        await settle(clients, 3)
        assert [client.turned_away for client in clients] == [0, 0]
        await run.apply(_asking(web, *roots, _NEXT))
        await settle(clients, 3)


async def test_an_authority_of_clients_goes(run: Run, web: list[Backend]) -> None:
    """Whom it does not concern is at most told to come again by another connection."""
    await run.apply(_asking(web, _ROOT, _NEXT))
    ann = Client(SECURE, GET, showing(_ANN))
    reader, writer = await ann.connect()
    assert await ann.ask(reader, writer)
    clients = [Client(SECURE, request, showing(_BOB)) for request in (GET, GET, POST)]
    async with asking(clients):
        await settle(clients, 3)
        await run.apply(_asking(web, _NEXT))
        await settle(clients, 3)
        assert not await ann.ask(reader, writer)
    assert ann.turned_away == 1 and ann.failures == []
    writer.close()
