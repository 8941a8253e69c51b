"""What a connection costs: the first packet of a new one, and a packet of an open one.

    make bench-connect       SIZES=10,1000,10000,30000 RUNS=15 PEER_LIMIT=1000 make bench-connect       PEER=0: no peers

A sender outside a node hands frames to the kernel by the hundred (sendmmsg); on the same processor the kernel carries
each through the node, conntrack and rules included, to a place beyond it, where it is dropped. So the time that a call
takes of its thread is the way of its packets, and what differs between two rulesets is what they cost. All rulesets of
all sizes stand at once and take turns, in another order each time; medians of all runs. Compared:

bare        no rules but connection tracking
one rule    that translates everything: what translating costs, whoever decides
floor       two look-ups and nothing else, in maps as large as ours: frontend to chain, slot to endpoint
peer        the rules of kube-proxy's shape (bench/peer.py) and the checks that every new connection passes there
kube-proxy  the rules of KUBE_PROXY itself, where that names a binary
portway     ours

Two readings: connections to the same ten Services whatever number there is (does the way itself grow?), and to all
Services in turn (does memory that the processor's caches do not hold show?).
"""

import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from msgspec import Struct

from bench import kube_proxy, peer, synthetic
from bench.wire import NODE as _NODE
from bench.wire import SYN, Packets, Place, establish, forget_connections, segment, standing
from portway.agent.table import KernelTable
from portway.forwarding import ForwardingTable, compute
from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    LocalDetector,
    ProxyConfig,
    Service,
    ServicePort,
    Snapshot,
)
from portway.nftables import compile
from portway.testing.netns import Namespace, World

RUNS = int(os.environ.get("RUNS", "50"))
PACKETS = 1000
"""Of a run, each its own connection. Short runs in turn, so that other work on the machine meets all alike."""
_BARE = "table ip bare { chain a { type filter hook prerouting priority 0; ct state invalid counter; }; }"
_ONE_RULE = """
table ip one {
  chain a { type nat hook prerouting priority -100; ip saddr 203.0.0.0/8 meta l4proto tcp dnat to 10.128.0.3:80; }
  chain b { type nat hook postrouting priority 100; ip saddr 203.0.0.0/8 masquerade; }
}
"""
_FLOOR = """
table ip floor {
  map endpoints { typeof ip daddr . tcp dport . numgen random mod 2 : ip daddr . tcp dport; }
  map frontends { typeof ip daddr . tcp dport : verdict; }
  chain three { dnat ip addr . port to ip daddr . tcp dport . numgen random mod 3 map @endpoints; }
  chain a { type nat hook prerouting priority -100; ip daddr . tcp dport vmap @frontends; }
  chain b { type nat hook postrouting priority 100; ip saddr 203.0.0.0/8 masquerade; }
}
"""
_PEER_CHECKS = """
table ip peer-checks {
  map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
  set cluster-ips { type ipv4_addr; }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain cluster-ips-check { ip daddr @cluster-ips reject; }
  chain filter-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-forward {
    type filter hook forward priority -110;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
}
"""


class Goal(Struct, frozen=True):
    """A way to reach the Services, and who is measured at it."""

    name: str
    node_port: bool
    places: tuple[str, ...]

    def of(self, service: tuple[str, int, int, Sequence[str]]) -> tuple[str, int]:
        """Where a client dials it."""
        return (_NODE, service[2]) if self.node_port else (service[0], service[1])


GOALS = (
    Goal("clusterIP", False, ("floor", "peer", "kube-proxy", "portway")),
    Goal("clusterIP, Local", False, ("portway local",)),
    Goal("clusterIP, affinity", False, ("portway affine",)),
    Goal("nodePort", True, ("peer", "kube-proxy", "portway")),
    Goal("nodePort, Local", True, ("portway local",)),
)
"""The peers' rulesets have neither policy Local nor affinity."""
SPREADS = {"ten": 10, "all": 1 << 20}
"""How many Services are dialled in turn."""
_FLAVOURS: dict[str, dict[str, Any]] = {
    "portway": {},
    "portway local": {"internal_traffic_policy": "Local", "external_traffic_policy": "Local"},
    "portway affine": {"session_affinity_seconds": 10800},
}
_REFERENCES = ("bare", "one rule")
_COLUMNS = (*_REFERENCES, "floor", "peer", "kube-proxy", "portway")


