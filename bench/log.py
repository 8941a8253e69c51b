"""What the access log costs each new connection.

    make bench-log       RUNS=20 CONNECTIONS=500 STORM=5000 make bench-log

A client opens connections one after the other through a node to a pod behind a nodePort, is answered, and closes. The
nodes have the same rules; they take turns, in another order each run; medians of all runs. Compared:

off      no log: connection tracking neither counts bytes nor remembers times, and nobody listens
on       the log is kept, as the fleet keeps it: counted, timed, each end an event, each record a line of a file
states   the same, and the kernel tells every state of a connection too (so that its end could be known at once)

In microseconds a connection:

wall     what the client waits, from connect to the end, on one processor together with the pod
path     what client and pod take of that processor, with the kernel's work for them: what a new connection costs
agent    what the agent takes of the other one to make and write a record, in a storm without a pause
looks    and what part of a processor its looks at all flows take (one a second; at most a twentieth)
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from msgspec import Struct

from bench import synthetic
from portway.agent.accesslog import AccessLog
from portway.agent.config import LOG_GROUP, LogConfig
from portway.agent.ct_events import only_translated
from portway.agent.netlink import Netlink
from portway.agent.table import KernelTable
from portway.fleet.wiring import ONE_CLOCK, write_sysctls
from portway.forwarding import ForwardingTable, compute
from portway.model import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    LocalDetector,
    Pod,
    ProxyConfig,
    Service,
    ServicePort,
    Snapshot,
)
from portway.nftables import compile
from portway.testing.netns import Namespace, World

RUNS = int(os.environ.get("RUNS", "20"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "500"))
STORM = int(os.environ.get("STORM", "5000"))
PATIENCE = 120.0
"""Seconds until the last record must be there."""
_NODE_PORT, _PORT = 30080, 8080
_CLOSED_SECONDS = 1
_UPDATES = 1 << (2 - 1)
"""NFNLGRP_CONNTRACK_UPDATE as a bit of the groups to listen to."""
_VARIANTS = ("off", "on", "states")


class Place(Struct):
    """One node, whom it is reached by, and who works for it."""

    name: str
    client: Namespace
    folder: Path
    address: str
    pod: int
    """The process id of the pod's server."""
    agent: int
    """And the agent's; 0 where there is none."""

    @property
    def records(self) -> int:
        """Lines of the log."""
        path = self.folder / "log.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> int:
    """Prints a table."""
    with ExitStack() as stack:
        places = [stack.enter_context(_place(number, name)) for number, name in enumerate(_VARIANTS)]
        for place in places:
            place.client.run(_connect, place.address, 50)
        pods = {place.name: _cpu(place.pod)[0] for place in places}
        walls: dict[str, list[float]] = {name: [] for name in _VARIANTS}
        clients: dict[str, list[float]] = {name: [] for name in _VARIANTS}
        for run in range(RUNS):
            turn = run % len(places)
            for place in places[turn:] + places[:turn]:
                wall, cpu = place.client.run(_connect, place.address, CONNECTIONS)
                walls[place.name].append(wall)
                clients[place.name].append(cpu)
        rows = [
            {
                "what": place.name,
                "wall": statistics.median(walls[place.name]),
                "client": statistics.median(clients[place.name]),
                "pod": (_cpu(place.pod)[0] - pods[place.name]) * 1e6 / (RUNS * CONNECTIONS),
            }
            for place in places
        ]
        for row, place in zip(rows, places, strict=True):
            row["agent"], row["looks"] = _storm(place) if place.agent else (0.0, 0.0)
    _report(rows)
    return 0


def _storm(place: Place) -> tuple[float, float]:
    """Of many connections without a pause, until the last is in the log: microseconds that the agent takes for one, and
    the part of a processor that its looks at all flows take meanwhile (those of a busier machine are more).
    """
    _wait_for(lambda: place.records >= RUNS * CONNECTIONS, "all records")
    before, known, began = _cpu(place.agent), place.records, time.monotonic()
    place.client.run(_connect, place.address, STORM)
    _wait_for(lambda: place.records >= known + STORM, "the storm's records")
    main, looks = (now - then for now, then in zip(_cpu(place.agent), before, strict=True))
    return main * 1e6 / STORM, looks / (time.monotonic() - began)


