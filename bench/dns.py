"""What an answer costs: the nameserver's processor time a query, its rate and its latency, beside dnsmasq's.

    make bench-dns       SIZES=100x1,1000x1 RUNS=5 QUERIES=40000 make bench-dns       PEER=0: without dnsmasq

Both serve the same names from memory at a port of this machine's loopback, on the first processor; one client, on the
last, keeps 64 queries under way. They take turns; medians of all runs. dnsmasq (Debian: dnsmasq-base) reads the names
from a hosts file and is left out, with a word, where it is not installed. Readings:

one name    the A record of one Service, again and again: from memory
all names   the A records of all Services in turn
anew        the same, spelt otherwise each time (0x20), as after a change anywhere: no response was remembered
no name     names that do not exist, each asked once: nothing that was remembered helps
search      the same, as ndots:5 makes them: hosts of others' domains, below the search list's first entry
state       how long the zone takes to build of its documents, and what the process holds then and once all were asked
change      one endpoint of a Service comes or goes, and the Service is asked for: the whole of it
"""

import asyncio
import gc
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

# Not this folder: its dns.py would be taken for dnspython.
sys.path[0] = str(Path(__file__).resolve().parents[1])
# ruff: noqa: E402

from bench import peer, synthetic
from portway.dns import Message, Question, Zone, answer, decode, from_text, write
from portway.dns.quick import Quick
from portway.nameserver.desk import Desk
from portway.nameserver.routes import Routes
from portway.nameserver.udp import UdpDoor
from portway.nameserver.upstream import Upstream

RUNS = int(os.environ.get("RUNS", "5"))
QUERIES = int(os.environ.get("QUERIES", "40000"))
_UNDER_WAY = 64
_ALONE = 2000
"""Queries of which one at a time is under way, for the latency."""
_CHANGES = 500
_ADDRESS = "127.0.0.1"
_KINDS = ("one name", "all names", "anew", "no name", "search")
_ONCE = ("anew", "no name", "search")

Row = dict[str, Any]


def main() -> int:
    """Measures all sizes and prints a table."""
    rows: list[Row] = []
    dnsmasq = None if os.environ.get("PEER") == "0" else shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin")
    if dnsmasq is None:
        print("without dnsmasq: it is not installed (Debian: dnsmasq-base), or PEER=0 says so", file=sys.stderr)
    for count, endpoints in synthetic.sizes("100x1,1000x1,10000x1,100000x1"):
        rows += _size(peer.services(count, endpoints), dnsmasq)
    _print(rows)
    synthetic.save("dns", rows)
    return 0


def _size(chosen: peer.Services, dnsmasq: str | None) -> Iterator[Row]:
    with ExitStack() as stack:
        places = {"portway": stack.enter_context(_child(lambda door: asyncio.run(_serve(chosen, door))))}
        if dnsmasq is not None:
            places["dnsmasq"] = stack.enter_context(_dnsmasq(dnsmasq, chosen))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        readings: dict[tuple[str, str], list[Row]] = {}
        for run in range(RUNS):
            for kind in _KINDS:
                packets = _queries(kind, len(chosen), run)
                for name in list(places)[:: 1 if run % 2 else -1]:
                    readings.setdefault((name, kind), []).append(_measure(*places[name], packets, kind not in _ONCE))
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for kind in _KINDS:
        yield _row(len(chosen), kind, {name: _median(readings[name, kind]) for name in places})
    yield {"services": len(chosen), "reading": "change", "portway cpu": _change(chosen)}
    yield {"services": len(chosen), "reading": "state"} | _apart(lambda: _state(chosen))


def _row(services: int, kind: str, found: dict[str, Row]) -> Row:
    row = {"services": services, "reading": kind}
    row |= {f"{name} {what}": value for name, values in found.items() for what, value in values.items()}
    if "dnsmasq" in found:
        row |= {f"{what} ratio": found["portway"][what] / found["dnsmasq"][what] for what in ("cpu", "rate", "p50")}
    return row


