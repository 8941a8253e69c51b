"""A translated connection gets a source port that the pod still has in TIME_WAIT: nobody waits for that."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from portway.agent.netlink import ACK, REQUEST, Netlink, message
from portway.fleet.wiring import ONE_CLOCK, write_sysctls
from portway.testing.netns import Namespace, Unavailable, World

_POD, _PORT = "10.244.0.2", 8080
_CLIENTS = tuple(f"172.30.0.{number}" for number in range(10, 42))
"""Each has another offset of its timestamps: that none of them is older than one before would be chance, 1 in 2^31."""
_ALL_HIDDEN = """table ip t { chain c {
    type nat hook postrouting priority srcnat; oifname pod0 meta l4proto tcp snat to 10.244.0.1:40000;
}; }"""


@pytest.fixture
def places() -> Iterator[tuple[Namespace, Namespace]]:
    """(clients, node): the node hides all clients behind one address and port; a pod answers and closes first."""
    try:
        with World() as world:
            client, node, pod = (world.namespace(name) for name in ("client", "node", "pod"))
            world.connect(client, "eth0", node, "eth0")
            world.connect(node, "pod0", pod, "eth0")
            _ip(client, *(f"addr add {one}/24 dev eth0" for one in _CLIENTS), "route add default via 172.30.0.2")
            _ip(node, "addr add 172.30.0.2/24 dev eth0", "addr add 10.244.0.1/24 dev pod0")
            _ip(pod, f"addr add {_POD}/24 dev eth0")
            node.write("/proc/sys/net/ipv4/ip_forward", "1")
            node.command("nft", "-f", "-", text=_ALL_HIDDEN)
            for place in (client, pod):
                place.run(write_sysctls, ONE_CLOCK)
            reading, writing = socket.socketpair()
            world.spawn(pod, _serve, writing)
            assert reading.recv(1) == b"."
            yield client, node
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def test_a_port_that_comes_again_is_taken_at_once(places: tuple[Namespace, Namespace]) -> None:
    client, node = places
    for address in _CLIENTS:
        assert client.run(_connect, address) == b"hello"
        node.run(_forget)
    # as good as every second would be sent again; one or two may be, because the machine is busy
    assert client.run(_sent_again) < 3


def _serve(ready: socket.socket) -> None:
    with socket.create_server(("", _PORT)) as door:
        ready.send(b".")
        while True:
            connection, _ = door.accept()
            connection.send(b"hello")
            connection.close()


def _connect(address: str) -> bytes:
    with closing(socket.create_connection((_POD, _PORT), source_address=(address, 0))) as one:
        return b"".join(iter(lambda: one.recv(100), b""))


def _forget() -> None:
    """The node knows of no flow any more."""
    with closing(Netlink()) as netlink:
        netlink.send(message(1 << 8 | 2, REQUEST | ACK, netlink.next_sequence(), bytes([socket.AF_INET, 0, 0, 0])))
        netlink.receive()


def _sent_again() -> int:
    """TCP segments that had to be sent once more here."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("RetransSegs")])


def _ip(place: Namespace, *lines: str) -> None:
    place.command("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
