"""What a door costs a request, and what it costs to change: HAProxy as an engine beside the same HAProxy with a file
written by hand (one that only passes on, one that routes, forwards and logs alike), and the built-in router.

    make bench-ingress        SECONDS=5 ROUNDS=3 HOSTS=1,1000 JSON=out.json make bench-ingress

wrk asks over 32 kept connections, for answers of 1 kB of 50 endpoints (HAProxy's own `return`); doors take turns in
every round, and a row is the median of its rounds. `h2`: the same asked by h2load in HTTP/2, eight requests at once on
each of as many connections; `h2 both ways`: pods are asked in HTTP/2, too; left out where h2load is not installed.
CPU is what the door's processes take for a request, the reading of HAProxy's log by our own process told apart.
`churn` is the same while endpoints come and go at CHANGES a second. Ratios are to the file by hand that does the same.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from msgspec.structs import replace

from bench import synthetic
from portway.gateway.engine import Applied, Door
from portway.gateway.run import engine_of
from portway.routing.table import Endpoint, Pool, Route, RouteTable, VirtualHost, WeightedBackend
from portway.testing.doors import key_of, listener, pool, prefix

PORT, BACKEND_PORT = 18980, 18990
CONNECTIONS, ENDPOINTS = 32, 50
TOGETHER = 0.02
"""Seconds in which changes come together, as in `portway gateway`."""
SECONDS = int(os.environ.get("SECONDS", "5"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
HOSTS = [int(number) for number in os.environ.get("HOSTS", "1,1000").split(",")]
CHANGES = int(os.environ.get("CHANGES", "1000"))
_BACKENDS = f"""
global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend pods
  bind :{BACKEND_PORT}
  http-request return status 200 content-type text/plain string {"x" * 1024}
"""
_PLAIN = f"""
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend door
  bind 127.0.0.1:{PORT}
  option forwardfor
  default_backend web
backend web
  balance roundrobin
""" + "".join(f"  server s{number} 127.0.1.{number}:{BACKEND_PORT}\n" for number in range(1, ENDPOINTS + 1))
_ALIKE = _PLAIN.replace(
    "  option forwardfor\n  default_backend web\n",
    """  log 127.0.0.1:9 len 8192 local0
  option httplog
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  use_backend web if { req.hdr(host) -i h0.example } { path_beg /cart/ }
""",
)
_H2_PODS = re.sub(r"(  server .*)", r"\1 proto h2", _ALIKE)
_BY_HAND = {"HAProxy by hand, the least": _PLAIN, "HAProxy by hand, doing the same": _ALIKE}
_BY_HAND_H2 = {"HAProxy by hand, h2": _ALIKE, "HAProxy by hand, h2 both ways": _H2_PODS}
_STREAMS = 8
"""Requests at once on a connection of HTTP/2."""


class Line(NamedTuple):
    """Who is asked, and how."""

    engine: str
    """An engine's name, or a configuration of ours."""
    hosts: int = 0
    changes: int = 0
    http2: bool = False
    pods: Literal["http", "h2c"] = "http"


def main() -> int:
    """Measures all doors in turn."""
    if len(sys.argv) > 1:
        asyncio.run(_door(Line(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pods=sys.argv[4])))  # type: ignore[arg-type]
        return 0
    for needed in ("haproxy", "wrk"):
        if not shutil.which(needed):
            raise SystemExit(f"bench-ingress needs {needed}: apt-get install {needed}")
    with _haproxy(_BACKENDS):
        rows = [_medians(name, found) for name, found in _rounds().items()]
    bases = {False: rows[1], True: next((row for row in rows if row["what"] in _BY_HAND_H2), rows[1])}
    for row in rows:
        base = bases["h2" in row["what"]]
        row["rate ratio"], row["cpu ratio"] = row["rate"] / base["rate"], row["cpu"] / base["cpu"]
        print(
            f"{row['what']:34} {row['rate']:8,.0f}/s {row['rate ratio']:5.2f}  p50 {row['p50'] * 1e3:6.2f} ms  p99 "
            f"{row['p99'] * 1e3:7.2f} ms  {row['cpu'] * 1e6:6.1f} us/request {row['cpu ratio']:5.2f}  own "
            f"{row['own'] * 1e6:5.1f} us  {row['changes']:6,.0f} changes/s  failed {row['failed']:.0f}"
        )
    synthetic.save("ingress", rows)
    return 1 if any(row["failed"] for row in rows) else 0


Figures = dict[str, float]


def _lines() -> dict[str, Line]:
    lines = {name: Line(config) for name, config in _BY_HAND.items()}
    for engine in ("haproxy", "builtin"):
        for hosts in HOSTS:
            lines[f"{engine}, {hosts:,} host{'s' if hosts > 1 else ''}"] = Line(engine, hosts)
        lines[f"{engine}, churn"] = Line(engine, 1, CHANGES)
    if not shutil.which("h2load"):
        print("no lines of HTTP/2: h2load is missing (apt-get install nghttp2-client)", file=sys.stderr)
        return lines
    lines |= {name: Line(config, http2=True) for name, config in _BY_HAND_H2.items()}
    for engine in ("haproxy", "builtin"):
        lines[f"{engine}, h2"] = Line(engine, 1, http2=True)
        lines[f"{engine}, h2 both ways"] = Line(engine, 1, http2=True, pods="h2c")
    return lines


