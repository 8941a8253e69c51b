"""A local network of three nodes that announce, two clients that ask, and an API server beside it."""

import itertools
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

from portway.agent import announce
from portway.agent.announce import frames, interfaces
from portway.analysis.target import Place, Target
from portway.analysis.trace import Trace, trace
from portway.cli import cluster, sources
from portway.cli.ground import of_inputs
from portway.client import Api
from portway.kubeapi.announcing import ROLE, announcer_lease, node_lease
from portway.testing import apiserver
from portway.testing.netns import Namespace, World
from tests.api.http import Http
from tests.patience import PATIENCE

Doc = dict[str, Any]
NODES = ("n1", "n2", "n3")
CLIENTS = ("c1", "c2")
POOL = ["192.0.2.100-192.0.2.199", "2001:db8::100-2001:db8::199"]
SERVICES = "/api/v1/namespaces/default/services"
LEASE_SECONDS = 4.0
"""Longer than in real life: tests run on busy machines."""


class Lan:
    """What a test does to it and asks of it."""

    def __init__(self, world: World, server: apiserver.Server, places: dict[str, Namespace]) -> None:
        self.world, self.places, self.http, self.server = world, places, Http(server.unix), server
        self.announcers: dict[str, int] = {}
        self.macs = {place.run(_mac): name for name, place in places.items() if name in NODES}

    def start(self, *nodes: str, run: Callable[[announce.AnnounceConfig], object] = announce.run) -> None:
        """Announcers of these nodes, run by `run`."""
        for name in nodes:
            config = announce.AnnounceConfig(
                name,
                api_socket=str(self.server.unix),
                lease_seconds=LEASE_SECONDS,
                metrics_socket=str(self._door(name)),
            )
            self.announcers[name] = self.world.spawn(self.places[name], run, config)

    def statuses(self, service: str, kind: str = "servicel2statuses") -> list[Doc]:
        """What announcers say of a Service where kubectl looks, by node."""
        base = f"/apis/metallb.io/v1beta1/namespaces/metallb-system/{kind}"
        items = self.http.get(f"{base}?labelSelector=metallb.io/service-name={service}").doc["items"]
        return sorted((item.get("status") or {} for item in items), key=lambda status: str(status.get("node")))

    def doubts(self, node: str) -> dict[str, str]:
        """What a node's Lease says that keeps clients from its addresses: messages by code."""
        answer = self.http.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{node_lease(node)}")
        return {doubt.code: doubt.message for doubt in announcer_lease(answer.doc).doubts} if answer.code == 200 else {}

    def traced(self, address: str, port: int = 80) -> Trace:
        """What `portway trace ADDRESS:PORT --kubeconfig …` says of a client outside, from what the API server has."""
        api = Api.unix(self.server.unix)
        ground = of_inputs(cluster.ask(api, sources.from_cluster(api)))
        return trace(ground.terrain, Place("outside"), Target(address, str(port), "TCP", host=address))

    def notes(self, address: str) -> dict[str, str]:
        """The same: what it says beside the end, by code."""
        said = (one.partition(": ") for one in self.traced(address).findings)
        return {code: message for code, _, message in said}

    def metrics(self, node: str) -> dict[str, float]:
        """What a node's announcer says at /metrics; labels as they are written."""
        text = Http(self._door(node)).get("/metrics").text
        rows = (line.rpartition(" ") for line in text.splitlines() if line.startswith(("metallb_", "portway_")))
        return {name: float(value) for name, _, value in rows}

    def _door(self, node: str) -> Path:
        return self.server.unix.parent / f"{node}-metrics.sock"

    def kill(self, node: str, number: int = signal.SIGKILL) -> None:
        """A signal for a node's announcer; those that end it are waited for."""
        os.kill(self.announcers[node], number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.world.wait(self.announcers.pop(node))

    def heard(self, node: str, address: str, sources: list[str]) -> list[str]:
        """Of datagrams from c1's addresses to one of a node's, one after the other, those that came; the last must."""
        reading, writing = os.pipe()
        pid = self.world.spawn(self.places[node], _listen, writing, address, sources[-1])
        os.close(writing)
        with open(reading) as said:
            assert said.readline() == "ready\n"
            for source in sources:
                self.places["c1"].run(_send, source, address)
            found = said.read().split()
        self.world.wait(pid)
        return found

    @contextmanager
    def lets_pass(self, node: str, *addresses: str) -> Iterator[None]:
        """Meanwhile the switch drops what a node sends from other IPv4 addresses than these, as clouds' ports do."""
        allowed = f"{{ {', '.join(addresses)} }}"
        chain = f'type filter hook ingress device "to-{node}" priority 0;'
        rules = f"arp saddr ip != {allowed} drop\nip saddr != {allowed} drop"
        wire = self.places["wire"]
        wire.command("nft", "-f", "-", text=f"table netdev port {{\nchain {node} {{\n{chain}\n{rules}\n}}\n}}\n")
        try:
            yield
        finally:
            wire.command("nft", "delete", "table", "netdev", "port")

    @contextmanager
    def keeps_broadcasts_from(self, node: str) -> Iterator[None]:
        """Meanwhile the switch passes none on to it, as access points keep back ARP for what is not a station's own."""
        port = ("ip", "link", "set", f"to-{node}", "type", "bridge_slave", "bcast_flood")
        self.places["wire"].command(*port, "off")
        try:
            yield
        finally:
            self.places["wire"].command(*port, "on")

    def link(self, node: str, state: str) -> None:
        """Cut a node's cable at the switch, or mend it."""
        self.places["wire"].command("ip", "link", "set", f"to-{node}", state)

    def balance(self, name: str, *addresses: str, **spec: Any) -> None:
        """A Service with these addresses."""
        ports = [{"port": 80, "protocol": "TCP"}]
        families = ["IPv6" if ":" in address else "IPv4" for address in addresses]
        policy = "SingleStack" if len(families) == 1 else "RequireDualStack"
        whole = {"type": "LoadBalancer", "ports": ports, "ipFamilies": families, "ipFamilyPolicy": policy} | spec
        made = self.http.post(SERVICES, {"metadata": {"name": name}, "spec": whole})
        assert made.code == 201, made
        status = {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"} for address in addresses]}}
        answer = self.http.patch(f"{SERVICES}/{name}/status", {"status": status})
        assert answer.code == 200, answer

    def endpoints(self, service: str, **ready: bool) -> None:
        """A slice with one endpoint on each of these nodes."""
        base = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        listed = [
            {"addresses": [f"10.244.0.{i + 1}"], "nodeName": node, "conditions": {"ready": is_ready}}
            for i, (node, is_ready) in enumerate(ready.items())
        ]
        document = {
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"port": 80, "protocol": "TCP", "name": ""}],
            "endpoints": listed,
        }
        self.http.delete(f"{base}/{service}")
        made = self.http.post(base, document)
        assert made.code == 201, made

    def who(self, address: str, client: str = "c1") -> set[str]:
        """The nodes that answer for an address now."""
        macs = self.places[client].run(_ask, address, 0.15)
        return {self.macs.get(mac, mac.hex()) for mac in macs}

    def neighbor(self, client: str, address: str) -> str:
        """The node that a client's kernel sends packets for an address to, once it has asked."""

        def known() -> bool:
            self.places[client].run(_poke, address)
            return bool(self.learnt(client, address))

        self.until(known)
        return self.learnt(client, address)

    def learnt(self, client: str, address: str) -> str:
        """The same, of what it knows already; empty when it does not."""
        entry = self.places[client].command("ip", "neighbor", "show", "to", address)
        mac = entry.partition("lladdr ")[2].partition(" ")[0].replace(":", "")
        return self.macs[bytes.fromhex(mac)] if mac else ""

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (
                f"not in {PATIENCE} s; leases: {self.leases()}; doubts: {[self.doubts(node) for node in NODES]}"
            )
            time.sleep(0.02)

    def announced_by(self, address: str, *but: str) -> str:
        """The only node that answers, once there is one that is none of `but`; both clients hear the same."""
        found: list[str] = []

        def settled() -> bool:
            found[:] = self.who(address)
            return len(found) == 1 and found[0] not in but and self.who(address, "c2") == set(found)

        self.until(settled)
        return found[0]

    def leases(self) -> dict[str, str]:
        """Holders by the name of the Lease."""
        items = self.http.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?labelSelector={ROLE}").doc
        return {item["metadata"]["name"]: item["spec"].get("holderIdentity", "") for item in items["items"]}

    @contextmanager
    def recording(self, address: str, path: Path) -> Iterator[list["Round"]]:
        """Meanwhile the second client asks and asks; the rounds are there afterwards."""
        rounds: list[Round] = []
        pid = self.world.spawn(self.places["c2"], _record, address, str(path))
        self.until(lambda: path.exists() and path.stat().st_size > 0)
        try:
            yield rounds
        finally:
            self.world.end(pid)
            complete = path.read_text().rpartition("\n")[0].splitlines()
            for moment, macs in map(json.loads, complete):
                rounds.append((moment, {self.macs[bytes.fromhex(mac)] for mac in macs}))


