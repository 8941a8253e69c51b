"""What a person sees of a trace and of lint at a terminal: 80 columns, colours unless NO_COLOR; none in a pipe."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from portway.analysis import examples
from portway.cli.fitting import fit

_PAINT = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("[a] → [b] → [c] ✗", ["[a] → [b] → [c] ✗"]),
        (
            "[outside 172.18.0.1] → [node-1 172.18.0.11:32100] → [shop/web:80] → one of 3",
            ["[outside 172.18.0.1]", "  → [node-1 172.18.0.11:32100]", "  → [shop/web:80] → one of 3"],
        ),
        (
            "  ends     NO_ENDPOINTS: no pod is ready behind this port",
            ["  ends     NO_ENDPOINTS: no pod is ready", "           behind this port"],
        ),
        (
            "    [web-1 10.244.1.4:8080]  node-1 and so on and on",
            ["    [web-1 10.244.1.4:8080]  node-1 and so on and on"],
        ),
    ],
)
def test_lines_go_on_where_one_can_read_them(line: str, lines: list[str]) -> None:
    assert fit(line, 44) == lines


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    service = examples.service("{name: http, port: 80, targetPort: htttp, nodePort: 30080}", more="type: NodePort")
    file = tmp_path_factory.mktemp("seen") / "a-manifest-with-quite-a-long-name-of-its-own.yaml"
    file.write_text(examples.together(service, examples.workload("{name: http, containerPort: 8080}")))
    return file


def _at_a_terminal(command: list[str], **environment: str) -> str:
    """What it writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=plain | environment):
        os.close(theirs)
        told = b""
        try:
            while chunk := os.read(ours, 65536):
                told += chunk
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return told.decode()


COMMANDS = {"trace": ["trace", "node-1:30080"], "lint": ["lint"]}


def _command(name: str, manifest: Path) -> list[str]:
    first, *rest = COMMANDS[name]
    return [sys.executable, "-m", "portway", first, "-f", manifest.name, *rest]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_shows_80_columns_and_colours(name: str, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(manifest.parent)
    told = _at_a_terminal(_command(name, manifest))
    assert "\x1b[31m" in told, "errors are red"
    assert max(len(_PAINT.sub("", line)) for line in told.splitlines()) <= 80
    assert _at_a_terminal(_command(name, manifest), NO_COLOR="1") == _PAINT.sub("", told)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_gets_plain_text(name: str, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(manifest.parent)
    assert "\x1b" not in subprocess.run(_command(name, manifest), capture_output=True, text=True).stdout
