"""Who came, as the commands tell it of a real fleet."""

import json
import select
import socket
import subprocess
import time
from collections import Counter
from typing import Any

import msgspec
import pytest

from tests.e2e.conftest import Running, portway
from tests.patience import PATIENCE, until
from tests.unit.accesslog.builders import request

WEB = 32100


def _connect(address: str) -> None:
    with socket.create_connection((address, WEB), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while connection.recv(65536):
            pass


def _logged(fleet: Running) -> list[dict[str, Any]]:
    done = fleet.portway("logs", "-n", "shop", "svc/web", "-o", "json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_connections_are_logged_once_and_reported(fleet: Running) -> None:
    began = time.time()
    for number in range(30):
        _connect(fleet.loopbacks[number % 3])
    mine: list[dict[str, Any]] = []

    def logged() -> bool:
        mine[:] = [record for record in _logged(fleet) if record["ts_start"] >= began]
        return len(mine) >= 30

    until(logged, "30 connections are logged")
    assert Counter(record["node"] for record in mine) == {"node-1": 10, "node-2": 10, "node-3": 10}
    assert len({(record["node"], record["flow_id"]) for record in mine}) == 30
    assert {record["verdict"] for record in mine} == {"FORWARDED"}
    assert {record["frontend"]["port"] for record in mine} == {WEB}
    argv = ["report", "access", "--name", fleet.name, "-n", "shop", "-o", "json"]
    before = _let_in(fleet)
    told = json.loads(portway(fleet.person, *argv).stdout)
    (web,) = (peaks for peaks in told["peaks"] if peaks["port"]["service"] == "web")
    assert 30 <= before <= web["connections"] <= _let_in(fleet), "those of other tests may still come"


def _let_in(fleet: Running) -> int:
    """Connections; while a busy machine starts a fleet, `portway up` may have been turned away."""
    return sum(record["verdict"] == "FORWARDED" for record in _logged(fleet))


def test_follow_shows_what_comes(fleet: Running) -> None:
    argv = [*fleet.person.command, "logs", "--name", fleet.name, "-n", "shop", "svc/web", "-f", "--tail", "0"]
    with subprocess.Popen(
        [*argv, "-o", "json"], env=fleet.person.environment, stdout=subprocess.PIPE, bufsize=0
    ) as following:
        try:
            assert following.stdout is not None
            began = time.time()
            record = {"ts_start": 0.0}
            while record["ts_start"] < began:  # of a test before this one
                # what came before it followed is not told
                while not select.select([following.stdout], [], [], 1.0)[0]:
                    _connect(fleet.loopbacks[0])
                record = json.loads(following.stdout.readline())
            assert following.poll() is None, "it is told while it follows"
        finally:
            following.kill()


_SCAN = """
import socket
for port in range(31000, 31020):
    with socket.socket() as one:
        one.connect_ex(("172.18.0.11", port))
"""


def test_a_scan_of_unused_node_ports_is_seen(fleet: Running) -> None:
    fleet.portway("exec", "outside", "--", fleet.person.python, "-c", _SCAN)

    def scanned() -> bool:
        """By one client, at all of the ports: records come a few at a time."""
        argv = ["report", "access", "--name", fleet.name, "-o", "json"]
        scans = json.loads(portway(fleet.person, *argv).stdout)["scans"]
        assert len(scans) < 2
        return [(scan["client"]["name"], scan["ports"]) for scan in scans] == [("172.18.0.1", 20)]

    until(scanned, "the scan is reported")
    denied = fleet.portway("logs", "-A", "--denied", "-o", "json").stdout.splitlines()
    told = [r for r in map(json.loads, denied) if r["reason"] == "NODEPORT_UNSET"]
    # a client whose answer is late asks again
    assert {record["frontend"]["port"] for record in told} == {*range(31000, 31020)}


def test_top_shows_what_is_going_on(fleet: Running) -> None:
    """Counters of all nodes, over their agents' Unix sockets."""
    argv = [*fleet.person.command, "top", "--name", fleet.name, "-A", "-o", "json", "--interval", "1s"]
    with subprocess.Popen(argv, env=fleet.person.environment, stdout=subprocess.PIPE, bufsize=0) as going:
        try:
            assert going.stdout is not None
            deadline = time.monotonic() + PATIENCE
            # the first tick is of before; at another one an agent may have been too busy to answer
            while not _is_seen(tick := json.loads(going.stdout.readline())):
                assert time.monotonic() < deadline, tick
                for number in range(15):
                    _connect(fleet.loopbacks[number % 3])
        finally:
            going.kill()


def _is_seen(tick: dict[str, Any]) -> bool:
    """Whether it tells of traffic to web on all nodes."""
    found = [row for row in tick["services"] if (row["namespace"], row["service"]) == ("shop", "web")]
    if tick["nodes"] != 3 or not found or not found[0]["connections"]:
        return False
    (web,) = found
    assert sum(web["shares"].values()) == pytest.approx(1, abs=0.001)
    return bool(web["ready"] == 3 and web["bytes_out"] > web["bytes_in"] > 0)


_CLOSED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: report-closes-web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
"""


def test_a_report_holds_the_past_against_the_policies_of_today(fleet: Running) -> None:
    _connect(fleet.loopbacks[0])
    until(lambda: _logged(fleet), "the connection is logged")
    assert [row for row in _today(fleet) if row["was"] == "let in"] == []
    fleet.kubectl("apply", "-f", "-", text=_CLOSED)
    try:
        rows = [row for row in _today(fleet) if row["was"] == "let in" and row["port"]["service"] == "web"]
        assert "172.18.0.1" in {row["client"]["name"] for row in rows}
        assert {row["policy"]["name"] for row in rows} == {"report-closes-web"}
        assert sum(row["connections"] for row in rows) <= len(_logged(fleet))
    finally:
        fleet.kubectl("delete", "networkpolicy", "-n", "shop", "report-closes-web")


def _today(fleet: Running) -> list[dict[str, Any]]:
    argv = ["report", "access", "--name", fleet.name, "-n", "shop", "-o", "json"]
    rows: list[dict[str, Any]] = json.loads(portway(fleet.person, *argv).stdout)["today"]
    return rows


def test_what_doors_of_layer_7_write_is_read_too(fleet: Running) -> None:
    door = fleet.folder / "access" / "gateway-test.jsonl"
    door.write_bytes(msgspec.json.encode(request()) + b"\n")
    try:
        shown = fleet.portway("logs", "-A").stdout
        assert "shop.example" in shown and "GET /cart 200" in shown
    finally:
        door.unlink()
