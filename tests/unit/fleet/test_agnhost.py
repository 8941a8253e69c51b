"""`agnhost connect` as the kubelet understands it."""

import socket
from pathlib import Path

import pytest

from portway.fleet.kubelet.agnhost import (
    Answer,
    Attempt,
    connect,
    is_connect,
    parse,
    told,
    unwrapped,
)
from portway.fleet.kubelet.process import Space
from tests.ports import closed_port


@pytest.mark.parametrize(
    ("line", "attempt"),
    [
        ("10.0.0.1:80 --timeout=3s --protocol=tcp", Attempt("10.0.0.1", 80, "tcp", 3.0)),
        ("--protocol=UDP [fd00::1]:53", Attempt("fd00::1", 53, "udp", 1.0)),
        ("web:81 --timeout=1m30s", Attempt("web", 81, "tcp", 90.0)),
        ("web:81 --timeout=250ms", Attempt("web", 81, "tcp", 0.25)),
    ],
)
def test_words(line: str, attempt: Attempt) -> None:
    argv = ("/agnhost", "connect", *line.split())
    assert is_connect(argv)
    assert parse(argv) == attempt


@pytest.mark.parametrize("line", ["", "a:1 b:2", "nowhere", "a:b", "a:1 --timeout=soon", "a:1 --colour=red"])
def test_words_that_mean_nothing(line: str) -> None:
    with pytest.raises(ValueError, match=r"want one|invalid duration|unknown flag"):
        parse(("agnhost", "connect", *line.split()))


def test_other_commands_are_none_of_its_business() -> None:
    assert not is_connect(("curl", "connect", "a:1"))
    assert not is_connect(("/agnhost", "netexec", "a:1"))


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("dns-suffix", "ns.svc.cluster.local,cluster.local\n"),
        ("dns-server-list", "10.96.0.10,fd00:96::a\n"),
        ("etc-hosts", "127.0.0.1 localhost\n\n"),
    ],
)
def test_how_names_are_looked_up(tmp_path: Path, command: str, output: str) -> None:
    text = "nameserver 10.96.0.10\nsearch ns.svc.cluster.local cluster.local\noptions ndots:5\nnameserver fd00:96::a\n"
    (tmp_path / "resolv.conf").write_text(text)
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    assert told(("/agnhost", command), tmp_path) == Answer(0, output=output)
    assert told(("/agnhost", command, "more"), tmp_path) is None
    assert told(("cat", command), tmp_path) is None


def test_a_shell_that_only_runs_it() -> None:
    words = ["/agnhost", "connect", "--timeout=3s", "web:80"]
    assert unwrapped(("/bin/sh", "-x", "-c", "/agnhost connect --timeout=3s web:80")) == words
    for other in (
        ("sh", "-c", "/agnhost connect a:1 | cat"),
        ("sh", "-c", "curl a"),
        ("sh", "-c", ""),
        ("agnhost", "x"),
    ):
        assert unwrapped(other) == other


async def test_refused_and_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert await connect(Space(), ("agnhost", "connect", f"127.0.0.1:{port}", "--timeout=60s")) == Answer(0)
    with closed_port() as port:
        assert await connect(Space(), ("agnhost", "connect", f"127.0.0.1:{port}")) == Answer(1, "REFUSED\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        goal = f"127.0.0.1:{silent.getsockname()[1]}"
        said = await connect(Space(), ("agnhost", "connect", goal, "--protocol=udp", "--timeout=50ms"))
    assert said == Answer(1, "TIMEOUT\n")
