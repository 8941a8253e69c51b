"""Two nodes, three pods and the outside as network namespaces: just enough cluster for rules to act on.

    outside 172.18.0.1 ─┐
    node-1  172.18.0.11 ┼─ wire (a bridge)        node-1: pods a 10.244.1.1, b 10.244.1.2
    node-2  172.18.0.12 ┘                         node-2: pod  c 10.244.2.1

and the same in IPv6: fd00:18::, fd00:244:0:1::, fd00:244:0:2::. Nodes are routers, pods have one neighbour.
"""

import select
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from msgspec import Struct

from portway.testing.netns import Namespace, World
from tests.patience import PATIENCE

PORT = 8080
_SILENCE = 0.35
"""Seconds, twice."""
_WAYS = [(family, protocol) for family in ("IPv4", "IPv6") for protocol in ("TCP", "UDP")]
WIRE = {"outside": 0x1, "node-1": 0x11, "node-2": 0x12}
PODS = {"a": ("node-1", 1, 1), "b": ("node-1", 1, 2), "c": ("node-2", 2, 1)}
POD_CIDRS = ("10.244.0.0/16", "fd00:244::/48")
NODE_ADDRESSES = ("172.18.0.11", "fd00:18::11")


def pod_address(name: str, family: str) -> str:
    """The address of pod a, b or c."""
    _, node, number = PODS[name]
    return f"10.244.{node}.{number}" if family == "IPv4" else f"fd00:244:0:{node}::{number}"


class Cluster(Struct, frozen=True):
    """The namespaces by name: outside, node-1, node-2, a, b, c."""

    world: World
    places: dict[str, Namespace]

    def ask(self, place: str, address: str, port: int, protocol: str = "TCP", times: int = 1) -> Counter[str]:
        """What a client there gets: "POD sees CLIENT" by the answering pod, "refused" or "silent".

        "not permitted" is what the kernel tells a process whose own UDP packet was dropped or rejected."""
        return self.places[place].run(_ask_often, address, port, protocol, times)

    def ask_from(self, place: str, source_port: int, address: str, port: int) -> str:
        """The same over UDP from a port of one's own, so that it is one flow each time."""
        return self.places[place].run(_ask, address, port, "UDP", source_port)


@contextmanager
def cluster(user: bool | None = None) -> Iterator[Cluster]:
    """The cluster, its pods answering on PORT over TCP and UDP."""
    with World(user) as world:
        places = {name: world.namespace(name) for name in ("wire", *WIRE, *PODS)}
        for place in places.values():
            # every packet that is refused is told so, not only a few a second
            place.write("/proc/sys/net/ipv4/icmp_ratelimit", "0")
            place.write("/proc/sys/net/ipv6/icmp/ratelimit", "0")
            # addresses are usable at once, without looking for duplicates first
            for which in ("all", "default"):
                place.write(f"/proc/sys/net/ipv6/conf/{which}/accept_dad", "0")
        _wire(world, places)
        for name, (node, subnet, number) in PODS.items():
            _pod(world, places[node], places[name], name, subnet, number)
        for name in PODS:
            world.spawn(places[name], serve, name)
        made = Cluster(world, places)
        _wait_for_pods(made)
        yield made


def _wait_for_pods(made: Cluster) -> None:
    """Until every pod answers from everywhere."""
    deadline = monotonic() + PATIENCE
    questions = [(place, pod_address(pod, f), p) for place in (*WIRE, *PODS) for pod in PODS for f, p in _WAYS]
    while questions and monotonic() < deadline:
        questions = [q for q in questions if any(a in ("silent", "refused") for a in made.ask(q[0], q[1], PORT, q[2]))]
    assert not questions, f"no answer: {questions}"


def _ip(place: Namespace, *lines: str) -> None:
    place.command("ip", "-batch", "-", text="".join(line + "\n" for line in lines))