Round = tuple[float, set[str]]


def silence(rounds: list[Round]) -> float:
    """The longest time without an answer, in seconds."""
    heard = [moment for moment, nodes in rounds if nodes]
    return max((b - a for a, b in itertools.pairwise(heard)), default=0.0)


def speakers(rounds: list[Round]) -> list[str]:
    """Who answered, each as long as it was the same. Two in one round are joined by +."""
    said: list[str] = []
    for _, nodes in rounds:
        if nodes and (name := "+".join(sorted(nodes))) not in said[-1:]:
            said.append(name)
    return said


@contextmanager
def lan(folder: Path, user: bool | None) -> Iterator[Lan]:
    """Nodes at .1 to .3 and clients at .11 and .12 of 192.0.2.0/24 and 2001:db8::/64."""
    with apiserver.start(folder) as server, World(user) as world:
        places = {name: world.namespace(name) for name in ("wire", *NODES, *CLIENTS)}
        places["wire"].command(*["ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])
        places["wire"].command(*["ip", "link", "set", "br0", "up"])
        for number, name in [*enumerate(NODES, 1), *enumerate(CLIENTS, 11)]:
            places[name].write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
            world.connect(places["wire"], f"to-{name}", places[name], "eth0")
            places["wire"].command("ip", "link", "set", f"to-{name}", "master", "br0")
            places[name].command("ip", "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
            places[name].command("ip", "address", "add", f"2001:db8::{number}/64", "dev", "eth0", "nodad")
        made = Lan(world, server, places)
        _objects(made.http)
        made.start(*NODES)
        yield made
        made.http.close()


def _objects(http: Http) -> None:
    http.post("/api/v1/namespaces", {"metadata": {"name": "metallb-system"}})
    base = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
    assert http.post(f"{base}/ipaddresspools", {"metadata": {"name": "p"}, "spec": {"addresses": POOL}}).code == 201
    assert http.post(f"{base}/l2advertisements", {"metadata": {"name": "p"}, "spec": {}}).code == 201
    for number, name in enumerate(NODES, 1):
        addresses = [{"type": "InternalIP", "address": a} for a in (f"192.0.2.{number}", f"2001:db8::{number}")]
        made = http.post("/api/v1/nodes", {"metadata": {"name": name, "labels": {"name": name}}})
        assert made.code == 201
        assert http.patch(f"/api/v1/nodes/{name}/status", {"status": {"addresses": addresses}}).code == 200


def _mac() -> bytes:
    return interfaces.with_link()["eth0"]


def _poke(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as any_packet:
        any_packet.sendto(b"", (address, 9))


def _listen(writing: int, address: str, last: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours, open(writing, "w", buffering=1) as out:
        ours.bind((address, 9999))
        ours.settimeout(PATIENCE)
        out.write("ready\n")
        source = ""
        while source != last:
            source = ours.recvfrom(16)[1][0]
            out.write(f"{source}\n")


def _send(source: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind((source, 0))
        ours.sendto(b"here", (address, 9999))


def _ask(address: str, seconds: float) -> set[bytes]:
    """The MACs that answer one question within the time."""
    with _listening(address) as wire:
        wire.send(_question(address))
        return _answers(wire, address, time.monotonic() + seconds)


def _record(address: str, path: str) -> None:
    with _listening(address) as wire, open(path, "w", buffering=1) as out:
        while True:
            wire.send(_question(address))
            macs = _answers(wire, address, time.monotonic() + 0.02)
            out.write(json.dumps([time.monotonic(), sorted(mac.hex() for mac in macs)]) + "\n")


def _listening(address: str) -> socket.socket:
    kind = frames.ETH_IPV6 if ":" in address else frames.ETH_ARP
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.bind(("eth0", kind))
    return wire


def _answers(wire: socket.socket, address: str, deadline: float) -> set[bytes]:
    found: set[bytes] = set()
    while (left := deadline - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            frame = wire.recv(2048)
        except TimeoutError:
            break
        if (mac := _answering(frame, address)) is not None:
            found.add(mac)
    return found


def _answering(frame: bytes, address: str) -> bytes | None:
    """Whose MAC an answer to us names; announcements to all are none."""
    wanted = ip_address(address).packed
    if frame[0] & 1:
        return None
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02" and frame[28:32] == wanted:
        return frame[22:28]
    if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136 and frame[62:78] == wanted:
        return frame[80:86]
    return None


def _question(address: str) -> bytes:
    """As a client's kernel asks."""
    mac, target = _mac(), ip_address(address)
    if target.version == 4:
        own = ip_address("192.0.2.99").packed
        return b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, mac, own, bytes(6),
                                                             target.packed)  # fmt: skip
    group = IPv6Address(frames.solicited_node(address)).packed
    own = IPv6Address("2001:db8::99").packed
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target.packed + b"\x01\x01" + mac
    total = sum(struct.unpack("!36H", own + group + struct.pack("!II", len(body), 58) + body)) % 0xFFFF
    body = body[:2] + struct.pack("!H", 0xFFFF - total) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + own + group
    return b"\x33\x33" + group[12:] + mac + b"\x86\xdd" + header + body
