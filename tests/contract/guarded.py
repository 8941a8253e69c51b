"""A node whose agent enforces policies of a real API server, and packets that ask whether it does.

Pods a and b are on it, c is on another node; `far` is c's namespace, `near` that of the others. Clients that keep a UDP
flow going write down each answer, so that a revocation, or a connection that was hurt, shows.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from msgspec.structs import replace

from portway import agent
from portway.agent.nf_tables import NfTables
from portway.client import Api
from portway.kubeapi.kinds import Resource
from portway.model import Family
from portway.nftables import policy_containers
from portway.reconcile.resources import ENDPOINT_SLICES, NAMESPACES, NODES, PODS, SERVICES
from portway.testing import apiserver
from tests.contract.cluster import PODS as PLACES
from tests.contract.cluster import PORT, Cluster, pod_address
from tests.patience import until

T = TypeVar("T")
Doc = dict[str, Any]
POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
CLUSTER_POLICIES = Resource("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", namespaced=False)
FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")
NAMESPACE = {"a": "near", "b": "near", "c": "far"}
SELF = {"IPv4": "10.96.0.30", "IPv6": "fd00:96::30"}
"""A Service with pod a behind it."""
_TRANSPARENT = {socket.AF_INET: (socket.IPPROTO_IP, 19), socket.AF_INET6: (socket.IPPROTO_IPV6, 75)}


class Guarded:
    """The cluster, its API server, and an agent on node-1."""

    def __init__(self, made: Cluster, server: apiserver.Server, folder: Path) -> None:
        self.cluster, self.server, self._folder = made, server, folder
        self.node = made.places["node-1"]
        self.config = agent.AgentConfig(
            node_name="node-1",
            api_socket=str(server.unix),
            cluster_cidrs=("10.244.0.0/16", "fd00:244::/48"),
            service_cidrs=("10.96.0.0/16", "fd00:96::/112"),
            network_policy=True,
            pod_interface="pod-*",
            check_interval=0.1,
        )
        self._agent = 0
        self._talkers = 0
        self.ask(_create_objects)

    def start(self, network_policy: bool = True) -> None:
        """Start the agent."""
        config = replace(self.config, network_policy=network_policy)
        self._agent = self.cluster.world.spawn(self.node, agent.run, config)

    def kill(self) -> None:
        """kill -9 the agent."""
        self.cluster.world.end(self._agent)

    def ask(self, work: Callable[[Api], Awaitable[T]]) -> T:
        """Do something with the API."""

        async def asking() -> T:
            async with Api.unix(self.server.unix) as api:
                return await work(api)

        return asyncio.run(asking())

    @contextmanager
    def policies(self, *documents: Doc) -> Iterator[None]:
        """While these are there."""
        self.ask(lambda api: _each(api.create(_kind(d), d) for d in documents))
        try:
            yield
        finally:
            names = [(_kind(d), d["metadata"].get("namespace", ""), d["metadata"]["name"]) for d in documents]
            self.ask(lambda api: _each(api.delete(*name) for name in names))
            self.expect(lambda: not self.held("ingress4") and not self.held("egress4"), "no pod is judged any more")

    def label(self, resource: Resource, namespace: str, name: str, **labels: str | None) -> None:
        """Change an object's labels."""
        self.ask(lambda api: api.patch(resource, namespace, name, {"metadata": {"labels": labels}}))

    def held(self, name: str) -> Mapping[bytes, bytes]:
        """The elements of one of policies' sets and maps."""
        return self.node.run(held, (name,)).get(name, {})

    def everything(self) -> dict[str, dict[bytes, bytes]]:
        """The elements of all of them, but for the number of the latest change."""
        return self.node.run(held, tuple(c.name for c in policy_containers() if c.name != "policy_generation"))

    def expect(self, wanted: Callable[[], object], what: str) -> None:
        """Wait until it is so."""
        until(wanted, what)

    def answers(self, client: str, *addresses: str, port: int = PORT, patience: float = 0.3) -> list[bool]:
        """Whether a pod, a node or `outside` is answered there, by a connection of its own over UDP and over TCP."""
        return self.cluster.places[client].run(_answered, addresses, port, patience)

    def expect_answers(self, client: str, *addresses: str) -> None:
        """Over UDP and TCP, soon."""
        everywhere = [True] * 2 * len(addresses)
        self.expect(lambda: self.answers(client, *addresses) == everywhere, f"{addresses} answer {client}")

    def expect_talk(self, wanted: bool, client: str, server: str) -> None:
        """Over UDP and TCP and by both families, soon."""
        addresses = SELF.values() if server == "self" else [pod_address(server, family) for family in FAMILIES]
        port = 80 if server == "self" else PORT
        said = f"{client} {'reaches' if wanted else 'does not reach'} {server}"
        self.expect(lambda: self.answers(client, *addresses, port=port) == [wanted] * 4, said)

    @contextmanager
    def talking(self, client: str, server: str, family: str = "IPv4") -> Iterator["Talker"]:
        """A UDP flow that asks without pause."""
        self._talkers += 1
        path = self._folder / f"talker-{self._talkers}"
        path.touch()
        process = self.cluster.world.spawn(
            self.cluster.places[client], _talk, path, pod_address(server, family), 20000 + self._talkers
        )
        try:
            yield Talker(path)
        finally:
            self.cluster.world.end(process)


