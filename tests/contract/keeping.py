"""An access log that is kept on node-1, and clients who remember what they did."""

import asyncio
import errno
import json
import logging
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import time_ns
from typing import Any

from msgspec import Struct

from portway.accesslog import Record
from portway.accesslog.lines import record_of
from portway.agent.accesslog import AccessLog
from portway.agent.config import LOG_GROUP, LogConfig
from portway.agent.metrics import Tally, exposition
from portway.agent.netlink import ACK, REQUEST, Netlink, message
from portway.agent.table import KernelTable
from portway.forwarding import ForwardingTable, compute
from portway.model import Pod, ProxyConfig, Snapshot
from portway.nftables import compile
from tests.contract.cluster import PODS, pod_address

CLOSED_SECONDS = 1


class Keeper(Struct, frozen=True):
    """What a process that keeps the log is told, and where it leaves what it does."""

    folder: Path
    table: ForwardingTable
    buffer: int = 64 << 20
    """Bytes that a netlink socket asks to have room for."""

    @property
    def log(self) -> Path:
        """The log."""
        return self.folder / "node-1.jsonl"

    @property
    def said(self) -> str:
        """What the process said."""
        return (self.folder / "said").read_text()

    def records(self) -> list[Record]:
        """What is in the log."""
        lines = self.log.read_bytes().split(b"\n")[:-1] if self.log.exists() else []
        found = [record_of(line) for line in lines]
        assert None not in found, "every line is a record"
        return [record for record in found if record]

    def metrics(self) -> str:
        """As they were last, for Prometheus."""
        path = self.folder / "metrics"
        return path.read_text() if path.exists() else ""

    def run(self) -> None:
        """Be that process."""
        said = (self.folder / "said").open("a", buffering=1)
        os.dup2(said.fileno(), 2)
        logging.basicConfig(level=logging.INFO, stream=said, format="%(message)s", force=True)
        vars(sys.modules["portway.agent.netlink"])["_WANTED_BUFFER"] = self.buffer
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        kept = AccessLog(LogConfig(str(self.log), closed_seconds=CLOSED_SECONDS), "node-1")
        kept.put_proxy(self.table.config)
        kept.put_contributions(self.table.contributions)
        for name, (node, _, _) in PODS.items():
            addresses = tuple(pod_address(name, family) for family in ("IPv4", "IPv6"))
            kept.put_pod(("shop", name), Pod("shop", name, addresses, node))
        running = asyncio.create_task(kept.run())
        while not running.done():
            await asyncio.sleep(0.2)
            self._show(kept)
        await running

    def _show(self, kept: AccessLog) -> None:
        tally = Tally()
        tally.services = kept.counters
        draft = self.folder / "metrics.new"
        draft.write_text(exposition(tally)[0])
        draft.replace(self.folder / "metrics")


class Client(Struct, frozen=True, order=True):
    """One TCP connection as its client saw it."""

    port: int
    """Its own."""
    pod: str
    begun: int
    """Nanoseconds since 1970."""
    ended: int


def connect_often(address: str, port: int, count: int) -> list[Client]:
    """So many connections one after the other, each read to its end and closed."""
    return [_connect(address, port) for _ in range(count)]


def _connect(address: str, port: int) -> Client:
    begun = time_ns()
    with closing(socket.create_connection((address, port), timeout=60)) as client:
        own = client.getsockname()[1]
        said = b"".join(iter(lambda: client.recv(200), b""))
    return Client(own, said.decode().partition(" ")[0], begun, time_ns())


def connect_until(path: Path, address: str, port: int, stop: Path) -> None:
    """Connections without pause, written down one a line, until there is such a file."""
    with path.open("w", buffering=1) as lines:
        while not stop.exists():
            one = _connect(address, port)
            lines.write(json.dumps([one.port, one.pod, one.begun, one.ended]) + "\n")


def clients(path: Path) -> Iterator[Client]:
    """What was written down."""
    for line in path.read_text().splitlines():
        yield Client(*json.loads(line))


def exchange(address: str, port: int, sizes: list[int], answered: bool = True) -> tuple[int, int, int]:
    """Datagrams of these sizes by one UDP socket, each answered or none: (own port, bytes of answers, answers)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(60)
        asking.connect((address, port))
        answers = []
        for size in sizes:
            asking.send(b"?" * size)
            answers += [asking.recv(200)] if answered else []
        return asking.getsockname()[1], sum(map(len, answers)), len(answers)


def load(table: ForwardingTable) -> None:
    """Program the table of the namespace that this runs in; what connection tracking knows is forgotten."""
    kernel = KernelTable()
    kernel.adopt(compile(table))
    kernel.close()
    netlink = Netlink()
    for family in (socket.AF_INET, socket.AF_INET6):
        netlink.send(message(1 << 8 | 2, REQUEST | ACK, netlink.next_sequence(), bytes([family, 0, 0, 0])))
    netlink.close()


def meter(port: int) -> str:
    """nft's text that counts, on its side of the wire, what a client sends to that port and gets from there."""
    return f"""
table inet witness {{
  counter sent {{ }}
  counter got {{ }}
  chain going {{ type filter hook output priority 0; th dport {port} counter name sent; }}
  chain coming {{ type filter hook input priority -200; th sport {port} counter name got; }}
}}
"""


def metered(listed: str) -> dict[str, tuple[int, int]]:
    """(packets, bytes) by direction, of `nft -j list counters`."""
    found: dict[str, Any] = {}
    for item in json.loads(listed)["nftables"]:
        if counter := item.get("counter"):
            found[counter["name"]] = (counter["packets"], counter["bytes"])
    return found


def hold_open(address: str, port: int, count: int, stop: Path) -> None:
    """Connections that are closed when there is such a file."""
    held = [socket.create_connection((address, port), timeout=60) for _ in range(count)]
    _wait_for(stop)
    for one in held:
        one.close()


def listen(port: int, stop: Path, ready_file: Path) -> None:
    """A process of the node's own that says hello at that port until there is such a file.

    It makes `ready_file` when it can.
    """
    tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(("::", port))
    ready_file.touch()
    while not stop.exists():
        ready, _, _ = select.select([tcp, udp], [], [], 0.05)
        if tcp in ready:
            with closing(tcp.accept()[0]) as connection:
                connection.sendall(b"hello")
        if udp in ready:
            udp.sendto(b"hello", udp.recvfrom(100)[1])


def refused(address: str, port: int) -> bool:
    """Whether a client is told that nobody listens there."""
    with socket.socket() as asking:
        return asking.connect_ex((address, port)) == errno.ECONNREFUSED


def _wait_for(file: Path) -> None:
    while not file.exists():
        select.select([], [], [], 0.05)


def compute_table(objects: Snapshot, config: ProxyConfig) -> ForwardingTable:
    """What node-1 does with these objects."""
    return compute(objects, config)


LOGGED = LOG_GROUP
