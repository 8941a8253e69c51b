"""Clients connect without pause while endpoints change without pause and the agent dies now and then.

Each change is written down before it is synced and after. A connection may go to any endpoint that was a candidate
between its beginning and its end, and from the beginning of the sync that made it one to the end of the sync that
ended that; it may be refused only if there was none in one of these states.
"""

import json
import random
import socket
import struct
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from portway.agent.config import AgentConfig
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.forwarding import ForwardingTable, compute
from portway.model import Endpoint, EndpointPort, EndpointSlice, Node, Packet, Service
from portway.nftables import compile, program
from portway.testing import builders
from portway.testing.netns import Unavailable
from tests.contract.cluster import NODE_ADDRESSES, POD_CIDRS, PORT, Cluster, cluster
from tests.contract.crossing import crossing, forget_connections
from tests.contract.services import SERVICE_CIDRS, service, slices
from tests.patience import until

KILLS = 7
LIFETIME = 0.8
"""Seconds from an agent's beginning to its kill -9."""
CONFIG = AgentConfig("node-1", cluster_cidrs=POD_CIDRS, service_cidrs=SERVICE_CIDRS)
CHOICES = {
    "always": ("a", "b", "c", "ab", "ac", "bc", "abc"),
    "sometimes": ("", "", "a", "c", "ab", "abc"),
    "near": ("a", "b", "ab", "ac", "bc", "abc"),
}
"""Services, and the pods that may be behind them; a and b are on node-1."""
NUMBERS = {"always": 10, "sometimes": 11, "near": 12}
_FIRST_RESENT = 0.9
"""Seconds; the kernel sends a SYN again after one."""
OTHERS = 150
"""Services that nobody asks, which change too."""
CLIENTS = (
    # place, address, port, Service
    ("outside", "172.18.0.11", 30010, "always"),
    ("b", "fd00:96::10", 80, "always"),
    ("node-1", "10.96.0.11", 80, "sometimes"),
    ("outside", "fd00:18::11", 30012, "near"),
)
"""One of each family, and then the others."""
OWN_PORTS = (range(1024, 33_000), range(33_000, 65_000))
"""For the first two and for the others: of one place, and of one address behind a node, each has its own."""


class State(Struct, frozen=True):
    """What was wanted from a moment on: for each Service its pods. `synced` None: the agent died before."""

    pods: dict[str, str]
    begun: float
    synced: float | None = None


class Connection(Struct, frozen=True):
    """What a client got, and when it asked."""

    service: str
    begun: float
    ended: float
    answer: str