def _zone(chosen: peer.Services) -> Zone:
    zone = Zone()
    zone.namespace("bench", True)
    for one in synthetic.service_bytes(chosen):
        zone.service(None, decode.service(json.loads(one)))
    for one in synthetic.slice_bytes(chosen):
        zone.endpoint_slice(None, decode.endpoint_slice(json.loads(one)))
    return zone


async def _serve(chosen: peer.Services, door: socket.socket) -> None:
    UdpDoor(door, Desk(_zone(chosen), Upstream(Routes(list))))
    await asyncio.Event().wait()


@contextmanager
def _child(serve: Callable[[socket.socket], object]) -> Iterator[tuple[int, int]]:
    """A process that serves at a socket: (its id, the port)."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind((_ADDRESS, 0))
    port = door.getsockname()[1]
    pid = os.fork()
    if not pid:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        serve(door)
        os._exit(0)
    door.close()
    try:
        _wait_until_it_answers(port)
        yield pid, port
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def _dnsmasq(program: str, chosen: peer.Services) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        hosts = Path(folder, "hosts")
        hosts.write_text("".join(f"{one[0]} s{n}.bench.svc.cluster.local\n" for n, one in enumerate(chosen)))
        Path(folder).chmod(0o755)
        hosts.chmod(0o644)
        port = _free_port()
        command = [
            "taskset", "-c", str(min(os.sched_getaffinity(0))), program, "--keep-in-foreground",
            "--conf-file=/dev/null",
            f"--port={port}", f"--listen-address={_ADDRESS}", "--bind-interfaces", "--no-resolv", "--no-hosts",
            f"--addn-hosts={hosts}", "--local=/cluster.local/", "--local-ttl=30", "--pid-file=", "--user=", "--group=",
        ]  # fmt: skip
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(port)
            yield running.pid, port
        finally:
            running.kill()
            running.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((_ADDRESS, 0))
        found: int = probe.getsockname()[1]
        return found


def _wait_until_it_answers(port: int) -> None:
    with _client(port, 0.2) as client:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError):
                client.send(_queries("one name", 1, 0)[0])
                client.recv(512)
                return
            time.sleep(0.05)
    raise SystemExit(f"nobody answers at {_ADDRESS}:{port} within a minute")


def _client(port: int, patience: float) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect((_ADDRESS, port))
    made.settimeout(patience)
    return made


def _queries(kind: str, services: int, run: int) -> list[bytes]:
    chance = random.Random(run)
    once = range(QUERIES + _ALONE)
    names = {
        "one name": ["s0"],
        "all names": [f"s{n * 7919 % services}" for n in range(services)],
        "anew": [f"s{n * 7919 % services}" for n in once],
        "no name": [f"n{run}-{n}" for n in once],
        "search": [f"www.n{run}-{n}.example.com" for n in once],
    }[kind]
    whole = [f"{name}.bench.svc.cluster.local" for name in names]
    return [_query(_spelt(name, chance) if kind == "anew" else name, n) for n, name in enumerate(whole)]


def _spelt(name: str, chance: random.Random) -> str:
    bits = chance.getrandbits(len(name))
    return "".join(letter.upper() if bits >> at & 1 else letter for at, letter in enumerate(name))


def _query(name: str, ident: int) -> bytes:
    return write(Message(id=ident & 0xFFFF, recursion_desired=True, questions=(Question(from_text(name), 1),)))


def _measure(pid: int, port: int, packets: Sequence[bytes], repeats: bool) -> Row:
    with _client(port, 10.0) as client:
        if repeats:
            _send(client, packets, max(2000, len(packets)), _UNDER_WAY)
        before, began = _cpu(pid), time.perf_counter()
        lost = _send(client, packets, QUERIES, _UNDER_WAY)
        seconds, spent = time.perf_counter() - began, _cpu(pid) - before
        waits = sorted(_alone(client, packets[-n % len(packets)]) for n in range(_ALONE))
    return {
        "cpu": spent / QUERIES * 1e6,
        "rate": (QUERIES - lost) / seconds,
        "p50": waits[_ALONE // 2] * 1e6,
        "p99": waits[_ALONE * 99 // 100] * 1e6,
        "lost": lost,
    }


def _send(client: socket.socket, packets: Sequence[bytes], count: int, under_way: int) -> int:
    """How many of `count` queries got no answer."""
    size, lost = len(packets), 0
    for start in range(0, count, under_way):
        batch = range(start, min(start + under_way, count))
        for n in batch:
            client.send(packets[n % size])
        for missing in range(len(batch), 0, -1):
            try:
                client.recv(512)
            except TimeoutError:
                lost += missing
                break
    return lost


def _alone(client: socket.socket, packet: bytes) -> float:
    began = time.perf_counter()
    client.send(packet)
    client.recv(512)
    return time.perf_counter() - began


def _cpu(pid: int) -> float:
    """Seconds that it has run (man 5 proc: schedstat's first number, nanoseconds)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _median(found: Sequence[Row]) -> Row:
    return {key: statistics.median(row[key] for row in found) for key in found[0]}


def _change(chosen: peer.Services) -> float:
    """Microseconds from one change of one Service to the answer for it, without the network."""
    zone = _zone(chosen)
    changes = [synthetic.changed(chosen, n) for n in range(_CHANGES)]
    slices = [decode.endpoint_slice(json.loads(one)) for one in changes]
    known = {one.name: one for one in (decode.endpoint_slice(json.loads(s)) for s in synthetic.slice_bytes(chosen))}
    questions = [Question(from_text(f"{one.service}.bench.svc.cluster.local"), 1) for one in slices]
    began = time.perf_counter()
    for new, question in zip(slices, questions, strict=True):
        zone.endpoint_slice(known[new.name], new)
        known[new.name] = new
        answer(zone, question)
    return (time.perf_counter() - began) / _CHANGES * 1e6


def _apart(measure: Callable[[], Row]) -> Row:
    """What a process of its own finds, which starts as small as this one is."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, json.dumps(measure()).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as said:
        found: Row = json.loads(said.read())
    os.waitpid(pid, 0)
    return found


def _state(chosen: peer.Services) -> Row:
    before, began = _resident(), time.process_time()
    zone = _zone(chosen)
    built, seconds = _resident(), time.process_time() - began
    desk = Quick(zone)
    for packet in _queries("all names", len(chosen), 0):
        desk.respond(packet, False, 0)
    return {"build": seconds, "zone mb": built - before, "asked mb": _resident() - before}


def _resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _print(rows: Sequence[Row]) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {RUNS} runs of {QUERIES} queries, medians")
    for row in rows:
        print(f"{row['services']:6} Services, {row['reading']:9} ", _told(row))


def _told(row: Row) -> str:
    if row["reading"] == "state":
        held = f"{row['zone mb']:.1f} MB then, {row['asked mb']:.1f} MB when all were asked"
        return f"portway {row['build']:.2f} s to build, {held}"
    if row["reading"] == "change":
        return f"portway {row['portway cpu']:5.1f} µs"
    lines = [
        f"{name} {row[f'{name} cpu']:5.1f} µs a query, {row[f'{name} rate']:7,.0f}/s, "
        f"p50 {row[f'{name} p50']:3.0f} µs, p99 {row[f'{name} p99']:5,.0f} µs, {row[f'{name} lost']:.0f} lost"
        for name in ("portway", "dnsmasq")
        if f"{name} cpu" in row
    ]
    if "cpu ratio" in row:
        lines.append(f"ratio: CPU {row['cpu ratio']:.2f}, rate {row['rate ratio']:.2f}, p50 {row['p50 ratio']:.2f}")
    return f"\n{' ' * 28}".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