class Talker:
    """What such a client wrote down: "+" and "-" with the moment at which it asked, and how many answers it lacks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def said(self, since: float = 0.0) -> list[tuple[str, float]]:
        """All that was asked since then."""
        return [(word, float(when)) for word, when, _ in self._lines() if float(when) >= since]

    def _lines(self) -> list[list[str]]:
        """Whole ones."""
        return [line.split() for line in self._path.read_text().split("\n")[:-1]]

    def until(self, word: str, since: float) -> float:
        """Seconds from `since` to the first question so answered. Of silence: to three in a row, one may be late."""
        run = 3 if word == "-" else 1

        def found() -> list[float]:
            said = self.said(since)
            words = "".join(each for each, _ in said)
            return [when for _, when in said[words.index(word * run) :]] if word * run in words else []

        return until(found, f"{word * run!r} is said")[0] - since

    def never(self, word: str) -> bool:
        """Whether that was never so, by now; and something was."""
        said = {w for w, _ in self.said()}
        return bool(said) and word not in said

    def lost_none(self) -> bool:
        """Whether all that was asked was answered, however late: no datagram is sent twice. Waits for what is late."""
        begun = monotonic()
        until(lambda: any(float(when) > begun and lacks == "0" for _, when, lacks in self._lines()), "all answers")
        return True


async def _each(several: Iterator[Awaitable[Any]]) -> None:
    for one in several:
        await one


def _kind(document: Doc) -> Resource:
    return POLICIES if document["kind"] == "NetworkPolicy" else CLUSTER_POLICIES


def pod(name: str, *addresses: str, node: str = "node-1", namespace: str = "near") -> Doc:
    """A pod that runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"who": name}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "example/any"}]},
        "status": {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": a} for a in addresses]},
    }


def policy(name: str, **spec: Any) -> Doc:
    """A NetworkPolicy for pod a."""
    selector = {"podSelector": {"matchLabels": {"who": "a"}}}
    meta = {"name": name, "namespace": "near"}
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": selector | spec,
    }  # fmt: skip


def cluster_policy(name: str, **spec: Any) -> Doc:
    """A ClusterNetworkPolicy of the Admin tier for the pods of near."""
    subject = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "near"}}}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"tier": "Admin", "priority": 1, "subject": subject} | spec,
    }