@pytest.fixture(params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster, without rules."""
    try:
        with cluster(request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _service(name: str) -> Service:
    policy = "Local" if name == "near" else "Cluster"
    made = service(name, NUMBERS[name], external_traffic_policy=policy)
    return replace(made, ports=made.ports[:1])


def _other(number: int) -> Service:
    made = service(f"other-{number}", 0)
    port = replace(made.ports[0], node_port=0)
    return replace(made, ports=(port,), cluster_ips=(f"10.96.{number // 200 + 1}.{number % 200 + 1}",))


def _other_slice(number: int, chance: random.Random) -> EndpointSlice:
    pods = tuple(Endpoint(f"10.244.9.{chance.randrange(1, 255)}", "node-9") for _ in range(chance.randrange(12)))
    return EndpointSlice("shop", f"other-{number}", f"other-{number}", (EndpointPort("tcp", "TCP", 8080),), pods)


def _agent(log: Path, seed: int) -> None:
    """Changes one asked and a few other Services' endpoints at a time, for ever."""
    chance = random.Random(seed)
    syncer = Syncer(CONFIG, KernelTable())
    syncer.put_node(Node("node-1", NODE_ADDRESSES))
    pods = {name: chance.choice(some) for name, some in CHOICES.items()}
    for made in (*map(_service, CHOICES), *map(_other, range(OTHERS))):
        syncer.put_service((made.namespace, made.name), made)
    for number in range(OTHERS):
        _put(syncer, _other_slice(number, chance))
    for name in CHOICES:
        _put(syncer, *slices(name, pods[name]))
    with log.open("a", buffering=1) as lines:
        lines.write("\n")  # whoever was killed may have left half a line
        while True:
            lines.write(json.dumps({"pods": pods, "begun": monotonic()}) + "\n")
            syncer.sync()
            lines.write(json.dumps({"synced": monotonic()}) + "\n")
            changing = chance.choice(list(CHOICES))
            pods[changing] = chance.choice(CHOICES[changing])
            _put(syncer, *slices(changing, pods[changing]))
            for number in chance.sample(range(OTHERS), chance.randrange(4)):
                _put(syncer, _other_slice(number, chance))


def _put(syncer: Syncer, *pieces: EndpointSlice) -> None:
    for piece in pieces:
        syncer.put_slice((piece.namespace, piece.name), piece)


def _client(log: Path, address: str, port: int, name: str, own_ports: range) -> None:
    """Asks until it is killed, or has had each of its ports once: what the kernel knows of one is no other's then."""
    with log.open("a", buffering=1) as lines:
        for own in own_ports:
            if own == PORT:
                continue  # where pods listen
            begun = monotonic()
            answer = _ask(address, port, own)
            lines.write(json.dumps([name, begun, monotonic(), answer]) + "\n")


def _ask(address: str, port: int, own: int) -> str:
    """The pod that answers, "refused", "reset", "late" when a packet was lost on the way and sent again; "silent" and
    where it stood then (net/tcp_states.h: 1 is established, 2 has sent its SYN)."""
    begun = monotonic()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as asking:
        asking.settimeout(20)
        # ended by a reset, so that no pod remembers ports that come again
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asking.bind(("", own))
        try:
            asking.connect((address, port))
            said = asking.recv(100).decode()
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            state = asking.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            return f"silent in state {state} at {asking.getsockname()}"
        resent = int.from_bytes(asking.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:], sys.byteorder)
        return "late" if resent and monotonic() - begun > _FIRST_RESENT else said.partition(" ")[0]


def _lines(log: Path) -> list[Any]:
    """What stands in whole lines: a writer may have been killed in the middle of its last one."""
    return [said for line in (log.read_text().split("\n") if log.exists() else ()) for said in _whole(line)]


def _whole(line: str) -> list[Any]:
    try:
        return [json.loads(line)]
    except json.JSONDecodeError:
        return []


def _states(log: Path) -> list[State]:
    found: list[State] = []
    for line in _lines(log):
        if "synced" in line:
            found[-1] = replace(found[-1], synced=line["synced"])
        else:
            found.append(State(line["pods"], line["begun"]))
    return found