def _rounds() -> dict[str, list[Figures]]:
    lines = _lines()
    found: dict[str, list[Figures]] = {name: [] for name in lines}
    for number in range(ROUNDS):
        for name, line in lines.items():
            found[name].append(_by_engine(line) if line.hosts else _by_hand(line))
            print(f"round {number + 1}/{ROUNDS}: {name}: {found[name][-1]['rate']:,.0f}/s", file=sys.stderr)
    return found


def _medians(name: str, found: list[Figures]) -> dict[str, Any]:
    medians = {key: statistics.median(one[key] for one in found) for key in found[0]}
    return {"what": name, **medians, "failed": sum(one["failed"] for one in found)}


def _by_hand(line: Line) -> Figures:
    with _haproxy(line.engine) as process:
        return _asked(line, [process.pid], [])


def _by_engine(line: Line) -> Figures:
    command = [sys.executable, __file__, line.engine, str(line.hosts), str(line.changes), line.pods]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as door:
        assert door.stdin is not None and door.stdout is not None
        try:
            assert door.stdout.readline() == "ready\n"
            children = _children(door.pid)
            figures = _asked(line, [door.pid, *children], [door.pid] if children else [])
        finally:
            door.stdin.close()
        figures["changes"] = json.loads(door.stdout.readline())["rate"]
        return figures


def _asked(line: Line, processes: list[int], own: list[int]) -> Figures:
    """The client's figures, and the CPU time of these processes; `own` of them only read the log."""
    ask = _h2load if line.http2 else _wrk
    ask(1)
    before, own_before = _cpu(processes), _cpu(own)
    figures = ask(SECONDS)
    spent, own_spent = _cpu(processes) - before, _cpu(own) - own_before
    requests = figures.pop("requests")
    return {**figures, "cpu": (spent - own_spent) / requests, "own": own_spent / requests, "changes": 0.0}


_URL = f"http://127.0.0.1:{PORT}/cart/items"


def _wrk(seconds: int) -> Figures:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-H", "Host: h0.example", f"-d{seconds}s", _URL]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    failed = sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", said))
    return {
        "requests": int(_found(r"(\d+) requests in", said)),
        "rate": float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        "p50": _seconds(_found(r"\n +50%\s+(\S+)", said)),
        "p99": _seconds(_found(r"\n +99%\s+(\S+)", said)),
        "failed": float(failed),
    }


def _h2load(seconds: int) -> Figures:
    with tempfile.NamedTemporaryFile("r") as log:
        command = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-m{_STREAMS}", f"-D{seconds}", "-H", ":authority: h0.example"]
        command += [f"--log-file={log.name}", _URL]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        took = sorted(int(each.split()[2]) * 1e-6 for each in log)
    done = int(_found(r"(\d+) 2xx", said))
    failed = int(_found(r"(\d+) failed", said)) + sum(int(number) for number in re.findall(r"(\d+) [345]xx", said))
    return {
        "requests": done,
        "rate": done / seconds,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "failed": float(failed),
    }


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"the client said:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]


def _children(pid: int) -> list[int]:
    """Its children and theirs."""
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(deeper for one in found for deeper in _children(one))]


def _cpu(processes: list[int]) -> float:
    """Seconds, of user and system."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in processes]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _haproxy(config: str) -> Iterator["subprocess.Popen[bytes]"]:
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".cfg"))
        file.write(config)
        file.flush()
        process = subprocess.Popen(["haproxy", "-db", "-f", file.name], stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


# the process of a door


async def _door(line: Line) -> None:
    engine, _ = engine_of(line.engine)
    counted = [0]
    ended = asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="portway-bench-") as folder:
        await engine.start(Door("gateway/shop/gateway", Path(folder), ("127.0.0.1",)), lambda _: _count(counted))
        _good(await engine.apply(_table(line, 0)))
        print("ready", flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
        began, number = time.monotonic(), 0
        while not ended.is_set():
            if line.changes:
                number = int((time.monotonic() - began) * line.changes)
                _good(await engine.apply(_table(line, number // 2)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOGETHER if line.changes else None):
                    await ended.wait()
        print(json.dumps({"rate": number / (time.monotonic() - began)}), flush=True)
        await engine.stop()


def _count(counted: list[int]) -> None:
    counted[0] += 1


def _good(applied: Applied) -> None:
    assert applied.how != "refused" and not applied.reason, applied


def _table(line: Line, moved: int) -> RouteTable:
    """Each host with five paths to one Service of 50 endpoints; moved by one, one has come and one has gone."""
    web: Pool = pool("shop/web:80", protocol=line.pods)
    backends = (WeightedBackend(key_of(web)),)
    ready = tuple(sorted(Endpoint(f"127.0.1.{1 + (moved + n) % 200}", BACKEND_PORT) for n in range(ENDPOINTS)))
    return RouteTable((_listener(line.hosts, backends),), {key_of(web): replace(web, endpoints=ready)})


_LISTENERS: dict[int, object] = {}


def _listener(hosts: int, backends: tuple[WeightedBackend, ...]):  # type: ignore[no-untyped-def]
    """Made once: documents that do not change are not read again either."""
    if hosts not in _LISTENERS:
        paths = ("/cart", "/pay", "/api", "/static", "/")
        routes = tuple(Route(f"HTTPRoute shop/web {path}", prefix(path), backends) for path in paths)
        named = [VirtualHost(f"h{number}.example", routes=routes) for number in range(hosts)]
        _LISTENERS[hosts] = listener(*named, port=PORT)
    return _LISTENERS[hosts]


if __name__ == "__main__":
    raise SystemExit(main())