async def _create_objects(api: Api) -> None:
    for name in ("near", "far"):
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}}
        await api.create(NAMESPACES, document)
    for number in ("1", "2"):
        addresses = [{"type": "InternalIP", "address": a} for a in (f"172.18.0.1{number}", f"fd00:18::1{number}")]
        cidrs = [f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64"]
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"}}
        await api.create(NODES, node | {"spec": {"podCIDRs": cidrs}, "status": {"addresses": addresses}})
    for name, (node_name, *_) in PLACES.items():
        own = [pod_address(name, family) for family in FAMILIES]
        await run_pod(api, pod(name, *own, node=node_name, namespace=NAMESPACE[name]))
    await _create_self(api)


async def run_pod(api: Api, document: Doc) -> None:
    """Create a pod and say that it runs, as its kubelet would."""
    made = await api.create(PODS, document)
    await api.replace(PODS, made | {"status": document["status"]}, "status")


async def _create_self(api: Api) -> None:
    ports = [{"name": p.lower(), "protocol": p, "port": 80} for p in ("TCP", "UDP")]
    spec = {"clusterIP": SELF["IPv4"], "clusterIPs": [*SELF.values()], "ipFamilyPolicy": "RequireDualStack"}
    meta = {"name": "self", "namespace": "near"}
    await api.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec | {"ports": ports}}
    )
    for family in FAMILIES:
        piece = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta | {"name": f"self-{family[-1]}", "labels": {"kubernetes.io/service-name": "self"}},
            "addressType": family,
            "ports": [{"name": p.lower(), "protocol": p, "port": PORT} for p in ("TCP", "UDP")],
            "endpoints": [{"addresses": [pod_address("a", family)], "nodeName": "node-1"}],
        }
        await api.create(ENDPOINT_SLICES, piece)


def held(names: tuple[str, ...]) -> dict[str, dict[bytes, bytes]]:
    """The elements of these sets and maps of policies in this namespace, those that are there."""
    kernel, known = NfTables(), {c.name: c for c in policy_containers()}
    there = kernel.containers() if kernel.exists() else ()
    return {name: kernel.elements(known[name]) for name in names if name in there}


def _answered(addresses: tuple[str, ...], port: int, patience: float) -> list[bool]:
    questions = [(address, kind) for address in addresses for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    with ThreadPoolExecutor() as pool:
        return [*pool.map(lambda question: _asked_once(question[0], question[1], port, patience), questions)]


def _asked_once(address: str, kind: socket.SocketKind, port: int, patience: float) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as asking:
        asking.settimeout(patience)
        try:
            asking.connect((address, port))
            asking.send(b"?")
            return bool(asking.recv(200))
        except OSError:
            return False


def _talk(path: Path, address: str, own_port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with path.open("w", buffering=1) as lines, socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.bind(("", own_port))
        asking.connect((address, PORT))
        lacks = 0
        while True:
            began = monotonic()
            lacks += 1 - _heard(asking, 0.0)  # what is late
            with suppress(OSError):
                asking.send(b"?")
            answered = _heard(asking, 0.25)
            lacks -= answered
            lines.write(f"{'+' if answered else '-'} {began} {lacks}\n")
            sleep(0.002)


def _heard(asking: socket.socket, seconds: float) -> int:
    """How many answers come until then: the first, or with no time to wait all that are there."""
    count = 0
    asking.settimeout(seconds)
    with suppress(OSError):
        while asking.recv(200):
            count += 1
            if seconds:
                break
    return count


def send_as(source: str, address: str) -> None:
    """One datagram from whatever address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sending:
        sending.setsockopt(*_TRANSPARENT[family], 1)
        sending.bind((source, 0))
        sending.sendto(b"?", (address, PORT))


def pings(address: str) -> bool:
    """Whether an echo request is answered."""
    six = ":" in address
    kind = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    with socket.socket(kind[0], socket.SOCK_RAW, kind[1]) as asking:
        asking.settimeout(0.4)
        body = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 77, 1)
        checksum = 0xFFFF - sum(struct.unpack("!4H", body)) % 0xFFFF
        asking.sendto(body[:2] + struct.pack("!H", checksum) + body[4:], (address, 0))
        try:
            while True:
                data = asking.recv(200)
                answer = data if six else data[(data[0] & 15) * 4 :]
                if answer[0] == (129 if six else 0) and answer[4:6] == b"\0\x4d":
                    return True
        except TimeoutError:
            return False


def counted(listed: str) -> int:
    """Packets of the one counter in `nft -j list counters`."""
    found: list[int] = [i["counter"]["packets"] for i in json.loads(listed)["nftables"] if "counter" in i]
    return found[0]
