"""The first full sync of a node: from decoded objects to rules in the kernel.

    make bench-sync          SIZES=10000x10,5000x50,1x100000,100000x10 make bench-sync     PEER=0 leaves the peer out

Each size runs in a network namespace of its own. The peer, in the same run, is `nft -f` of a ruleset of kube-proxy's
shape for the same Services (bench/peer.py): what the kernel part alone costs that way. "its CPU" is what the sync used,
the kernel's part included, which says more than the time when the machine is busy; "each" is that for one endpoint.
Where KUBE_PROXY names a binary, kube-proxy itself and `portway serve` beside it: from the start of the process to the
last commit, with the watch of an API server (bench/kube_proxy.py). No peer is measured beyond PEER_LIMIT Services.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from msgspec import structs

from bench import kube_proxy, peer, synthetic
from portway.agent.config import AgentConfig
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.kubeapi import decode
from portway.testing.netns import World

DEFAULT = "1000x10,10000x10,5000x50,1x100000"


def main() -> int:
    """Prints one line for each size."""
    rows = []
    print(
        f"{'Services':>9} {'endpoints':>9} {'decode':>9} {'sync':>9} {'its CPU':>9} {'each':>9} "
        f"{'peer nft -f':>12} {'ratio':>7}"
    )
    for services, endpoints in synthetic.sizes(DEFAULT):
        row = _measure(services, endpoints)
        rows.append(row)
        ratio = f"{row['peer'] / row['sync']:.0f} x" if row["peer"] else "-"
        taken = f"{row['peer']:.2f} s" if row["peer"] else "-"
        each = row["cpu"] / (services * endpoints) * 1e6
        print(
            f"{services:9} {endpoints:9} {row['decode']:7.2f} s {row['sync']:7.2f} s {row['cpu']:7.2f} s "
            f"{each:6.1f} us {taken:>12} {ratio:>7}",
            flush=True,
        )
        for name, one in row["proxies"].items():
            print(f"{name:>19} {'':9} {one['seconds']:7.2f} s {one['cpu']:7.2f} s   from its start")
    synthetic.save("sync", rows)
    return 0


def _measure(services: int, endpoints: int) -> dict[str, Any]:
    chosen = peer.services(services, endpoints)
    with World() as world:
        ours = world.namespace("ours").run(first_sync, chosen)
    theirs = 0.0
    if synthetic.with_peer(chosen):
        with World() as world:
            theirs = world.namespace("peer").run(_load, peer.text(chosen))
    proxies = kube_proxy.measured(chosen, lambda proxy: structs.asdict(proxy.ready()))
    return {"services": services, "endpoints": endpoints, **ours, "peer": theirs, "proxies": proxies}


def first_sync(chosen: peer.Services) -> dict[str, float]:
    """Seconds to decode all objects, and to bring them into the kernel."""
    syncer = Syncer(AgentConfig(synthetic.NODE, cluster_cidrs=("10.128.0.0/9",)), KernelTable())
    documents = (list(synthetic.service_bytes(chosen)), list(synthetic.slice_bytes(chosen)))
    began = time.perf_counter()
    decoded = [decode.service_from_json(raw) for raw in documents[0]]
    slices = [decode.endpoint_slice_from_json(raw) for raw in documents[1]]
    known, cpu = time.perf_counter(), time.process_time()
    for service in decoded:
        syncer.put_service((service.namespace, service.name), service)
    for piece in slices:
        syncer.put_slice((piece.namespace, piece.name), piece)
    syncer.sync()
    took = time.perf_counter() - known
    return {"decode": known - began, "sync": took, "cpu": time.process_time() - cpu}


def _load(text: str) -> float:
    began = time.perf_counter()
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
