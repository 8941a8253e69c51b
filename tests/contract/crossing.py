"""A node between clients and the rest of the world; every packet that leaves it is seen.

    clients ─ eth0, veth12, cbr0 ─▶ node ─ exit ─▶ beyond
                                     └ its own processes

Packets are sent by hand (portway.testing.frames), from any address by any interface, hundreds at once, and whatever
the node sends on or answers is caught beyond: all its routes lead there, refusals included. Nothing waits for a
time-out: a last packet that comes through says that all before it have. The node's addresses are on its loopback;
`exit` has others, so that a masqueraded source shows, whoever the client.
"""

import math
import os
import select
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

from msgspec import Struct

from portway.agent.netlink import ACK, REQUEST, Netlink, message
from portway.agent.table import KernelTable
from portway.model import Packet, Verdict
from portway.nftables import Element, Ruleset
from portway.testing.frames import Sighting, first_packet, sighting
from portway.testing.netns import Namespace, World

INTERFACES = ("eth0", "veth12", "cbr0")
EXIT = ("198.18.0.1", "fd00:198::1")
"""Whom others see when a source was translated."""
_MARKER = Packet("198.18.0.9", "198.18.0.99", "UDP", 9)
_NODE_END, _EXIT_END, _BEYOND = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
_ALL = 3
_BATCH = 150
_GIVE_UP = 60.0
_ANSWERS = """
table inet witness {
  chain input {
    type filter hook input priority 50
    ip saddr 127.0.0.1 ip daddr 127.0.0.1 accept # a proxy asks its API server
    meta l4proto { tcp, udp, sctp } reject with icmpx type admin-prohibited
  }
}
"""
"""So that what reaches the node itself says so, unlike what our rules refuse or drop."""

Fate = frozenset[tuple[str, bool]]
"""For each outcome of a packet (a backend, "REJECT", "DROP", "" when left alone): whether its source was translated."""


class Crossing(Struct):
    """The node, and sockets in the namespaces around it."""

    world: World
    node: Namespace
    own: frozenset[str]
    doors: dict[str, socket.socket]
    """By interface: where clients' frames go in."""
    within: dict[bool, socket.socket]
    """Raw sockets of the node itself, by "is IPv6"."""
    seen_at: tuple[socket.socket, ...]
    sent: int = 0

    def load(self, ruleset: Ruleset) -> None:
        """Let the node's table be this; what it knows of earlier connections and clients is forgotten."""
        self.node.run(_load, ruleset)

    def fates(self, packets: Sequence[Packet], times: Sequence[int]) -> list[Fate]:
        """What became of each packet, sent so many times as connections of its own."""
        return [frozenset(counts) for counts in self.counts(packets, times)]

    def counts(self, packets: Sequence[Packet], times: Sequence[int]) -> list[Counter[tuple[str, bool]]]:
        """The same, and how often."""
        sightings: dict[int, Sighting] = {}
        owners: list[range] = []
        copies = [packet for packet, count in zip(packets, times, strict=True) for _ in range(count)]
        first = self.sent + 1
        for start in range(0, len(copies), _BATCH):
            self._send(copies[start : start + _BATCH], sightings)
        for count in times:
            owners.append(range(first, first + count))
            first += count
        return [
            Counter(self._fate(packet, sightings.get(number)) for number in numbers)
            for packet, numbers in zip(packets, owners, strict=True)
        ]

    def _send(self, copies: Sequence[Packet], sightings: dict[int, Sighting]) -> None:
        with _on_one_processor():
            for packet in copies:
                self.sent += 1
                self._send_one(packet, first_packet(packet, 20000 + self.sent % 40000, self.sent))
            self._send_one(_MARKER, first_packet(_MARKER, 9, marker := 0x7F000000 + self.sent))
            deadline = monotonic() + _GIVE_UP
            while marker not in sightings:
                assert monotonic() < deadline, "the last packet, which no rule is about, did not come through"
                self._catch(sightings)

    def _send_one(self, packet: Packet, data: bytes) -> None:
        v6 = ":" in packet.destination
        if packet.source not in self.own:
            kind = b"\x86\xdd" if v6 else b"\x08\x00"
            frame = bytes.fromhex((_NODE_END + _BEYOND).replace(":", "")) + kind + data
            self.doors[packet.interface or "eth0"].send(frame)
            return
        # by an error a process learns that its packet was dropped or refused; which of them, an answer tells
        with suppress(PermissionError):
            self.within[v6].sendto(data, (packet.destination, 0))

    def _catch(self, sightings: dict[int, Sighting]) -> None:
        for ready in select.select(self.seen_at, (), (), 0.1)[0]:
            while data := _received(ready):
                found = sighting(data[14:])
                # on the loopback the packets themselves pass by; only answers count there
                if found and (ready is self.seen_at[0] or found.kind != "packet"):
                    sightings[found.number] = found

    def _fate(self, packet: Packet, seen: Sighting | None) -> tuple[str, bool]:
        if seen is None:
            return "DROP", False
        if seen.kind != "packet":
            refused = "reset" if packet.protocol == "TCP" else "port unreachable"
            return {refused: "REJECT", "prohibited": ""}.get(seen.kind, seen.kind), False
        if (seen.destination, seen.port) == (packet.destination, packet.port):
            return "", seen.source != packet.source
        shown = f"[{seen.destination}]" if ":" in seen.destination else seen.destination
        assert seen.source == packet.source or seen.source in EXIT, f"from {seen.source}"
        return f"{shown}:{seen.port}", seen.source != packet.source


