"""Clients that have gone before they are answered."""

import os
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest

from portway.testing import apiserver

WATCH = "GET /api/v1/pods?watch=1&resourceVersion={} HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("revision", [0, 1 << 40], ids=["new", "of another history"])
def test_who_leaves_before_the_watch_begins_is_no_failure(tmp_path: Path, revision: int) -> None:
    with apiserver.start(tmp_path) as server:
        os.kill(server.pid, signal.SIGSTOP)  # all of them come, ask and go before it looks
        for _ in range(50):
            with closing(socket.socket(socket.AF_UNIX)) as client:
                client.connect(str(server.unix))
                client.sendall(WATCH.format(revision).encode())
        os.kill(server.pid, signal.SIGCONT)
        server.wait_ready()
    assert server.log.read_text() == ""