Places = dict[tuple[int, str], Place]
"""By number of Services (0: those without any) and ruleset."""
Readings = dict[tuple[int, str, str], dict[str, list[float]]]
"""By number of Services, what was sent and the spread: microseconds a packet of each run, by column."""


def main() -> int:
    """Prints a table."""
    sizes = [int(size) for size in os.environ.get("SIZES", "10,1000,10000,30000").split(",")]
    chosen = {count: peer.services(count, 3, node_ports=True) for count in sizes}
    readings: Readings = {}
    with ExitStack() as stack:
        places: Places = {}
        for where, load in _loads(chosen).items():
            _progress(f"{where[1]} with {where[0]:,} Services is loaded")
            places[where] = stack.enter_context(standing(load))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for run in range(RUNS):
            _progress(f"run {run + 1} of {RUNS}")
            _references(places, readings, run)
            for count in sizes:
                for goal in GOALS:
                    for spread in SPREADS:
                        _new_connections(places, readings, (count, goal, spread), chosen[count], run)
        _open_connections(places, readings, chosen)
    _progress("")
    _report(_rows(readings))
    return 0


def _progress(text: str) -> None:
    print(f"\r{text:60}", end="" if text else "\r", file=sys.stderr, flush=True)


def _loads(chosen: dict[int, peer.Services]) -> "dict[tuple[int, str], Callable[[World, Namespace], None]]":
    loads: dict[tuple[int, str], Callable[[World, Namespace], None]] = {
        (0, "bare"): _inside_run(_nft, _BARE),
        (0, "one rule"): _inside_run(_nft, _ONE_RULE),
    }
    for count, some in chosen.items():
        loads[count, "floor"] = _inside_run(_nft, _FLOOR + "".join(_floor_elements(some)))
        for name, fields in _FLAVOURS.items():
            loads[count, name] = _inside_run(_adopt, some, fields)
        if synthetic.with_peer(some):
            loads[count, "peer"] = _inside_run(_nft, peer.text(some, (_NODE,)) + _PEER_CHECKS)
            if "kube-proxy" in kube_proxy.commands():
                loads[count, "kube-proxy"] = partial(_by_kube_proxy, some)
    return loads


def _floor_elements(chosen: peer.Services) -> Iterator[str]:
    for address, port, _, endpoints in chosen:
        yield f"add element ip floor frontends {{ {address} . {port} : goto three }}\n"
        slots = (f"{address} . {port} . {slot} : {endpoint} . 80" for slot, endpoint in enumerate(endpoints))
        yield f"add element ip floor endpoints {{ {', '.join(slots)} }}\n"


def _inside_run(function: Callable[..., None], *arguments: object) -> "Callable[[World, Namespace], None]":
    return lambda _world, node: node.run(function, *arguments)


def _by_kube_proxy(chosen: peer.Services, world: World, node: Namespace) -> None:
    """Its rules stay when it has ended."""
    with kube_proxy.serving(kube_proxy.commands()["kube-proxy"], chosen, world, node) as proxy:
        proxy.ready()


def _references(places: Places, readings: Readings, run: int) -> None:
    """To no Service in particular: they know none."""
    packets = Packets([_new(GOALS[0], peer.services(10, 1), n) for n in range(run * PACKETS, (run + 1) * PACKETS)])
    for name in _REFERENCES:
        places[0, name].node.run(forget_connections)
        _note(readings, (0, "new", ""), name, packets.send(places[0, name].door))


