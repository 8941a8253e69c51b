"""What a packet pays for policies: the first packet of a new connection, and a packet of an open one.

    make bench-policy-packets        SIZES=10000x1000 RUNS=15 make bench-policy-packets       PEER=0: no peer

As bench/connect.py measures Services: frames by the hundred, the kernel's own time, all rulesets stand at once and take
turns, medians of all runs. Packets go from pods of other nodes to pods of this one. Compared:

bare         no rules but connection tracking
none         our rules for policies, and no policy: pods are known, and that is all
unselected   ours with all policies, to pods that none selects
portway      ours with all policies, to pods that they select and by rules that let them in
peer         a chain for each policy (bench/policy_peer.py), the same packets
"""

import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import policy_peer, synthetic
from bench import synthetic_policies as cluster
from bench.wire import SYN, Packets, Place, establish, forget_connections, segment, standing
from portway.agent.table import KernelTable
from portway.model import Connection, PolicySnapshot
from portway.nftables import PolicyConfig, PolicyProgram
from portway.policy import PolicyTable, compile, verdict
from portway.testing.netns import Namespace, World

RUNS = int(os.environ.get("RUNS", "30"))
PACKETS = 1000
"""Of a run, each its own connection."""
_BARE = "table ip bare { chain a { type filter hook prerouting priority 0; ct state invalid counter; }; }"
_COLUMNS = ("bare", "none", "unselected", "portway", "peer")
_PORT = 8080
Pair = tuple[str, str]
"""A client's address and a server's."""
Size = tuple[int, int]


class _Case:
    """One ruleset at one size, and the connections that it lets in."""

    def __init__(self, size: Size, column: str, place: Place, pairs: list[Pair]) -> None:
        self.size, self.column, self.place = size, column, place
        self.readings: dict[str, list[float]] = {"new": [], "open": []}
        self._pairs = pairs
        self._open: Packets | None = None

    def new(self, run: int) -> None:
        """Send first packets, each a connection of its own."""
        self.place.node.run(forget_connections)
        numbers = range(run * PACKETS, (run + 1) * PACKETS)
        self._note("new", Packets([_first(self._pairs[n % len(self._pairs)], n) for n in numbers]))

    def open(self) -> None:
        """Send packets of one open connection."""
        if self._open is None:
            self.place.node.run(forget_connections)
            self._open = Packets([establish(self.place, *self._pairs[0], _PORT)] * PACKETS)
        self._note("open", self._open)

    def _note(self, what: str, packets: Packets) -> None:
        self.readings[what].append(packets.send(self.place.door) * 1e6 / PACKETS)


def main() -> int:
    """Prints a table."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        cases = [case for size in synthetic.sizes("1000x100,10000x1000") for case in _cases(stack, *size)]
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for run in range(RUNS):
            for case in cases[run % len(cases) :] + cases[: run % len(cases)]:
                case.new(run)
        for _ in range(RUNS):
            for case in cases:
                case.open()
    for what in ("new", "open"):
        for size in dict.fromkeys(case.size for case in cases):
            own = {case.column: statistics.median(case.readings[what]) for case in cases if case.size == size}
            rows.append({"what": what, "pods": size[0], "policies": size[1], **own})
    _report(rows)
    return 0


def _report(rows: list[dict[str, Any]]) -> None:
    print(f"{'':6} {'pods':>7} {'policies':>8} {' '.join(f'{name:>10}' for name in _COLUMNS)}   microseconds a packet")
    for row in rows:
        shown = " ".join(f"{row[name]:10.2f}" if name in row else f"{'-':>10}" for name in _COLUMNS)
        print(f"{row['what']:6} {row['pods']:7} {row['policies']:8} {shown}")
    synthetic.save("policy-packets", rows)


def _cases(stack: ExitStack, pods: int, policies: int) -> Iterator[_Case]:
    known = policy_peer.snapshot(pods, policies)
    table, unguarded = compile(known, cluster.NODE), _without_policies(pods)
    selected, others = _pairs(known, table, True), _pairs(known, table, False)
    loads = {
        "bare": (partial(_nft, _BARE), selected),
        "none": (partial(_adopt, unguarded), selected),
        "unselected": (partial(_adopt, table), others),
        "portway": (partial(_adopt, table), selected),
    }
    if os.environ.get("PEER") != "0":
        loads["peer"] = (partial(_nft, policy_peer.text(known)), selected)
    for column, (load, pairs) in loads.items():
        place = stack.enter_context(standing(partial(_inside, load)))
        yield _Case((pods, policies), column, place, pairs)


def _inside(load: "partial[None]", _world: World, node: Namespace) -> None:
    node.run(load)


def _without_policies(pods: int) -> PolicyTable:
    return compile(policy_peer.snapshot(pods, 0), cluster.NODE)


def _pairs(known: PolicySnapshot, table: PolicyTable, judged: bool) -> list[Pair]:
    """Pods of other nodes and pods of this one, whom policies select or not, where the connection is allowed."""
    servers = [address for address, constrained in table.pods.items() if constrained.ingress == judged]
    clients = [pod.addresses[0] for pod in known.pods.values() if pod.node_name != cluster.NODE]
    found = (
        (client, server)
        for number, server in enumerate(servers)
        for client in clients[number::37]
        if verdict(table, Connection(client, server, "TCP", _PORT))
    )
    chosen = [pair for pair, _ in zip(found, range(4000), strict=False)]
    assert chosen, "somebody may talk to somebody"
    return chosen


def _first(pair: Pair, number: int) -> bytes:
    client, server = map(socket.inet_aton, pair)
    return segment(client, server, 1024 + number % 60000, _PORT, SYN, number)


def _adopt(table: PolicyTable) -> None:
    program, kernel = PolicyProgram(PolicyConfig((cluster.POD_CIDR,), "exit*")), KernelTable()
    program.load(table)
    kernel.adopt(program.ruleset)
    kernel.close()


def _nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