def _run(place: Cluster, folder: Path) -> tuple[list[State], list[Connection]]:
    """The states and the connections."""
    world, node, log = place.world, place.places["node-1"], folder / "states"
    # The kernel remembers a closed connection for a while, and when its last packets came in another order than they
    # were sent, one that begins from the same port goes where it went, or nowhere. So no port comes twice, nor two
    # clients' connections from one behind the node's address; and the kernel forgets soon.
    node.write("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close", "1")
    agent = world.spawn(node, _agent, log, 0)
    _wait_for(lambda: any(state.synced for state in _states(log)))
    logs = [folder / f"client-{number}" for number in range(len(CLIENTS))]
    clients = [
        world.spawn(place.places[where], _client, mine, *rest, OWN_PORTS[number // 2])
        for number, (mine, (where, *rest)) in enumerate(zip(logs, CLIENTS, strict=True))
    ]
    for seed in range(1, KILLS + 1):
        _live(log)
        world.end(agent)
        agent = world.spawn(node, _agent, log, seed)
    for client in (*clients, agent):
        world.end(client)
    return _states(log), [Connection(*said) for mine in logs for said in _lines(mine)]


def _live(log: Path) -> None:
    """Until the agent has had its time and has synced."""
    before, until = len(_lines(log)), monotonic() + LIFETIME
    _wait_for(lambda: monotonic() > until and len(_lines(log)) > before + 1)


def _wait_for(happened: Callable[[], bool]) -> None:
    until(happened, "it happens")


def _ends(states: list[State]) -> list[float]:
    """When each state was over at the latest: when the next one was synced that was."""
    ends, known = [], float("inf")
    for state in reversed(states):
        ends.append(known)
        known = min(known, state.synced or known)
    return ends[::-1]


def _possible(states: list[State], ends: list[float], connection: Connection) -> set[str]:
    """What the connection may have got."""
    found: set[str] = set()
    for state in states[bisect_left(ends, connection.begun) :]:
        if state.begun > connection.ended:
            break
        pods = set(state.pods[connection.service])
        found |= (pods & {"a", "b"} if connection.service == "near" else pods) or {"refused"}
    return found


def test_no_connection_is_lost_or_led_astray(place: Cluster, tmp_path: Path) -> None:
    states, connections = _run(place, tmp_path)
    ends = _ends(states)
    assert ends == sorted(ends)
    wrong = [c for c in connections if c.answer not in _possible(states, ends, c)]
    assert not wrong, f"{len(wrong)} of {len(connections)}: {wrong[:5]}"
    assert len(states) > 10 * KILLS, "changes without pause"
    assert {c.service for c in connections} == set(CHOICES)
    assert {c.answer for c in connections} == {"a", "b", "c", "refused"}


def _come_and_go(name: str, steady: str, guest: str, ready: Path) -> None:
    """Pod `guest` joins pod `steady` behind the Service and leaves it, for ever."""
    syncer = Syncer(CONFIG, KernelTable())
    syncer.put_node(Node("node-1", NODE_ADDRESSES))
    syncer.put_service(("shop", name), _service(name))
    for pods in cycle((steady + guest, steady)):
        _put(syncer, *slices(name, pods))
        syncer.sync()
        ready.touch()


def test_a_pod_that_dials_itself_is_answered_when_it_leaves_meanwhile(place: Cluster, tmp_path: Path) -> None:
    """What the node did to the packet on its way in and what it does on its way out belong together."""
    node, pod = place.places["node-1"], place.places["b"]
    node.write("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close", "1")
    place.world.spawn(node, _come_and_go, "always", "a", "b", tmp_path / "ready")
    _wait_for((tmp_path / "ready").exists)
    logs = [tmp_path / f"client-{number}" for number in range(2)]
    for log, address, ports in zip(logs, ("10.96.0.10", "fd00:96::10"), OWN_PORTS, strict=True):
        place.world.spawn(pod, _client, log, address, 80, "always", ports)
    _wait_for(lambda: all(len(_lines(log)) > 5_000 for log in logs))
    assert {Connection(*said).answer for log in logs for said in _lines(log)} == {"a", "b"}


def _alternate(tables: list[ForwardingTable]) -> None:
    """Program one after the other, for ever."""
    followed, kernel = program(tables[0]), KernelTable()
    kernel.adopt(followed.ruleset)
    for table in cycle(tables):
        kernel.apply(followed.update(table.contributions), followed.ruleset.containers)


def test_no_packet_meets_half_a_change() -> None:
    """An endpoint comes and goes as fast as can be, and another one always is there."""
    config = builders.proxy_config()
    pods = ("10.244.1.2", "10.244.1.3")
    tables = [
        compute(builders.snapshot(builders.service(), builders.endpoint_slice("web", *some)), config)
        for some in (pods, pods[:1])
    ]
    packets = [Packet(f"203.0.113.{n}", "10.96.0.10", "TCP", 80) for n in range(1, 151)]
    outcomes: Counter[str] = Counter()
    try:
        with crossing(NODE_ADDRESSES) as made:
            made.load(compile(tables[0]))
            made.world.spawn(made.node, _alternate, tables)
            until = monotonic() + 3
            while monotonic() < until:
                outcomes.update(output for fate in made.fates(packets, [1] * len(packets)) for output, _ in fate)
                # 40,000 ports are used one after the other; what is known of them is forgotten before they come again
                if made.sent % 30_000 < len(packets):
                    made.node.run(forget_connections)
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    assert outcomes.keys() == {f"{pod}:80" for pod in pods}, outcomes