def meant(verdict: Verdict, refusal: str) -> Fate:
    """The same, of what `lookup` says; `refusal` is what it says in packet tables' words when nothing is forwarded."""
    if not verdict.backends:
        return frozenset({(refusal, False)})
    return frozenset((str(b), verdict.masquerade or b in verdict.hairpin) for b in verdict.backends)


def enough(candidates: int) -> int:
    """How often to try so that all candidates show up, but for one time in 10^9."""
    return 1 if candidates < 2 else math.ceil(math.log(candidates * 1e9) / -math.log(1 - 1 / candidates))


def is_loopback(packet: Packet) -> bool:
    """Such packets stay on their machine and are not sent here."""
    return any(a.startswith("127.") or a == "::1" for a in (packet.source, packet.destination))


@contextmanager
def crossing(own: Sequence[str], user: bool | None = None) -> Iterator[Crossing]:
    """A node with these addresses. Raises netns.Unavailable."""
    with World(user) as world:
        clients, node, beyond = (world.namespace(name) for name in ("clients", "node", "beyond"))
        for name in INTERFACES:
            world.connect(clients, f"to-{name}", node, name)
            node.command("ip", "link", "set", name, "address", _NODE_END)
        world.connect(node, "exit", beyond, "eth0")
        _settle(node, beyond, own)
        node.command("nft", "-f", "-", text=_ANSWERS)
        sockets = [
            *(_inside(clients, _frames, f"to-{name}", 0) for name in INTERFACES),
            *(_inside(node, _raw, family) for family in (socket.AF_INET, socket.AF_INET6)),
            _inside(beyond, _frames, "eth0", _ALL),
            _inside(node, _frames, "lo", _ALL),
        ]
        doors, (four, six), seen = sockets[:3], sockets[3:5], sockets[5:]
        within = {False: four, True: six}
        try:
            yield Crossing(world, node, frozenset(own), dict(zip(INTERFACES, doors, strict=True)), within, tuple(seen))
        finally:
            for each in sockets:
                each.close()


_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/icmp/ratemask": "0",
    "net/netfilter/nf_conntrack_checksum": "0",
}


def _settle(node: Namespace, beyond: Namespace, own: Sequence[str]) -> None:
    for path, value in _SETTINGS.items():
        node.write(f"/proc/sys/{path}", value)
    for name in INTERFACES:
        node.write(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "0")
    commands = [f"addr add {a}/{128 if ':' in a else 32} dev lo" for a in own if a not in ("127.0.0.1", "::1")]
    commands += [f"addr add {a}/{128 if ':' in a else 32} dev exit nodad" for a in EXIT]
    commands += [
        f"link set exit address {_EXIT_END}",
        f"neigh add 169.254.1.1 lladdr {_BEYOND} dev exit nud permanent",
        f"neigh add fe80::1 lladdr {_BEYOND} dev exit nud permanent",
        "route add default via 169.254.1.1 dev exit onlink",
        "route add default via fe80::1 dev exit onlink",
    ]
    beyond.command("ip", "link", "set", "eth0", "address", _BEYOND)
    node.command("ip", "-batch", "-", text="".join(f"{line}\n" for line in commands))


def _inside(place: Namespace, make: Callable[..., socket.socket], *arguments: object) -> socket.socket:
    """A socket of that namespace in this process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        place.run(_hand_over, theirs, make, arguments)
        return socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])


def _hand_over(way: socket.socket, make: Callable[..., socket.socket], arguments: tuple[object, ...]) -> None:
    with make(*arguments) as made:
        socket.send_fds(way, [b"."], [made.fileno()])


def _frames(interface: str, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind((interface, protocol))
    return made


def _raw(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)


def _received(where: socket.socket) -> bytes:
    try:
        return where.recv(2048, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """There packets overtake none."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _load(ruleset: Ruleset) -> None:
    kernel = KernelTable()
    kernel.adopt(ruleset)
    for container in ruleset.containers.values():
        if container.learned:
            known = kernel.learned(container)
            kernel.forget([Element(container.name, key, value) for key, value in known.items()], ruleset.containers)
    kernel.close()
    forget_connections()


def forget_connections() -> None:
    """Empty this namespace's conntrack table (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE without a tuple)."""
    netlink = Netlink()
    for family in (socket.AF_INET, socket.AF_INET6):
        netlink.send(message(1 << 8 | 2, REQUEST | ACK, netlink.next_sequence(), bytes([family, 0, 0, 0])))
    errors = [found.error for found in netlink.pending() if found.error]
    netlink.close()
    assert not errors, errors
