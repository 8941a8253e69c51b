"""Clients of all manners at real sockets: quick, slow, silent, greedy, nonsensical."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from portway.dns import Zone, decode
from portway.nameserver.desk import Desk
from portway.nameserver.routes import Routes
from portway.nameserver.tcp import Connections, TcpDoor
from portway.nameserver.udp import UdpDoor
from portway.nameserver.upstream import Patience, Upstream
from tests.unit.nameserver.resolver import one_port, resolving, silent

WEB = "web.shop.svc.cluster.local."
QUERY = dns.message.make_query(WEB, "A")
PATIENCE = Patience(one=0.2, all=60.0, rounds=1)
"""For who shall not answer at all; others may be slow on a busy machine."""
LONG = Patience(one=60.0, all=60.0, rounds=1)


def zone_with(clusterip: str = "10.96.0.7") -> Zone:
    zone = Zone()
    zone.namespace("shop", True)
    zone.service(None, web(clusterip))
    return zone


def web(address: str, **more: object) -> decode.Service:
    return decode.service({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": address, **more}})


class Open:
    """A nameserver at one address."""

    def __init__(self, zone: Zone, desk: Desk, connections: Connections) -> None:
        self.zone, self.desk, self.connections = zone, desk, connections
        self.udp, self.tcp = one_port()
        self.port: int = self.udp.getsockname()[1]

    async def ask(self, query: dns.message.Message = QUERY, tcp: bool = False) -> dns.message.Message:
        """dnspython's client: checks id and question."""
        ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
        return await ask(query, "127.0.0.1", port=self.port, timeout=60)

    async def addresses(self, name: str = WEB, tcp: bool = False) -> list[str]:
        reply = await self.ask(dns.message.make_query(name, "A"), tcp)
        return [str(each) for rrset in reply.answer for each in rrset]

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def opened(
    idle: float = 60.0, most: int = 16, resolver: str = "", patience: Patience = PATIENCE
) -> AsyncIterator[Open]:
    zone = zone_with()
    servers = [(resolver.partition(":")[0], int(resolver.partition(":")[2]))] if resolver else []
    place = Open(zone, Desk(zone, Upstream(Routes(lambda: servers), patience=patience)), Connections(most, idle))
    udp, tcp = UdpDoor(place.udp, place.desk), TcpDoor(place.desk, place.connections)
    await tcp.open(place.tcp)
    try:
        yield place
    finally:
        udp.close()
        tcp.close()


def framed(*packets: bytes) -> bytes:
    return b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)


async def one_of(reader: asyncio.StreamReader) -> dns.message.Message:
    return dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))


@pytest.mark.parametrize("tcp", [False, True])
async def test_an_answer_follows_its_service_at_once(tcp: bool) -> None:
    """What is remembered of a zone is forgotten when it changes."""
    async with opened() as place:
        for _ in range(3):
            assert await place.addresses(tcp=tcp) == ["10.96.0.7"]
        place.zone.service(web("10.96.0.7"), web("10.96.0.8"))
        assert await place.addresses(tcp=tcp) == ["10.96.0.8"]
        place.zone.service(web("10.96.0.8"), None)
        assert (await place.ask(tcp=tcp)).rcode() == dns.rcode.NXDOMAIN


async def test_remembered_answers_have_their_own_id_and_letters() -> None:
    async with opened() as place:
        for name in (WEB, WEB.upper(), WEB):
            for _ in range(2):
                query = dns.message.make_query(name, "A")
                assert (await place.ask(query)).question[0].name.to_text() == name


