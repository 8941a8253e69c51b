"""HAProxy's lines of its last moments."""

import json
import socket
from pathlib import Path

from portway.gateway.engine import Served, Told
from portway.gateway.haproxy.log import LogSocket

LINE = {
    "kind": "request",
    "at": 1.0, "took": 1, "client": "127.0.0.1", "port": 80, "address": "127.0.0.1", "status": 404, "target": "-",
    "section": "-", "server": "<NOSRV>", "end": "PR--", "tls": "-", "listener": "", "known": "-", "method": "GET",
    "host": "a", "path": "/", "from": 40000, "in": 0, "out": 10,
}  # fmt: skip


async def test_what_waits_when_it_closes_is_read(tmp_path: Path) -> None:
    """asyncio reads one datagram a turn, and HAProxy may have written many before it ended."""
    told: list[Told] = []
    log = LogSocket(told.append)
    await log.open(tmp_path / "log.sock", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as haproxy:
        haproxy.connect(str(tmp_path / "log.sock"))
        for number in range(5):
            haproxy.send(json.dumps(LINE | {"path": f"/{number}"}).encode())
    log.close()
    assert [one.path for one in told if isinstance(one, Served)] == [f"/{number}" for number in range(5)]
