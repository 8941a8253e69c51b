"""`portway report access` on files: the text for a terminal, the document, and JSON."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from portway.accesslog import PolicyRef
from portway.accesslog.names import Client, PortKey
from portway.accesslog.record import Tls
from portway.accesslog.report import report as access_report
from portway.accesslog.today import Difference
from portway.cli import reporttext
from tests.unit.accesslog.builders import NOON, connection, denial, external, refusal, request
from tests.unit.cli.test_logs import on_a_terminal, write


@pytest.fixture
def log(tmp_path: Path) -> Path:
    scan = [refusal(at, 30000 + at, client=external("198.51.100.66")) for at in range(20)]
    return write(tmp_path / "node-1.jsonl", connection(0.0, 2.0), connection(1.0, 2.0), denial(3.0), *scan)


def report(log: Path, *arguments: str) -> str:
    argv = [sys.executable, "-m", "portway", "report", "access", "--file", str(log), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, env=os.environ | {"TZ": "UTC"}, check=True)
    assert done.stderr == ""
    return done.stdout


def test_a_terminal_of_eighty_columns(log: Path) -> None:
    shown = on_a_terminal(80, "report", "access", "--file", str(log), NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 80
    assert shown == """\
2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:39+00:00, 19.0s
2 connections, 200B in, 2.0kB out; 3 clients
21 not let in: 20 NODEPORT_UNSET, 1 NO_RULE_MATCHES

DOORS  who used which port that is open to the outside
SERVICE    PORT   CLIENT      LET IN  REFUSED  BYTES  FIRST         LAST
shop…http  32100  203.0…13.9  2       0        2.2kB  Nov 14 22:13  Nov 14 22:13
-          (20)   198.5…0.66  0       20       0B     Nov 14 22:13  Nov 14 22:13

PEAKS  the busiest moment of each Service port, to plan capacity by
SERVICE       TOTAL  NEW IN A SECOND    BYTES A SECOND         OPEN AT ONCE
shop/w…:http  2      1 at Nov 14 22:13  1.1kB at Nov 14 22:13  2 at Nov 14 22:13

SCANS  clients that tried many doors that are not there, or not theirs
CLIENT         PORTS  ADDRESSES  TRIES  FIRST         LAST
198.51.100.66  20     0          20     Nov 14 22:13  Nov 14 22:13
  fast: 30000/TCP, 30001/TCP, 30002/TCP, 30003/TCP, 30004/TCP, 30005/TCP,
  30006/TCP, 30007/TCP, 30008/TCP, 30009/TCP, …; it got in nowhere

CLOSED DOORS  who was turned away by policy
CLIENT        TO             TRIES  FIRST         LAST
shop/guest-0  shop/web:http  3      Nov 14 22:13  Nov 14 22:13
  NO_RULE_MATCHES by NetworkPolicy shop/only-api; let in 0 times before and 0
  times after

SHARES  each backend's part, beside what chance gives it; !: not by chance
SERVICE        BACKEND  NODE    CONNECTIONS  SHARE  CHANCE  BYTES
shop/web:http  web-0    node-1  2            100%   100%    2.2kB
"""  # fmt: skip


def test_json_has_everything(log: Path) -> None:
    found = json.loads(report(log, "-o", "json"))
    assert found["totals"]["reasons"] == {"NODEPORT_UNSET": 20, "NO_RULE_MATCHES": 1}
    assert [(scan["client"]["name"], scan["ports"]) for scan in found["scans"]] == [("198.51.100.66", 20)]
    assert found["peaks"][0]["concurrent"] == {"value": 2, "at": 1_700_000_001.0}
    assert len(found["doors"]) == 21
    assert found["new_clients"] is None


def test_markdown_has_the_same_sections(log: Path) -> None:
    text = report(log, "-o", "md")
    assert "| shop/web:http | 32100 | 203.0.113.9 | 2 | 0 | 2.2kB |" in text
    for title in ("Doors", "Peaks", "Scans", "Closed doors", "Shares"):
        assert f"\n## {title}\n" in text


def test_a_time_without_records(log: Path) -> None:
    assert report(log, "--since", "5m").startswith("No records in this time.\n")


def test_requests_have_a_section_where_there_are_any(tmp_path: Path) -> None:
    shown = report(write(tmp_path / "door.jsonl", request(), request(1.0, 503)))
    assert "REQUESTS  what came through Ingress and Gateway, by host and route\n" in shown
    assert "shop.example  Ingress shop/web  2         1    0    0    1    20ms  20ms\n" in shown


def test_connections_of_tls_routes_have_a_table_of_their_own() -> None:
    db = Tls("db.example", "TLSRoute shop/db")
    records = [
        request(http=None, tls=db, duration_ms=20.0),
        request(http=None, tls=db, verdict="REFUSED", reason="NO_ENDPOINTS", backend=None, duration_ms=0.0),
    ]
    shown = "\n".join(reporttext.text(access_report(records, NOON), 80, coloured=False))
    assert "db.example  TLSRoute shop/db  1        1       10ms  20ms" in shown
    assert "REQUESTS  what came" not in shown


def test_todays_policies_are_told_where_they_were_asked() -> None:
    client, port = Client("pod", "shop/guest-0"), PortKey("shop", "web", "http", 80, "TCP")
    policy = PolicyRef("NetworkPolicy", "shop", "only-api", -1, "Ingress")
    rows = (
        Difference(client, port, "10.96.0.10:80", "let in", "NO_RULE_MATCHES", policy, 3, NOON, NOON),
        Difference(client, port, "10.96.0.10:80", "denied", "NOT_ISOLATED", None, 1, NOON, NOON),
    )
    found = replace(access_report([connection()], NOON), today=rows, gone=2)
    text = "\n".join(reporttext.text(found, 80, coloured=False))
    at = f"{datetime.fromtimestamp(NOON):%H:%M:%S}"
    assert (
        f"""\
TODAY'S POLICIES  what they say otherwise; 2 of pods that are gone are not judged
CLIENT        TO             TIMES  WAS     NOW     LAST
shop/guest-0  shop/web:http  3      let in  denied  {at}
  NO_RULE_MATCHES by NetworkPolicy shop/only-api
shop/guest-0  shop/web:http  1      denied  let in  {at}
  NOT_ISOLATED
"""
        in text
    )
    assert "TODAY" not in "\n".join(reporttext.text(access_report([connection()], NOON), 80, coloured=False))