def _wire(world: World, places: dict[str, Namespace]) -> None:
    _ip(places["wire"], "link add br0 type bridge forward_delay 0", "link set br0 up")
    for name, number in WIRE.items():
        place = places[name]
        world.connect(place, "eth0", places["wire"], name)
        _ip(places["wire"], f"link set {name} master br0")
        host = f"{number:x}"
        _ip(place, f"addr add 172.18.0.{host}/24 dev eth0", f"addr add fd00:18::{host}/64 dev eth0 nodad")
        for other in ("1", "2"):
            if name != f"node-{other}":
                _ip(place, f"route add 10.244.{other}.0/24 via 172.18.0.1{other}")
                _ip(place, f"route add fd00:244:0:{other}::/64 via fd00:18::1{other}")
        if name == "outside":
            # what a cloud's network would do with the addresses of load balancers and of Services
            _ip(place, "route add 10.96.0.0/16 via 172.18.0.11", "route add fd00:96::/112 via fd00:18::11")
            _ip(place, "route add 203.0.113.0/24 via 172.18.0.11")
        else:
            place.write("/proc/sys/net/ipv4/ip_forward", "1")
            place.write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
            _ip(place, "route add default via 172.18.0.1", "route add default via fd00:18::1")


def _pod(world: World, node: Namespace, pod: Namespace, name: str, subnet: int, number: int) -> None:
    end = f"pod-{name}"
    world.connect(pod, "eth0", node, end)
    four, six = f"10.244.{subnet}.{number}", f"fd00:244:0:{subnet}::{number}"
    _ip(pod, f"addr add {four}/32 dev eth0", f"addr add {six}/128 dev eth0 nodad")
    node.write(f"/proc/sys/net/ipv4/conf/{end}/proxy_arp", "1")
    _ip(node, f"route add {four}/32 dev {end}", f"route add {six}/128 dev {end}")
    _ip(node, f"addr add fe80::1/64 dev {end} nodad")
    _ip(pod, "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1")
    _ip(pod, "route add default via fe80::1 dev eth0")


def serve(name: str) -> None:
    """A pod's responder: says who it is and whom it sees."""
    tcp = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", PORT))
    threading.Thread(target=_serve_udp, args=(udp, name), daemon=True).start()
    while True:
        connection, client = tcp.accept()
        # A client may be gone before it is answered; the next one is served nevertheless.
        with connection, suppress(ConnectionError):
            connection.sendall(_says(name, client[0]))


def _serve_udp(udp: socket.socket, name: str) -> None:
    while True:
        _, client = udp.recvfrom(100)
        udp.sendto(_says(name, client[0]), client)


def _says(name: str, client: str) -> bytes:
    return f"{name} sees {client.removeprefix('::ffff:')}".encode()


def _ask_often(address: str, port: int, protocol: str, times: int) -> Counter[str]:
    return Counter(_ask(address, port, protocol) for _ in range(times))


def _ask(address: str, port: int, protocol: str, source_port: int = 0) -> str:
    try:
        with _asked(address, port, protocol, source_port) as asking:
            if not _hears(asking, _SILENCE):
                _wait_for_slow_ones(address, protocol)
                if not _hears(asking, _SILENCE):
                    return "silent"
            if error := asking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, "")  # which makes the subclass of the number
            return asking.recv(200).decode()
    except ConnectionRefusedError:
        return "refused"
    except PermissionError:
        return "not permitted"


def _asked(address: str, port: int, protocol: str, source_port: int = 0) -> socket.socket:
    """A socket whose answer is on its way."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    asking = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        asking.bind(("", source_port))
        with suppress(BlockingIOError):
            asking.connect((address, port))
        if protocol == "UDP":
            asking.send(b"?")
    except BaseException:
        asking.close()
        raise
    return asking


def _hears(asking: socket.socket, seconds: float) -> bool:
    """Whether there is an answer, or an error, by then."""
    poll = select.poll()
    poll.register(asking, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _wait_for_slow_ones(address: str, protocol: str) -> None:
    """Until each pod has answered a later question at its own address: no earlier one waits there then."""
    for pod in PODS:
        with _asked(pod_address(pod, "IPv6" if ":" in address else "IPv4"), PORT, protocol) as later:
            _hears(later, PATIENCE)