async def test_addresses_take_turns_also_from_memory() -> None:
    async with opened() as place:
        place.zone.service(web("10.96.0.7"), web("None"))
        endpoints = [{"addresses": [f"10.244.1.{n}"]} for n in (2, 3, 4)]
        place.zone.endpoint_slice(
            None,
            decode.endpoint_slice(
                {
                    "metadata": {"name": "w", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
                    "endpoints": endpoints,
                }
            ),
        )
        firsts = [(await place.addresses())[0] for _ in range(6)]
        assert sorted(firsts) == sorted(f"10.244.1.{n}" for n in (2, 3, 4, 2, 3, 4))


async def test_many_queries_on_one_connection() -> None:
    async with opened() as place:
        reader, writer = await place.dial()
        queries = [dns.message.make_query(WEB, kind) for kind in ("A", "AAAA", "SRV") for _ in range(100)]
        writer.write(framed(*(query.to_wire() for query in queries)))
        assert [(await one_of(reader)).id for _ in queries] == [query.id for query in queries]
        writer.close()


async def test_a_query_in_pieces_and_a_client_that_says_no_more() -> None:
    async with opened() as place:
        reader, writer = await place.dial()
        for byte in framed(QUERY.to_wire()):
            writer.write(bytes([byte]))
            await writer.drain()
        assert QUERY.is_response(await one_of(reader))
        writer.write(framed(QUERY.to_wire()))
        writer.write_eof()
        assert QUERY.is_response(await one_of(reader))
        assert await reader.read() == b""
        writer.close()


async def test_who_asks_elsewhere_waits_and_others_do_not() -> None:
    async with resolving(silent) as slow, opened(resolver="{}:{}".format(*slow.address)) as place:
        reader, writer = await place.dial()
        away = dns.message.make_query("www.example.com.", "A")
        writer.write(framed(away.to_wire(), QUERY.to_wire()))
        writer.write_eof()
        assert (await one_of(reader)).id == QUERY.id
        late = await one_of(reader)
        assert (late.id, late.rcode()) == (away.id, dns.rcode.SERVFAIL)
        assert await reader.read() == b""
        writer.close()


async def test_others_answer_through_us_by_udp_and_tcp() -> None:
    async with resolving() as other, opened(resolver="{}:{}".format(*other.address), patience=LONG) as place:
        for tcp in (False, True):
            assert await place.addresses("www.example.com.", tcp) == ["192.0.2.1"]
        assert len(other.asked) == 1, "the second was remembered"


async def test_a_loop_of_resolvers_ends_in_servfail() -> None:
    """Our upstream asks us: it asks once, and is told that there is no answer."""
    second = replace(PATIENCE, one=1.0)  # the question has to come back meanwhile
    async with resolving(silent) as mirror, opened(resolver="{}:{}".format(*mirror.address), patience=second) as place:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as back:
            back.bind(("127.0.0.1", 0))

            def reflect(query: dns.message.Message, _: bool) -> list[bytes]:
                back.sendto(query.to_wire(), ("127.0.0.1", place.port))
                return []

            mirror.say = reflect
            reply = await place.ask(dns.message.make_query("www.example.com.", "A"))
            assert reply.rcode() == dns.rcode.SERVFAIL
        assert len(mirror.asked) == 1


async def test_no_more_clients_wait_for_others_than_there_is_room_for() -> None:
    """All ask one thing, which is under way once; who comes when there is no room is told so at once."""
    asked = asyncio.Event()

    def silently(_: dns.message.Message, __: bool) -> list[bytes]:
        asked.set()
        return []

    async with resolving(silently) as slow, opened(resolver="{}:{}".format(*slow.address)) as place:
        told: list[bytes] = []
        away = dns.message.make_query("www.example.com.", "A").to_wire()
        for _ in range(5000):
            place.desk.answer(away, False, told.append)
        assert len(told) == 5000 - 4096
        assert {dns.message.from_wire(each).rcode() for each in told[:10]} == {dns.rcode.SERVFAIL}
        await asked.wait()
        assert len(slow.asked) == 1
        assert await place.addresses() == ["10.96.0.7"]


async def test_a_client_that_takes_nothing_is_not_listened_to_and_then_hung_up_on() -> None:
    async with opened(idle=0.5) as place:
        sent = 0
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as greedy:
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.connect(("127.0.0.1", place.port))
            greedy.setblocking(False)
            pile = framed(*[QUERY.to_wire()] * 1000)
            with pytest.raises(ConnectionError):
                while True:
                    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(greedy, pile), 60)
                    sent += 1
        assert sent < 1000, "its questions were read for ever"
        assert await place.addresses() == ["10.96.0.7"]


async def test_a_client_that_says_nothing_is_hung_up_on() -> None:
    async with opened(idle=0.1) as place:
        for beginning in (b"", b"\x00", b"\x00\x40ab"):
            reader, writer = await place.dial()
            writer.write(beginning)
            with pytest.raises(ConnectionError):
                if not await reader.read():
                    raise ConnectionResetError


async def test_of_too_many_clients_the_quietest_goes() -> None:
    async with opened(most=3) as place:
        dialled = [await place.dial() for _ in range(3)]
        for reader, writer in (dialled[1], dialled[0], dialled[2]):
            writer.write(framed(QUERY.to_wire()))
            await one_of(reader)
        assert await place.addresses(tcp=True) == ["10.96.0.7"]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await one_of(dialled[1][0])
        for reader, writer in (dialled[0], dialled[2]):
            writer.write(framed(QUERY.to_wire()))
            assert QUERY.is_response(await one_of(reader))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=6), st.booleans())
def test_nonsense_hurts_nobody_else(pieces: list[bytes], frames: bool) -> None:
    async def nonsense() -> None:
        async with opened() as place:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
                for piece in pieces:
                    client.sendto(piece, ("127.0.0.1", place.port))
            _, writer = await place.dial()
            writer.write(framed(*pieces) if frames else b"".join(pieces))
            assert await place.addresses() == ["10.96.0.7"]
            assert await place.addresses(tcp=True) == ["10.96.0.7"]
            writer.transport.abort()

    asyncio.run(nonsense())
