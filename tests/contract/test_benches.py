"""Benches measure the proxy that KUBE_PROXY names; here a stand-in: `portway serve`, started as kube-proxy would be."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portway.testing.netns import Unavailable, World

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        with World() as world:
            world.namespace("any")
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    made = tmp_path_factory.mktemp("bin") / "kube-proxy"
    made.write_text(f'#!/bin/sh\nexec {sys.executable} -m portway serve "$@"\n')
    made.chmod(0o755)
    return made


def bench(name: str, binary: Path, folder: Path, **settings: str) -> list[dict[str, Any]]:
    """The rows that one bench saves."""
    told = {"KUBE_PROXY": str(binary), "JSON": str(folder / "out.json"), "PATIENCE": "90", **settings}
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **told}
    done = subprocess.run(
        [sys.executable, f"bench/{name.replace('-', '_')}.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "out.json").read_text())
    assert found["bench"] == name
    assert found["machine"]["cores"] == os.cpu_count()
    rows: list[dict[str, Any]] = found["rows"]
    return rows


def test_sync(binary: Path, tmp_path: Path) -> None:
    small, large = bench("sync", binary, tmp_path, SIZES="3x2,30x2", PEER_LIMIT="10")
    assert small["proxies"].keys() == {"kube-proxy", "portway serve"}
    assert small["proxies"]["kube-proxy"]["seconds"] > 0
    assert small["peer"] > 0
    assert (large["proxies"], large["peer"]) == ({}, 0), "beyond the limit no peer is measured"


def test_change(binary: Path, tmp_path: Path) -> None:
    [row] = bench("change", binary, tmp_path, SIZES="3x2", CHANGES="4", PROXY_CHANGES="2")
    assert 0 < row["proxies"]["kube-proxy"]["median"] <= row["proxies"]["kube-proxy"]["most"]


def test_memory(binary: Path, tmp_path: Path) -> None:
    [row] = bench("memory", binary, tmp_path, SIZES="3x2")
    assert 10 < row["proxies"]["kube-proxy"]["resident"] <= row["proxies"]["kube-proxy"]["most"]


def test_log(binary: Path, tmp_path: Path) -> None:
    off, on, states = bench("log", binary, tmp_path, RUNS="2", CONNECTIONS="20", STORM="50")
    assert [row["what"] for row in (off, on, states)] == ["off", "on", "states"]
    assert off["path"] > 0 and off["agent"] == 0 and off["path ratio"] == off["wall ratio"] == 1
    assert on["agent"] > 0 and on["cpu"] == on["path"] + on["agent"] and on["path ratio"] > 0


def test_dns(binary: Path, tmp_path: Path) -> None:
    rows = bench("dns", binary, tmp_path, SIZES="10x1", RUNS="1", QUERIES="200")
    asked = ["one name", "all names", "anew", "no name", "search"]
    assert [row["reading"] for row in rows] == [*asked, "change", "state"]
    answers = rows[: len(asked)]
    assert all(row["portway cpu"] > 0 and not row["portway lost"] for row in answers)
    if shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin"):
        assert all(row["cpu ratio"] > 0 for row in answers)


def test_connect(binary: Path, tmp_path: Path) -> None:
    rows = bench("connect", binary, tmp_path, SIZES="12,20", RUNS="1", PEER_LIMIT="12")
    found = {(row["services"], row["what"], row["spread"]): row for row in rows}
    for spread in ("ten", "all"):
        row = found[12, "new, clusterIP", spread]
        assert all(row[name] > 0 for name in ("bare", "one rule", "peer", "kube-proxy", "portway"))
        assert "peer" not in found[20, "new, clusterIP", spread]
    assert found[20, "open, clusterIP", ""]["portway"] > 0


def test_policy(binary: Path, tmp_path: Path) -> None:
    """Every change alters rules, or the bench says so and fails."""
    rows = bench("policy", binary, tmp_path, SIZES="800x100", CHANGES="4", PEER_CHANGES="2", PACKETS="0")
    found = {row["what"]: row for row in rows}
    assert len(found) == 10 and found["load"]["peer"] > 0 and found["policy edited"]["peer"] > 0
    assert all(row["elements"] > 2 for row in rows)
    new, opened = bench("policy-packets", binary, tmp_path, SIZES="400x100", RUNS="2")
    assert (new["what"], opened["what"]) == ("new", "open")
    assert all(row[name] > 0 for row in (new, opened) for name in ("bare", "none", "unselected", "portway", "peer"))


def test_loadbalancers(binary: Path, tmp_path: Path) -> None:
    plain, balanced = bench("loadbalancers", binary, tmp_path, SIZES="2", NODES="1")
    assert [row["what"] for row in (plain, balanced)] == ["ClusterIP", "LoadBalancer"]
    for row in (plain, balanced):
        assert 0 < row["applied"] <= row["addressed"] <= row["answered"]
        assert {"apiserver", "controllers", "agent", "announce", "relay"} <= row["cpu"].keys() == row["memory"].keys()
