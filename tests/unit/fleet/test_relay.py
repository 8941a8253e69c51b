"""Doors on real sockets: the dialer runs here, in this process's own network."""

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portway.fleet import NodePlan, dialer, hostdoors
from portway.fleet.hostdoors import HostDoor
from portway.fleet.relay import Doors, NodePort, entrance, node_ports
from portway.fleet.relay.balancers import Front, HostAddresses, fronts, instead_of
from portway.fleet.relay.dial import Dialer
from portway.fleet.relay.tcp import Outer, open_tcp
from portway.fleet.relay.udp import open_udp
from tests.ports import closed_port
from tests.told import by_portway

DOOR, INNER = "127.66.6.1", "127.66.6.2"


@pytest_asyncio.fixture
async def dial(tmp_path: Path) -> AsyncIterator[Dialer]:
    """A Dialer whose other side answers in a thread."""
    listening = dialer.listen(tmp_path / "dial.sock")

    def serve() -> None:
        client, _ = listening.accept()
        while dialer.answer(client, dialer.Doors()):
            pass
        client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = Dialer(tmp_path / "dial.sock")
    await client.connect("udp", INNER, 9)
    yield client
    client._hang_up()
    thread.join(60)
    listening.close()


async def _server(talk: Any) -> int:
    server = await asyncio.start_server(talk, INNER, 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def test_a_pod_that_has_reset_before_it_is_told_that_the_client_has_ended_resets_the_client() -> None:
    """Half-closing tells ENOTCONN then, not ECONNRESET (shutdown(2))."""

    class Resetting(Dialer):
        ended = asyncio.Event()

        async def connect(self, protocol: str, address: str, port: int) -> socket.socket:
            await self.ended.wait()
            with socket.create_server((INNER, 0)) as listening:
                made = socket.create_connection(listening.getsockname())
                made.setblocking(False)
                pod, _ = listening.accept()
            pod.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            pod.close()
            return made

    dialer, (ours, theirs) = Resetting(Path()), socket.socketpair()
    outer = Outer(dialer, INNER, 80, set())
    await asyncio.get_running_loop().create_connection(lambda: outer, sock=ours)
    assert outer.eof_received() and outer._dialing is not None
    dialer.ended.set()
    await outer._dialing
    with theirs:
        theirs.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""


async def test_what_is_said_at_once_arrives_and_each_half_closes_by_itself(dial: Dialer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.read()
        writer.write(said[::-1])
        writer.close()

    port = await _server(talk)
    close = await open_tcp(DOOR, port, INNER, dial)
    data = bytes(range(256)) * 20_000
    for _ in range(50):
        reader, writer = await asyncio.open_connection(DOOR, port)
        writer.write(b"quick")
        writer.write_eof()
        assert await reader.read() == b"kciuq"
        writer.close()
    reader, writer = await asyncio.open_connection(DOOR, port)
    writer.write(data)
    writer.write_eof()
    assert await reader.read() == data[::-1]
    writer.close()
    close()


async def test_a_slow_reader_slows_the_writer_down(dial: Dialer) -> None:
    sent = 0

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _piece in range(2000):
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536
        writer.close()

    port = await _server(talk)
    close = await open_tcp(DOOR, port, INNER, dial)
    reader, writer = await asyncio.open_connection(DOOR, port)
    stalled = -1
    while stalled != sent or not sent:
        stalled = sent
        for _ in range(200):
            await asyncio.sleep(0)
    assert sent < 2000 * 65536, "nobody has read, and yet everything was sent"
    received = 0
    while data := await reader.read(1 << 20):
        received += len(data)
    assert received == 2000 * 65536
    writer.close()
    close()


async def test_refused_inside_is_reset_outside(dial: Dialer) -> None:
    with closed_port(address=INNER) as port:
        close = await open_tcp(DOOR, port, INNER, dial)
        reader, _ = await asyncio.open_connection(DOOR, port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        close()


async def test_a_closed_door_ends_its_connections(dial: Dialer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        await reader.read()

    port = await _server(talk)
    close = await open_tcp(DOOR, port, INNER, dial)
    reader, _ = await asyncio.open_connection(DOOR, port)
    assert await reader.read(1) == b"x"
    close()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(DOOR, port)


class _Inner(asyncio.DatagramProtocol):
    """Answers with the client's source port."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, client: Any) -> None:
        self.transport.sendto(str(client[1]).encode(), client)


class _Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, _: Any) -> None:
        self.heard.put_nowait(data)


async def test_a_udp_client_keeps_its_source_port_until_it_is_idle(dial: Dialer) -> None:
    loop = asyncio.get_running_loop()
    inner, _ = await loop.create_datagram_endpoint(_Inner, local_addr=(INNER, 0))
    port = inner.get_extra_info("sockname")[1]
    close = await open_udp(DOOR, port, INNER, dial, idle=0.2)
    transport, client = await loop.create_datagram_endpoint(_Client, remote_addr=(DOOR, port))
    for _ in range(3):  # at once: a pause between them may be as long as the idle time
        transport.sendto(b"?")
    seen = {await asyncio.wait_for(client.heard.get(), 60) for _ in range(3)}
    assert len(seen) == 1

    async def another() -> bytes:
        while True:
            await asyncio.sleep(0.3)  # the idle time must pass: this is what is tested
            transport.sendto(b"?")
            if (answer := await client.heard.get()) not in seen:
                return answer

    assert await asyncio.wait_for(another(), 60)
    close()
    transport.close()
    inner.close()


def _service(*ports: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "s"}, "spec": {"ports": list(ports)}}


def test_node_ports() -> None:
    service = _service({"nodePort": 1}, {"nodePort": 2, "protocol": "UDP"}, {"nodePort": 3, "protocol": "SCTP"}, {})
    assert node_ports(service) == {NodePort("TCP", 1), NodePort("UDP", 2)}
    for families, six in ((["IPv4", "IPv6"], False), (["IPv6", "IPv4"], False), (["IPv6"], True)):
        service["spec"]["ipFamilies"] = families
        assert node_ports(service) == {NodePort("TCP", 1, six), NodePort("UDP", 2, six)}


async def test_a_taken_port_is_said_once_and_tried_again(dial: Dialer, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in")
        writer.close()

    port = await _server(talk)
    node = NodePlan(name="n", index=1, addresses=(INNER,), pod_cidrs=(), loopback=DOOR, zone="z")
    caplog.set_level(logging.INFO, "portway.fleet.relay")
    taken = socket.create_server((DOOR, port))
    doors = Doors([node], dial)
    doors.change(("", "s"), None, frozenset({NodePort("TCP", port)}))
    async with asyncio.timeout(60):
        while not by_portway(caplog):
            await asyncio.sleep(0.01)
        taken.close()
        while len(by_portway(caplog)) < 2:
            await asyncio.sleep(0.01)
    said = by_portway(caplog)
    assert said[0].startswith(f"cannot answer at {DOOR}:{port}/TCP:") and "in use" in said[0]
    assert said[1] == f"answering at {DOOR}:{port}/TCP now"
    reader, _ = await asyncio.open_connection(DOOR, port)
    assert await reader.read() == b"in"
    # moving a port to another Service never closes it, whichever is heard first
    doors.change(("", "t"), None, frozenset({NodePort("TCP", port)}))
    doors.change(("", "s"), frozenset({NodePort("TCP", port)}), None)
    reader, _ = await asyncio.open_connection(DOOR, port)
    assert await reader.read() == b"in"
    doors.change(("", "t"), frozenset({NodePort("TCP", port)}), None)
    async with asyncio.timeout(60):
        while True:
            try:
                await asyncio.open_connection(DOOR, port)
            except ConnectionResetError:
                continue  # it waited to be accepted when the door closed
            except ConnectionRefusedError:
                break


def _balanced(*ports: dict[str, Any], addresses: tuple[str, ...] = (INNER,)) -> dict[str, Any]:
    ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
    return _service(*ports) | {"status": {"loadBalancer": {"ingress": ingress}}}


def test_fronts() -> None:
    service = _balanced({"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": 9, "protocol": "SCTP"})
    assert fronts(service) == {Front(INNER, "TCP", 80), Front(INNER, "UDP", 53)}
    both = ("10.0.0.1", "fd00::1")
    assert fronts(_balanced({"port": 80}, addresses=both)) == {Front(address, "TCP", 80) for address in both}
    proxied = _balanced({"port": 80}, addresses=both)
    proxied["status"]["loadBalancer"]["ingress"][0]["ipMode"] = "Proxy"
    proxied["status"]["loadBalancer"]["ingress"].append({"hostname": "lb.example"})
    assert fronts(proxied) == {Front("fd00::1", "TCP", 80)}
    assert not fronts(_balanced({"port": 80}, addresses=()))
    assert entrance(_balanced({"port": 80, "nodePort": 30080})) == {Front(INNER, "TCP", 80), NodePort("TCP", 30080)}


def test_host_addresses_keep_the_last_number_where_that_is_free() -> None:
    hosts = HostAddresses("127.1.2", 3)
    assert hosts.take("172.18.0.211") == "127.1.2.211"
    assert hosts.take("172.18.0.211") == "127.1.2.211"
    assert hosts.take("192.168.1.10") == "127.1.2.10"
    assert hosts.take("172.18.0.212") == "127.1.2.212"
    assert hosts.take("fd00:18::212") == "127.1.2.112"
    others = {hosts.take(f"10.0.{i}.1") for i in range(100)}  # node-1 has .1
    assert len(others) == 100
    assert all(3 < int(address.rpartition(".")[2]) <= 250 for address in others)
    hosts.release("172.18.0.211")
    assert hosts.take("172.18.0.211") == "127.1.2.211"
    assert hosts.take("10.9.9.211") != "127.1.2.211"
    sixes = {hosts.take(f"fd00:9::{i}:21a") for i in range(40)}
    assert len(sixes) == 40
    assert all(3 < int(address.rpartition(".")[2]) <= 200 for address in sixes), "those above are IPv4's first"


def test_host_addresses_are_shared_when_none_is_left() -> None:
    full = HostAddresses("127.1.2", 150)
    own = [full.take(f"10.0.{i}.1") for i in range(100)]
    assert len(set(own)) == 100 and not full.is_shared("10.0.0.1")
    more = [full.take(f"10.0.{i}.1") for i in range(100, 200)]
    assert set(more) == set(own)
    assert {more.count(address) for address in own} == {1}, "nobody shares with more than need be"
    assert full.is_shared("10.0.0.1")


async def _answering_at(told: Path, wanted: int) -> list[HostDoor]:
    async with asyncio.timeout(60):
        while len(found := [door for door in hostdoors.read(told) if door.host_port]) < wanted:
            await asyncio.sleep(0.01)
    return found


async def test_balancers_on_the_same_port_each_with_an_address(dial: Dialer, tmp_path: Path) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in")
        writer.close()

    told = tmp_path / "doors.json"
    while (port := await _server(talk)) > 55_000:
        pass  # another one, 10,000 above it, must be a port too
    node = NodePlan(name="n", index=1, addresses=(INNER,), pod_cidrs=(), loopback="127.66.7.1", zone="z")
    doors = Doors([node], dial, told)
    taken = socket.create_server(("127.66.7.9", port))
    one, other = Front(INNER, "TCP", port), Front("127.66.6.9", "TCP", port)
    doors.change(("", "s"), None, frozenset({one}))
    (first,) = await _answering_at(told, 1)
    assert first.at == f"127.66.7.2:{port}" and not first.problem
    reader, _ = await asyncio.open_connection(first.host_address, first.host_port)
    assert await reader.read() == b"in"
    doors.change(("", "t"), None, frozenset({other}))
    second = next(door for door in await _answering_at(told, 2) if door.address == "127.66.6.9")
    assert second.host_port == port + 10_000
    assert second.problem == (
        f"port {port} answers at {port + 10_000}: another program of this machine has port {port} on all addresses"
    )
    taken.close()
    doors.change(("", "s"), frozenset({one}), None)
    doors.change(("", "t"), frozenset({other}), None)
    async with asyncio.timeout(60):
        while hostdoors.read(told):
            await asyncio.sleep(0.01)


async def test_an_ipv6_address_is_reached_over_ipv4_as_far_as_the_relay(dial: Dialer, tmp_path: Path) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("peername")[0].encode())
        writer.close()

    try:
        server = await asyncio.start_server(talk, "::1", 0)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    port = server.sockets[0].getsockname()[1]
    told = tmp_path / "doors.json"
    node = NodePlan(name="n", index=1, addresses=(INNER,), pod_cidrs=(), loopback="127.66.8.1", zone="z")
    doors = Doors([node], dial, told)
    both = fronts(_balanced({"port": port}, addresses=(INNER, "0:0::1")))
    doors.change(("", "s"), None, both)
    four, six = sorted(await _answering_at(told, 2), key=lambda door: ":" in door.address)
    assert (four.host_address, six.address) == ("127.66.8.2", "::1")
    assert six.host_address not in ("", four.host_address)
    reader, _ = await asyncio.open_connection(six.host_address, six.host_port)
    assert await reader.read() == b"::1"
    doors.change(("", "s"), both, None)


async def test_datagrams_for_an_ipv6_address(dial: Dialer) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, client: Any) -> None:
            self.transport.sendto(data + client[0].encode(), client)

    loop = asyncio.get_running_loop()
    try:
        inner, _ = await loop.create_datagram_endpoint(Echo, local_addr=("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    port = inner.get_extra_info("sockname")[1]
    close = await open_udp(DOOR, port, "::1", dial)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        await loop.sock_connect(client, (DOOR, port))
        await loop.sock_sendall(client, b"from ")
        async with asyncio.timeout(60):
            assert await loop.sock_recv(client, 100) == b"from ::1"
    close()
    inner.close()


def test_ports_of_roots() -> None:
    assert list(instead_of(80))[:3] == [80, 10_080, 20_080]
    said = hostdoors.note(80, 10_080, taken="")
    assert "ip_unprivileged_port_start" in said and "sysctl -w net.ipv4.ip_unprivileged_port_start=80" in said
    assert not hostdoors.note(80, 80, taken="")
