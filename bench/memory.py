"""What a node's agent holds in memory once it has programmed everything.

    make bench-memory        SIZES=10000x10,100000x10 make bench-memory        JSON=out.json

Each size runs in a process of its own, which decodes the objects one by one, as they come from an API server, and
programs them. Told are its resident size, how much of that the interpreter with the same imports takes, and how much
the most was. Where KUBE_PROXY names a binary, kube-proxy itself and `portway serve` with all its watches as well.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from msgspec import structs

from bench import peer, synthetic
from portway.agent.config import AgentConfig
from portway.agent.run import run as _whole_agent  # noqa: F401  # for what it imports
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.kubeapi import decode
from portway.testing.netns import World

DEFAULT = "1000x10,10000x10,5000x50,1x100000,100000x10"
_MB = 2**20


def main() -> int:
    """Prints one line for each size; given a size, is the process that is measured."""
    if len(sys.argv) > 1:
        print(json.dumps(_measured(*map(int, sys.argv[1].split("x")))))
        return 0
    rows = []
    print(f"{'Services':>9} {'endpoints':>9} {'resident':>10} {'interpreter':>12} {'at most':>10} {'per endpoint':>13}")
    for services, endpoints in synthetic.sizes(DEFAULT):
        row = _row(services, endpoints)
        rows.append(row)
        each = (row["resident"] - row["bare"]) * _MB / (services * endpoints)
        print(
            f"{services:9} {endpoints:9} {row['resident']:7.0f} MB {row['bare']:9.0f} MB {row['most']:7.0f} MB "
            f"{each:11.0f} B",
            flush=True,
        )
        for name, one in row["proxies"].items():
            print(f"{name:>19} {one['resident']:7.0f} MB {'':12} {one['most']:7.0f} MB")
    synthetic.save("memory", rows)
    return 0


def _row(services: int, endpoints: int) -> dict[str, Any]:
    from bench import kube_proxy  # an API server comes with it, which the process that is measured does without

    found = subprocess.run(
        [sys.executable, __file__, f"{services}x{endpoints}"], stdout=subprocess.PIPE, text=True, check=True
    )
    chosen = peer.services(services, endpoints)
    proxies = kube_proxy.measured(chosen, lambda proxy: structs.asdict(proxy.ready()))
    return {"services": services, "endpoints": endpoints, **json.loads(found.stdout), "proxies": proxies}


def _measured(services: int, endpoints: int) -> dict[str, float]:
    with World() as world:
        return world.namespace("ours").run(_first_sync, services, endpoints)


def _first_sync(services: int, endpoints: int) -> dict[str, float]:
    bare = _resident()
    syncer = Syncer(AgentConfig(synthetic.NODE, cluster_cidrs=("10.128.0.0/9",)), KernelTable())
    for number in range(1, services + 1):
        _put(syncer, number, peer.service(number, endpoints))
    syncer.sync()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"resident": _resident(), "bare": bare, "most": most}


def _put(syncer: Syncer, number: int, chosen: peer.Service) -> None:
    service = decode.service_from_json(synthetic.service_json(number, chosen))
    syncer.put_service((service.namespace, service.name), service)
    for raw in synthetic.slices_json(number, chosen):
        piece = decode.endpoint_slice_from_json(raw)
        syncer.put_slice((piece.namespace, piece.name), piece)


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MB


if __name__ == "__main__":
    raise SystemExit(main())
