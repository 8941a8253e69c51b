"""A node between a sender and a place beyond it, and what the kernel's way of a packet through it costs.

A sender outside a node hands frames to the kernel by the hundred (sendmmsg); on the same processor the kernel carries
each through the node, conntrack and rules included, to a place beyond it, where it is dropped. So the time that a call
takes of its thread is the way of its packets.
"""

import ctypes
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct

from bench import kube_proxy
from portway.agent.netlink import ACK, REQUEST, Netlink, message
from portway.testing import frames
from portway.testing.netns import Namespace, World

NODE = kube_proxy.NODE_ADDRESS
SYN, _SYN_ACK, _ACK = 0x02, 0x12, 0x10
_BATCH = 500
_MAC = {"node": "02:00:00:00:00:01", "beyond": "02:00:00:00:00:03"}
_libc = ctypes.CDLL(None, use_errno=True)


class Place(Struct):
    """A node of one ruleset, and the sender's socket beside it."""

    node: Namespace
    door: socket.socket
    beyond: socket.socket


def establish(place: Place, client_address: str, address: str, port: int) -> bytes:
    """Shake hands; the client's acknowledgement."""
    client, frontend = socket.inet_aton(client_address), socket.inet_aton(address)
    while _received(place.beyond):
        pass
    place.door.send(segment(client, frontend, 5000, port, SYN, 100))
    seen = _received(place.beyond)[14:]
    assert seen, "a connection's first packet comes through"
    to, back = seen[12:16], seen[16:20]
    ports = seen[22:24] + seen[20:22]
    answer = frames.in_ip(6, back, to, frames.tcp(back, to, ports, _SYN_ACK, 500, 101))
    place.beyond.send(_ethernet(answer))
    return segment(client, frontend, 5000, port, _ACK, 101, 501)


def segment(
    source: bytes, destination: bytes, source_port: int, port: int, flags: int, number: int, acknowledged: int = 0
) -> bytes:
    """A frame with a TCP segment for the node."""
    ports = struct.pack("!HH", source_port, port)
    data = frames.tcp(source, destination, ports, flags, number, acknowledged)
    return _ethernet(frames.in_ip(6, source, destination, data))


def _ethernet(packet: bytes) -> bytes:
    return bytes.fromhex((_MAC["node"] + _MAC["beyond"]).replace(":", "")) + b"\x08\x00" + packet


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("padding", ctypes.c_int), ("sent", ctypes.c_uint32),
    )  # fmt: skip


class Packets:
    """Frames as the kernel takes them."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        count = len(packets)
        self._vectors, self._messages = (_Vector * count)(), (_Message * count)()
        self._held = [ctypes.create_string_buffer(packet, len(packet)) for packet in packets]
        for vector, one, held in zip(self._vectors, self._messages, self._held, strict=True):
            vector.base, vector.length = ctypes.addressof(held), len(held)
            one.vectors, one.vector_count = ctypes.addressof(vector), 1

    def send(self, door: socket.socket) -> float:
        """Send them all; seconds of this thread, within the kernel's calls."""
        count, seconds = len(self._held), 0.0
        for start in range(0, count, _BATCH):
            wanted = min(_BATCH, count - start)
            at = ctypes.byref(self._messages, start * ctypes.sizeof(_Message))
            began = time.thread_time()
            sent = _libc.sendmmsg(door.fileno(), at, wanted, 0)
            seconds += time.thread_time() - began
            if sent != wanted:
                raise OSError(ctypes.get_errno(), f"{sent} of {wanted} packets sent")
        return seconds


@contextmanager
def standing(load: Callable[[World, Namespace], None]) -> Iterator[Place]:
    """A node on which `load` has put rules; what it sends on leaves by `exit`, whatever the address."""
    """A node on which `load` has put rules; what it sends on leaves by `exit`."""
    with World() as world:
        sender, node, beyond = (world.namespace(name) for name in ("sender", "node", "beyond"))
        world.connect(sender, "eth0", node, "eth0")
        world.connect(node, "exit", beyond, "eth0")
        node.write("/proc/sys/net/ipv4/ip_forward", "1")
        for name in ("all", "eth0", "exit"):
            node.write(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "0")
        lines = (
            f"link set eth0 address {_MAC['node']}", f"link set exit address {_MAC['node']}",
            f"addr add {NODE}/32 dev lo", "addr add 198.18.0.1/32 dev exit",
            f"neigh add 169.254.1.1 lladdr {_MAC['beyond']} dev exit nud permanent",
            "route add default via 169.254.1.1 dev exit onlink",
        )  # fmt: skip
        node.command("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))
        beyond.command("ip", "link", "set", "eth0", "address", _MAC["beyond"])
        load(world, node)
        with _inside(sender, 0) as door, _inside(beyond, 3) as seen:
            yield Place(node, door, seen)


def _inside(place: Namespace, protocol: int) -> socket.socket:
    """A packet socket of that namespace's eth0 in this process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        place.run(_make, theirs, protocol)
        return socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])


def _make(way: socket.socket, protocol: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol)) as made:
        made.bind(("eth0", protocol))
        socket.send_fds(way, [b"."], [made.fileno()])


def _received(where: socket.socket) -> bytes:
    """The next TCP segment over IPv4 that arrives, or nothing."""
    where.settimeout(0.2)
    try:
        while data := where.recv(2048):
            if data[12:14] == b"\x08\x00" and data[23] == 6:
                return data
    except TimeoutError:
        pass
    return b""


def forget_connections() -> None:
    """Empty this namespace's conntrack table (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE without a tuple)."""
    netlink = Netlink()
    netlink.send(message(1 << 8 | 2, REQUEST | ACK, netlink.next_sequence(), bytes([socket.AF_INET, 0, 0, 0])))
    netlink.close()
