"""Many LoadBalancers at once: until all have addresses, until all answer, until nothing is left of them.

    make bench-loadbalancers     SIZES=10,100,1000 NODES=3 make bench-loadbalancers     JSON=out.json …

A fleet with a pool that is large enough gets N Services on port 80 by one `kubectl apply`, all of one Deployment's
pods, and loses them by one `kubectl delete`. In the same run the same N as plain ClusterIP Services: what kubectl, the
API server and the rules cost without any address from a pool. LoadBalancers answer when a client in `outside` has
connected to each, clusterIPs when one in node-1 has. CPU is that of the fleet's processes (user and system), until all
answer; memory what they hold then.
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from msgspec import Struct

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import synthetic
from portway.cli.status import processes

Doc = dict[str, Any]
T = TypeVar("T")
_KUBECTL = Path(sys.executable).parent / "kubectl"
_TICK = os.sysconf("SC_CLK_TCK")
_SECONDS = 600.0
_POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bench, namespace: metallb-system}
spec: {addresses: [10.77.0.1-10.77.63.254]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: bench, namespace: metallb-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""
_DIAL = """
import asyncio, json, sys, time
async def answers(address):
    while True:
        try:
            async with asyncio.timeout(1.0):
                _, writer = await asyncio.open_connection(address, 80)
            writer.transport.abort()
            return
        except OSError:
            await asyncio.sleep(0.02)
async def main():
    limit = asyncio.Semaphore(64)
    async def one(address):
        async with limit:
            await answers(address)
    print("ready", flush=True)
    await asyncio.gather(*map(one, sys.stdin.read().split()))
    print(time.monotonic())
asyncio.run(main())
"""


class Fleet(Struct):
    """One that runs."""

    folder: Path
    name: str

    def portway(self, *argv: str, text: str = "") -> str:
        """What it says."""
        command = [sys.executable, "-m", "portway", argv[0], "--name", self.name, *argv[1:]]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def kubectl(self, *argv: str, text: str = "") -> str:
        """The same of kubectl."""
        command = [str(_KUBECTL), "--kubeconfig", str(self.folder / "kubeconfig"), *argv]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def client(self, place: str) -> "subprocess.Popen[str]":
        """Ready to connect to the addresses that it is told; says when all have answered."""
        command = [sys.executable, "-m", "portway", "exec", "--name", self.name, place, sys.executable, "-c", _DIAL]
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert started.stdout is not None
        started.stdout.readline()
        return started

    def services(self) -> list[Doc]:
        """Those of the bench."""
        found: list[Doc] = json.loads(self.kubectl("get", "services", "-l", "bench=yes", "-o", "json"))["items"]
        return found

    def costs(self) -> dict[str, tuple[float, float]]:
        """CPU seconds and MB of memory so far, by kind of process: of all nodes together."""
        keeper = json.loads((self.folder / "fleet.json").read_text())["keeper_pid"]
        seconds: defaultdict[str, float] = defaultdict(float)
        memory: defaultdict[str, float] = defaultdict(float)
        for process in processes(keeper):
            kind = _kind(process["name"])
            times = Path(f"/proc/{process['pid']}/stat").read_text().rpartition(")")[2].split()
            seconds[kind] += (int(times[11]) + int(times[12])) / _TICK
            memory[kind] += int(Path(f"/proc/{process['pid']}/statm").read_text().split()[1]) * 4096 / 2**20
        return {kind: (seconds[kind], memory[kind]) for kind in seconds}


def _kind(name: str) -> str:
    """`node-2-agent` is an agent; the kernel cuts names off."""
    return name.partition("-")[2].partition("-")[2] if name.startswith("node-") else name


@contextmanager
def fleet(nodes: int) -> Iterator[Fleet]:
    """With the pool and pods to lead to."""
    with TemporaryDirectory(prefix="pw-bench-") as state:
        os.environ["PORTWAY_STATE"] = state
        made = Fleet(Path(state) / "bench-lb", "bench-lb")
        made.portway("up", "--nodes", str(nodes), "--detach", "-f", "-", text=_POOL)
        try:
            yield made
        finally:
            made.portway("down")


def manifest(number: int, kind: str) -> str:
    """A List, as kubectl takes it."""
    spec = {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]}
    items = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"s{n}", "labels": {"bench": "yes"}}, "spec": spec}
        for n in range(number)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _address(service: Doc, kind: str) -> str:
    if kind == "ClusterIP":
        return str(service["spec"].get("clusterIP") or "")
    points = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(points[0].get("ip") or "")


def measure(on: Fleet, number: int, kind: str) -> dict[str, Any]:
    """One size of one kind, from the first to the last moment of it."""
    client = on.client("outside" if kind == "LoadBalancer" else "node-1")
    before, began = on.costs(), time.monotonic()
    on.kubectl("apply", "-f", "-", text=manifest(number, kind))
    applied = time.monotonic() - began
    addresses = _until(lambda: _all_addresses(on, number, kind))
    addressed = time.monotonic() - began
    answered = float(client.communicate("\n".join(addresses))[0]) - began
    after = on.costs()
    cpu = {name: round(seconds - before.get(name, (0.0, 0.0))[0], 2) for name, (seconds, _) in after.items()}
    memory = {name: round(megabytes, 1) for name, (_, megabytes) in after.items()}
    began = time.monotonic()
    on.kubectl("delete", "services", "-l", "bench=yes", "--wait=false")  # it waits for one after the other
    _until(lambda: _nothing_left(on))
    gone = time.monotonic() - began
    return {
        "what": kind, "services": number, "applied": applied, "addressed": addressed, "answered": answered,
        "gone": gone, "cpu": cpu, "total cpu": sum(cpu.values()), "memory": memory,
    }  # fmt: skip


def _all_addresses(on: Fleet, number: int, kind: str) -> list[str]:
    found = [address for service in on.services() if (address := _address(service, kind))]
    return found if len(set(found)) == number else []


def _nothing_left(on: Fleet) -> bool:
    """No Service, no address given, no Lease, no place at this machine."""
    if on.services():
        return False
    pool = json.loads(on.kubectl("get", "ipaddresspool", "-n", "metallb-system", "bench", "-o", "json"))
    leases = on.kubectl("get", "leases", "-n", "kube-system", "-o", "name").split()
    places = json.loads((on.folder / "doors.json").read_text()) if (on.folder / "doors.json").exists() else []
    given = (pool.get("status") or {}).get("assignedIPv4", 0)
    return not (given or any("announce-10.77." in lease for lease in leases) or places)


def _until(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + _SECONDS
    while not (found := ask()):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {_SECONDS:.0f} s")
        time.sleep(0.05)
    return found


def main() -> int:
    """Each size of each kind, in one fleet."""
    sizes = [int(size) for size in os.environ.get("SIZES", "10,100,1000").split(",")]
    rows = []
    with fleet(int(os.environ.get("NODES", "3"))) as on:
        for size in sizes:
            for kind in ("ClusterIP", "LoadBalancer"):
                rows.append(measure(on, size, kind))
                print(_told(rows[-1]), file=sys.stderr)
    synthetic.save("loadbalancers", rows)
    return 0


def _told(row: dict[str, Any]) -> str:
    costs = ", ".join(f"{name} {cpu:.1f} s {row['memory'][name]:.0f} MB" for name, cpu in sorted(row["cpu"].items()))
    times = ", ".join(f"{name} {row[name]:.2f} s" for name in ("applied", "addressed", "answered", "gone"))
    return f"{row['services']} {row['what']}: {times}\n    {costs}"


if __name__ == "__main__":
    raise SystemExit(main())