def _new_connections(
    places: Places, readings: Readings, what: tuple[int, Goal, str], chosen: peer.Services, run: int
) -> None:
    count, goal, spread = what
    reachable = [service for service in chosen if service[2] or not goal.node_port][: SPREADS[spread]]
    packets = Packets([_new(goal, reachable, n) for n in range(run * PACKETS, (run + 1) * PACKETS)])
    names = [name for name in goal.places if (count, name) in places]
    for name in names[run % len(names) :] + names[: run % len(names)]:
        places[count, name].node.run(forget_connections)
        seconds = packets.send(places[count, name].door)
        _note(readings, (count, f"new, {goal.name}", spread), "portway" if name in _FLAVOURS else name, seconds)


def _note(readings: Readings, what: tuple[int, str, str], column: str, seconds: float) -> None:
    readings.setdefault(what, {}).setdefault(column, []).append(seconds * 1e6 / PACKETS)


def _new(goal: Goal, reachable: Sequence[tuple[str, int, int, Sequence[str]]], number: int) -> bytes:
    """A SYN of a client of its own, to one Service after the other."""
    which = number * 7919 % len(reachable)
    address, port = goal.of(reachable[which])
    source = bytes((203, number >> 14 & 0xFF, number >> 6 & 0xFF, 1 + number % 64))
    return segment(source, socket.inet_aton(address), 1024 + number % 60000, port, SYN, number)


def _open_connections(places: Places, readings: Readings, chosen: dict[int, peer.Services]) -> None:
    """One connection to a clusterIP, opened by hand on both sides; then the same acknowledgement again and again."""
    wanted = (*_REFERENCES, *GOALS[0].places)
    packets: dict[tuple[int, str], Packets] = {}
    for (count, name), place in places.items():
        if name in wanted:
            place.node.run(forget_connections)
            dialled = chosen[count or min(chosen)][0]
            packets[count, name] = Packets([establish(place, "203.0.113.9", dialled[0], dialled[1])] * PACKETS)
    for _ in range(RUNS):
        for (count, name), some in packets.items():
            seconds = some.send(places[count, name].door)
            _note(readings, (count, "open, clusterIP" if count else "open", ""), name, seconds)


def _rows(readings: Readings) -> list[dict[str, Any]]:
    """Medians; what rulesets without Services take stands in every row."""
    medians = {
        what: {name: statistics.median(some) for name, some in columns.items()} for what, columns in readings.items()
    }
    return [
        {"services": count, "what": what, "spread": spread, **medians[0, what.partition(",")[0], ""], **columns}
        for (count, what, spread), columns in sorted(medians.items(), key=lambda item: (item[0][1:], item[0][0]))
        if count
    ]


def _report(rows: list[dict[str, Any]]) -> None:
    head = " ".join(f"{name:>10}" for name in _COLUMNS)
    print(f"{'':24} {'dialled':8} {'Services':>9} {head}   microseconds a packet")
    for row in rows:
        shown = " ".join(f"{row[name]:10.2f}" if row.get(name) else f"{'-':>10}" for name in _COLUMNS)
        print(f"{row['what']:24} {row['spread']:8} {row['services']:9} {shown}")
    synthetic.save("connect", rows)


def _nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def _adopt(chosen: peer.Services, fields: dict[str, Any]) -> None:
    kernel = KernelTable()
    kernel.adopt(compile(_table(chosen, fields)))
    kernel.close()


def _table(chosen: peer.Services, fields: dict[str, Any]) -> ForwardingTable:
    services: dict[tuple[str, str], Service] = {}
    slices: dict[tuple[str, str], EndpointSlice] = {}
    for number, (address, port, node_port, endpoints) in enumerate(chosen):
        key = "bench", f"s{number}"
        ports = (ServicePort("http", "TCP", port, 80, node_port),)
        services[key] = Service(*key, "NodePort" if node_port else "ClusterIP", ports, (address,), **fields)
        members = tuple(Endpoint(a, "node-1") for a in endpoints)
        slices[key] = EndpointSlice(*key, key[1], (EndpointPort("http", "TCP", 80),), members)
    config = ProxyConfig("node-1", (_NODE,), (_NODE,), local_detector=LocalDetector(cidrs=("10.128.0.0/9",)))
    return compute(Snapshot(services, slices), config)


if __name__ == "__main__":
    raise SystemExit(main())
