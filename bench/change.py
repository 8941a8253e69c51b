"""One endpoint changes: from the EndpointSlice's bytes to committed in the kernel.

    make bench-change        SIZES=10000x10,1x100000 CHANGES=300 make bench-change

The peer, in the same run: the smallest transaction that does the same in a ruleset of kube-proxy's shape, by one
`nft -f -` (the Service's chain flushed and written anew, one endpoint's chain added or deleted). Where KUBE_PROXY names
a binary, kube-proxy itself and `portway serve` beside it, each from the request to an API server (bench/kube_proxy.py).
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import kube_proxy, peer, synthetic
from portway.agent.config import AgentConfig
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.kubeapi import decode
from portway.testing.netns import World

CHANGES = int(os.environ.get("CHANGES", "300"))
PEER_CHANGES = 15
PROXY_CHANGES = int(os.environ.get("PROXY_CHANGES", "20"))


def main() -> int:
    """Prints one line for each size."""
    rows = []
    print(f"{'Services':>9} {'endpoints':>9} {'median':>9} {'p99':>9} {'peer median':>12} {'ratio':>7}")
    for services, endpoints in synthetic.sizes("100x10,10000x10,1x100000"):
        row = _measure(services, endpoints)
        rows.append(row)
        ratio = f"{row['peer'] / row['median']:.0f} x" if row["peer"] else "-"
        taken = f"{row['peer'] * 1000:.1f} ms" if row["peer"] else "-"
        ours = f"{row['median'] * 1000:6.2f} ms {row['p99'] * 1000:6.2f} ms"
        print(f"{services:9} {endpoints:9} {ours} {taken:>12} {ratio:>7}", flush=True)
        for name, one in row["proxies"].items():
            print(f"{name:>19} {one['median'] * 1000:6.1f} ms {one['most'] * 1000:6.1f} ms at most")
    synthetic.save("change", rows)
    return 0


def _measure(services: int, endpoints: int) -> dict[str, Any]:
    chosen = peer.services(services, endpoints)
    with World() as world:
        seconds = world.namespace("ours").run(_changes, chosen)
    theirs = 0.0
    if synthetic.with_peer(chosen) and services > 1:
        with World() as world:
            theirs = statistics.median(world.namespace("peer").run(_peer_changes, chosen))

    def changes(proxy: kube_proxy.Proxy) -> dict[str, float]:
        proxy.ready()
        return _told(proxy.changes(chosen, PROXY_CHANGES))

    proxies = kube_proxy.measured(chosen, changes)
    return {"services": services, "endpoints": endpoints, **_told(seconds), "peer": theirs, "proxies": proxies}


def _told(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {"median": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)], "most": ordered[-1]}


def _changes(chosen: peer.Services) -> list[float]:
    """Seconds of each change: an endpoint goes, and comes back."""
    syncer = Syncer(AgentConfig(synthetic.NODE, cluster_cidrs=("10.128.0.0/9",)), KernelTable())
    for raw in synthetic.service_bytes(chosen):
        service = decode.service_from_json(raw)
        syncer.put_service((service.namespace, service.name), service)
    for raw in synthetic.slice_bytes(chosen):
        piece = decode.endpoint_slice_from_json(raw)
        syncer.put_slice((piece.namespace, piece.name), piece)
    syncer.sync()
    return [_one(syncer, synthetic.changed(chosen, number)) for number in range(CHANGES)]


def _one(syncer: Syncer, raw: bytes) -> float:
    began = time.perf_counter()
    piece = decode.endpoint_slice_from_json(raw)
    syncer.put_slice((piece.namespace, piece.name), piece)
    count = syncer.sync()
    took = time.perf_counter() - began
    assert count, "a change that changes nothing is not measured"
    return took


def _peer_changes(chosen: peer.Services) -> list[float]:
    subprocess.run(["nft", "-f", "-"], input=peer.text(chosen), text=True, check=True)
    taken = []
    for number in range(min(PEER_CHANGES, len(chosen))):
        which = number * 7919 % len(chosen)
        began = time.perf_counter()
        subprocess.run(["nft", "-f", "-"], input=peer.without_last(chosen, which), text=True, check=True)
        taken.append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
