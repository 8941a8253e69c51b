"""`portway top`, run as people run it: against an agent's /metrics, on a terminal and in a pipe."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time_ns
from typing import Any

import click
import pytest

from portway.accesslog.counters import Counters, Counts
from portway.accesslog.top import Rates
from portway.agent.metrics import Tally, exposition
from portway.cli import toptable
from portway.model import ServicePortName

PORTWAY = [sys.executable, "-m", "portway"]


class Agent(BaseHTTPRequestHandler):
    """Says at each question that there was more: two connections to web, one to api, a refusal and a scan."""

    counters = Counters()

    def do_GET(self) -> None:
        counters = self.counters
        for name in ("web", "api"):
            counters.of.setdefault(ServicePortName("shop", name, "http", "TCP"), Counts(ready=2))
        counters.of.setdefault(ServicePortName("kube-system", "dns", "dns", "UDP"), Counts(active=1))
        web, api, _ = counters.of.values()
        web.connections, web.bytes_in, web.bytes_out = web.connections + 2, web.bytes_in + 3000, web.bytes_out + 9000
        web.backends.update({"shop/web-0": 1, "shop/web-1": 1})
        web.clients.add(bytes([len(web.clients)] * 4))
        api.connections += 1
        api.refusals["PORT_NOT_LISTENING"] += 5
        counters.others.refusals["NODEPORT_UNSET"] += 7
        counters.counted = time_ns()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(exposition(Tally(services=counters))[0].encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    server.shutdown()
    server.server_close()


def top(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PORTWAY, "top", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done


def test_a_pipe_gets_one_table(url: str) -> None:
    lines = top("--metrics", url, "-A", "--interval", "1s").stdout.splitlines()
    assert lines[0].split() == ["SERVICE", "CONN/S", "IN/S", "OUT/S", "ACTIVE", "REFUSED/S", "NEW", "BACKENDS"]
    assert [line.split()[0] for line in lines[1:]] == [
        "shop/web:http", "shop/api:http", "refused:", "kube-system/dns:dns", "(no", "refused:",
    ]  # fmt: skip
    assert lines[1].split()[-2:] == ["2:", "50/50%"]


def test_one_service_with_its_backends(url: str) -> None:
    lines = top("--metrics", url, "-n", "shop", "svc/web", "--interval", "1s").stdout.splitlines()
    assert [line.split()[0] for line in lines if line] == ["SERVICE", "shop/web:http", "shop/web-0", "shop/web-1"]
    assert [line.split()[-1] for line in lines[3:]] == ["50.0%", "50.0%"]


def test_json_is_a_line_a_tick(url: str) -> None:
    with subprocess.Popen(
        [*PORTWAY, "top", "--metrics", url, "-n", "shop", "-o", "json", "--interval", "1s"], stdout=subprocess.PIPE
    ) as going:
        assert going.stdout is not None
        ticks = [json.loads(going.stdout.readline()) for _ in range(2)]
        going.send_signal(signal.SIGTERM)
    for tick in ticks:
        assert (tick["nodes"], tick["silent"]) == (1, {})
        rows = {row["service"]: row for row in tick["services"]}
        assert rows.keys() == {"web", "api"}
        assert rows["web"]["connections"] > 0
        assert rows["web"]["connections"] == pytest.approx(2 * rows["api"]["connections"], rel=0.01)
        assert rows["api"]["refusals"].keys() == {"PORT_NOT_LISTENING"} and rows["web"]["new_clients"] == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--metrics", "http://127.0.0.1:1/"], "no agent answers:\n  http://127.0.0.1:1/: Connection refused"),
        (["--interval", "10ms"], "at least 1s"),
        (["svc/a/b/c"], "'svc/a/b/c' is no Service: svc/NAME or svc/NAMESPACE/NAME"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told(arguments: list[str], complaint: str) -> None:
    code = 1 if "--metrics" in arguments else 2
    assert complaint in top(*arguments, code=code).stderr


def test_an_agent_that_is_silent_is_named_and_the_others_shown(url: str) -> None:
    done = top("--metrics", url, "--metrics", "http://127.0.0.1:1/", "-A", "--once", "--interval", "1s")
    assert "shop/web:http" in done.stdout
    assert done.stderr == "portway: http://127.0.0.1:1/ does not answer (Connection refused)\n"


@contextmanager
def _terminal(columns: int, lines: int, *argv: str, **environment: str) -> Iterator[int]:
    pid, terminal = pty.fork()
    if not pid:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.execve(sys.executable, [*PORTWAY, *argv], os.environ | environment)
    try:
        yield terminal
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def _read_until(terminal: int, wanted: str) -> str:
    """A byte at a time: what comes behind it is for the next one who reads."""
    told = b""
    while not told.endswith(wanted.encode()):
        assert select.select([terminal], [], [], 120)[0], told
        told += os.read(terminal, 1)
    return told.decode()


def test_a_terminal_is_drawn_again_and_left_as_it_was(url: str) -> None:
    argv = ("top", "--metrics", url, "-A", "--interval", "1s")
    with _terminal(80, 8, *argv, NO_COLOR="1", TERM="xterm") as terminal:
        first = _read_until(terminal, "\x1b[J")
        second = _read_until(terminal, "\x1b[J")
        os.write(terminal, b"\x03")
        rest = _read_until(terminal, "\x1b[?1049l")
    assert first.startswith("\x1b[?1049h\x1b[?25l") and "\x1b[?25h" in rest
    for screen in (first.rpartition("\x1b[H")[2], second.rpartition("\x1b[H")[2]):
        shown = screen.replace("\x1b[K", "").replace("\x1b[J", "")
        assert len(shown.split("\n")) <= 8 and all(len(line.rstrip("\r")) <= 80 for line in shown.split("\n"))
        assert "\x1b" not in shown and "shop/web:http" in shown and "… and 2 more" in shown


def _rates(name: str = "web", **other: Any) -> Rates:
    fields: dict[str, Any] = {
        "connections": 12.34,
        "bytes_in": 1234.0,
        "bytes_out": 3.4e6,
        "active": 7,
        "ready": 3,
        "refused": 0.0,
        "refusals": {},
        "new_clients": 2,
        "shares": {"shop/web-0": 0.5, "shop/web-1": 0.3, "shop/web-2": 0.2},
    }
    return Rates("shop", name, "http", "TCP", **fields | other)


def test_the_table_in_80_columns() -> None:
    refused = {"NO_ENDPOINTS": 2.1, "PORT_NOT_LISTENING": 0.4}
    rows = [_rates(), _rates("a-name-that-is-rather-long-for-a-table", refused=2.5, refusals=refused)]
    assert list(toptable.lines(rows, 80, 50, coloured=False)) == [
        "SERVICE               CONN/S  IN/S   OUT/S  ACTIVE  REFUSED/S  NEW  BACKENDS",
        "shop/web:http         12      1.2kB  3.4MB  7       0          2    3: 50/30/20%",
        "shop/a-nam…able:http  12      1.2kB  3.4MB  7       2.5        2    3: 50/30/20%",
        "  refused: 2.1/s NO_ENDPOINTS, 0.4/s PORT_NOT_LISTENING",
    ]


def test_what_does_not_fit_is_said() -> None:
    shown = list(toptable.lines([_rates(f"s{n}", shares={}) for n in range(9)], 80, 5, coloured=False))
    assert len(shown) == 5 and shown[-1] == "… and 6 more: -n NAMESPACE or svc/NAME picks"


def test_colours_change_no_letter() -> None:
    rows = [_rates(refused=1.0, refusals={"NO_ENDPOINTS": 1.0})]
    coloured = list(toptable.lines(rows, 80, 50, coloured=True))
    assert [click.unstyle(line) for line in coloured] == list(toptable.lines(rows, 80, 50, coloured=False))
    assert "\x1b[33m" in coloured[-1]
