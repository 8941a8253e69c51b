"""`portway logs` on files, run as people run it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portway.accesslog import Http, Record
from tests.unit.accesslog.builders import connection, denial, refusal, request

PORTWAY = [sys.executable, "-m", "portway"]
PATIENCE = 120.0


def write(path: Path, *records: Record) -> Path:
    with path.open("ab") as file:
        file.writelines(msgspec.json.encode(record) + b"\n" for record in records)
    return path


def logs(path: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TZ": "UTC"}
    argv = [*PORTWAY, "logs", "--file", str(path), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=PATIENCE)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write(tmp_path / "node-1.jsonl.1", connection(0.0), refusal(1.0))
    return write(tmp_path / "node-1.jsonl", denial(2.0), connection(9.0, 1.5, tcp_end="rst", bytes_out=123456))


def test_the_table(log: Path) -> None:
    assert logs(log, "-A").stdout.splitlines() == [
        "TIME          CLIENT        VIA           SERVICE        BACKEND     IN/OUT      TOOK",
        "Nov 14 22:13  203.0.113.9   node-1:32100  shop/web:http  web-0:8080  100B/1.0kB  100ms",
        "Nov 14 22:13  203.0.113.9   node-1:32101  -              REFUSED NODEPORT_UNSET",
        "Nov 14 22:13  shop/guest-0  clusterIP     shop/web:http  "
        "DENIED NO_RULE_MATCHES by NetworkPolicy shop/only-api, 3 times",
        "Nov 14 22:13  203.0.113.9   node-1:32100  shop/web:http  web-0:8080  100B/123kB  1.5s rst",
    ]


@pytest.mark.parametrize(
    ("arguments", "verdicts"),
    [
        (["-A"], ["FORWARDED", "REFUSED", "DENIED", "FORWARDED"]),
        (["-n", "shop"], ["FORWARDED", "DENIED", "FORWARDED"]),
        ([], []),
        (["-n", "shop", "svc/web"], ["FORWARDED", "DENIED", "FORWARDED"]),
        (["service/shop/web"], ["FORWARDED", "DENIED", "FORWARDED"]),
        (["svc/web"], []),
        (["-A", "--denied"], ["REFUSED", "DENIED"]),
        (["-A", "--tail", "2"], ["DENIED", "FORWARDED"]),
        (["-A", "--tail", "0"], []),
        (["-A", "--since", "5m"], []),
        (["-A", "--since", "1000000h"], ["FORWARDED", "REFUSED", "DENIED", "FORWARDED"]),
    ],
)
def test_what_is_asked_for(log: Path, arguments: list[str], verdicts: list[str]) -> None:
    done = logs(log, *arguments, "-o", "json")
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == verdicts
    assert ("nothing of that kind" in done.stderr) == (not verdicts)


def test_json_is_what_was_written(tmp_path: Path) -> None:
    document = msgspec.to_builtins(connection()) | {"of_a_newer_release": [1, {"a": "ü"}]}
    (path := tmp_path / "node-1.jsonl").write_text(json.dumps(document) + "\n")
    assert json.loads(logs(path, "-A", "-o", "json").stdout) == document


def test_what_cannot_be_read_is_said(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"nonsense\n" + msgspec.json.encode(connection(20.0))[:40])
    done = logs(log, "-A", "-o", "json")
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "portway: 1 line of the log is no record that this release can read\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pod/web"], "'pod/web' is no Service: svc/NAME or svc/NAMESPACE/NAME"),
        (["svc/"], "'svc/' is no Service"),
        (["--since", "yesterday"], "'yesterday' is not a duration like 500ms, 1s or 1h0m0s"),
        (["--tail", "some"], "'some' is not a valid integer"),
    ],
)
def test_wrong_usage(log: Path, arguments: list[str], said: str) -> None:
    assert said in " ".join(logs(log, *arguments, code=2).stderr.split())


def test_without_a_fleet(tmp_path: Path) -> None:
    environment = os.environ | {"PORTWAY_STATE": str(tmp_path)}
    done = subprocess.run([*PORTWAY, "logs"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'portway: no fleet "portway" is running; start one: portway up\n'


@contextmanager
def following(path: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [*PORTWAY, "logs", "--file", str(path), "-A", "-f", "-o", "json", *arguments]
    piped = subprocess.PIPE
    with subprocess.Popen(argv, stdout=piped, stderr=piped, bufsize=0, preexec_fn=_interruptible) as process:
        try:
            yield process
        finally:
            process.kill()


def _interruptible() -> None:
    """As at a terminal, also where these tests run in the background and inherit that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def line_of(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], PATIENCE)[0], "nothing came"
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_follow_goes_on_over_a_rotation_and_ends_with_ctrl_c(log: Path) -> None:
    with following(log, "--tail", "1") as process:
        assert line_of(process)["bytes_out"] == 123456
        write(log, refusal(20.0, 1111))
        assert line_of(process)["frontend"]["port"] == 1111
        write(log, refusal(21.0, 2222))
        log.rename(log.with_name("node-1.jsonl.1"))
        write(log, refusal(22.0, 3333))
        assert [line_of(process)["frontend"]["port"] for _ in range(2)] == [2222, 3333]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_follow_ends_when_its_reader_is_gone(log: Path) -> None:
    """Even when nothing more is written."""
    with following(log, "--tail", "1") as process:
        line_of(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_stops_early_is_no_failure(tmp_path: Path) -> None:
    path = write(tmp_path / "node-1.jsonl", *(connection(at) for at in range(5000)))
    command = f"{' '.join(PORTWAY)} logs --file {path} -A | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""


def test_waiting_costs_nothing(log: Path) -> None:
    with following(log, "--tail", "1") as process:
        line_of(process)
        # The kernel may take another's time for this process's, but hardly again and again.
        assert any(_second_of(process) <= 0.05 for _ in range(5))


def _second_of(process: "subprocess.Popen[bytes]") -> float:
    """What a second costs in which nothing happens; select is the clock here, and nothing may come."""
    before = _cpu_seconds(process.pid)
    assert process.stdout is not None
    assert not select.select([process.stdout], [], [], 1.0)[0]
    return _cpu_seconds(process.pid) - before


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def on_a_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """What a command shows on a terminal of that width."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"COLUMNS": str(columns), "TZ": "UTC"} | environment
    with subprocess.Popen([*PORTWAY, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=environ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # Linux says so when the other side is closed
            pass
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_eighty_columns_are_enough(log: Path) -> None:
    plain = on_a_terminal(80, "logs", "--file", str(log), "-A", NO_COLOR="1")
    assert plain.splitlines() == [
        "TIME          CLIENT       VIA         SERVICE    BACKEND   IN/OUT      TOOK",
        "Nov 14 22:13  203.0.113.9  node-…2100  shop…http  web-…080  100B/1.0kB  100ms",
        "Nov 14 22:13  203.0.113.9  node-…2101  -          REFUSED NODEPORT_UNSET",
        "Nov 14 22:13  shop/…est-0  clusterIP   shop…http",
        "          DENIED NO_RULE_MATCHES by NetworkPolicy shop/only-api, 3 times",
        "Nov 14 22:13  203.0.113.9  node-…2100  shop…http  web-…080  100B/123kB  1.5s rst",
    ]
    assert max(map(len, plain.splitlines())) <= 80
    coloured = on_a_terminal(80, "logs", "--file", str(log), "-A", NO_COLOR="")
    assert "\x1b[31mDENIED\x1b[0m" in coloured
    assert "\x1b[33mREFUSED\x1b[0m" in coloured


def test_requests_say_what_they_were(tmp_path: Path) -> None:
    nowhere = Http("GET", "shop.example", "/nothing", 404)
    path = write(
        tmp_path / "door.jsonl",
        request(0.0),
        request(1.0, verdict="REFUSED", reason="NO_ROUTE", service=None, backend=None, http=nowhere),
        request(2.0, 0, http=Http("POST", "shop.example", "/pay")),
    )
    assert logs(path, "-A").stdout.splitlines() == [
        "TIME          CLIENT       VIA           SERVICE        BACKEND     IN/OUT      TOOK",
        "Nov 14 22:13  203.0.113.9  shop.example  shop/web:http  web-0:8080  100B/1.0kB  20ms  GET /cart 200",
        "Nov 14 22:13  203.0.113.9  shop.example  -              REFUSED NO_ROUTE  GET /nothing 404",
        "Nov 14 22:13  203.0.113.9  shop.example  shop/web:http  web-0:8080  100B/1.0kB  20ms  POST /pay -",
    ]