def _report(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["path"] = row["client"] + row["pod"]
        row["cpu"] = row["path"] + row["agent"]
        for name in ("wall", "path", "cpu"):
            row[f"{name} ratio"] = row[name] / rows[0][name]
    print(f"{'log':8} {'wall':>8} {'':6} {'path':>8} {'':6} {'agent':>8} {'all CPU':>8} {'':6} {'looks':>7}")
    for row in rows:
        wall, path, cpu = (f"{row[name]:8.1f} {row[f'{name} ratio']:5.2f}x" for name in ("wall", "path", "cpu"))
        print(f"{row['what']:8} {wall} {path} {row['agent']:8.1f} {cpu} {row['looks']:7.1%}")
    synthetic.save("log", rows)


@contextmanager
def _place(number: int, name: str) -> Iterator[Place]:
    with World() as world, tempfile.TemporaryDirectory() as folder:
        client, node, pod = (world.namespace(one) for one in ("client", "node", "pod"))
        world.connect(client, "eth0", node, "eth0")
        world.connect(node, "pod0", pod, "eth0")
        node.write("/proc/sys/net/ipv4/ip_forward", "1")
        for end in (client, pod):
            end.run(write_sysctls, ONE_CLOCK)
        _ip(client, "addr add 172.30.0.1/24 dev eth0")
        _ip(node, "addr add 172.30.0.2/24 dev eth0", "addr add 10.244.0.1/24 dev pod0")
        _ip(pod, "addr add 10.244.0.2/24 dev eth0", "route add default via 10.244.0.1")
        node.run(_load, _table(name != "off"))
        server = world.spawn(pod, _serve)
        agent = world.spawn(node, _keep, name, Path(folder)) if name != "off" else 0
        made = Place(name, client, Path(folder), "172.30.0.2", server, agent)
        _wait_for(lambda: client.run(_answers, made.address) and (not agent or made.records > 0), "a first record")
        yield made


def _ip(place: Namespace, *lines: str) -> None:
    place.command("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))


def _table(logging: bool) -> ForwardingTable:
    """One Service, as all others would cost the same."""
    ports = (ServicePort("http", "TCP", 80, _PORT, _NODE_PORT),)
    members = (Endpoint("10.244.0.2", "node-1", target="pod"),)
    snapshot = Snapshot(
        {("bench", "web"): Service("bench", "web", "NodePort", ports, ("10.96.0.10",))},
        {("bench", "web"): EndpointSlice("bench", "web", "web", (EndpointPort("http", "TCP", _PORT),), members)},
    )
    config = ProxyConfig(
        "node-1", ("172.30.0.2",), ("172.30.0.2",),
        local_detector=LocalDetector(cidrs=("10.244.0.0/16",)),
        log_group=LOG_GROUP if logging else 0,
        node_port_range=(30000, 32767) if logging else (0, 0),
    )  # fmt: skip
    return compute(snapshot, config)


def _load(table: ForwardingTable) -> None:
    kernel = KernelTable()
    kernel.adopt(compile(table))
    kernel.close()


def _serve() -> None:
    """A pod: answers and closes."""
    _pin(0)
    door = socket.create_server(("", _PORT), backlog=128)
    while True:
        connection, _ = door.accept()
        connection.send(b"hello")
        connection.close()


def _connect(address: str, count: int) -> tuple[float, float]:
    """So many connections, one after the other: microseconds of each, waited and taken of a processor."""
    _pin(0)
    began, cpu = time.perf_counter(), time.thread_time()
    for _ in range(count):
        with socket.create_connection((address, _NODE_PORT)) as one:
            while one.recv(100):
                pass
    return (time.perf_counter() - began) * 1e6 / count, (time.thread_time() - cpu) * 1e6 / count


def _answers(address: str) -> bool:
    try:
        _connect(address, 1)
    except OSError:
        return False
    return True


def _keep(name: str, folder: Path) -> None:
    """Be the agent's log."""
    _pin(1)
    asyncio.run(_kept(name, folder))


async def _kept(name: str, folder: Path) -> None:
    table = _table(True)
    log = AccessLog(LogConfig(str(folder / "log.jsonl"), closed_seconds=_CLOSED_SECONDS), "node-1")
    log.put_proxy(table.config)
    log.put_contributions(table.contributions)
    log.put_pod(("bench", "pod"), Pod("bench", "pod", ("10.244.0.2",), "node-1"))
    if name == "states":
        states = Netlink(groups=_UPDATES)
        states.attach_filter(only_translated())
        asyncio.get_running_loop().add_reader(states, _discard, states)
    await log.run()


def _discard(states: Netlink) -> None:
    """As cheap as taking them can be: nothing is read from them."""
    with suppress(OSError):
        while states.received():
            pass


def _pin(number: int) -> None:
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[number % len(processors)]})


def _cpu(pid: int) -> tuple[float, float]:
    """Seconds that a process's first thread, and its others, took of a processor; 0 for no process."""
    tasks = Path(f"/proc/{pid}/task").iterdir() if pid else ()
    taken = {task.name: int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}
    return taken.get(str(pid), 0.0), sum(taken.values()) - taken.get(str(pid), 0.0)


def _wait_for(wanted: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not there after {PATIENCE:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
