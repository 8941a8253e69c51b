"""How long lint, audit and trace take, how much memory, and how that grows: make bench-analysis.

`LINT=1000` manifests (a Service, a Deployment and a policy a time), `SIZES=500x100,…` pods x Services of a snapshot.
Each is a process of its own, start-up included; peers are named by LINTERS, e.g. LINTERS="kube-linter lint".
"""

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.synthetic import save

_LINT = int(os.environ.get("LINT", "1000"))
_SIZES = os.environ.get("SIZES", "500x100,5000x1000,20000x4000,100000x20000")
_NAMESPACES = 20


def manifests(count: int) -> str:
    """`count` objects: Services, Deployments and NetworkPolicies in turn."""
    return "---\n".join(_triple(n) for n in range(count // 3 + 1))


def _triple(n: int) -> str:
    meta = f"metadata: {{name: app-{n}, namespace: ns-{n % _NAMESPACES}}}"
    return f"""apiVersion: v1
kind: Service
{meta}
spec:
  selector: {{app: app-{n}}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
---
apiVersion: apps/v1
kind: Deployment
{meta}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      containers:
      - name: app
        image: app
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{port: http}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{meta}
spec:
  podSelector: {{matchLabels: {{app: app-{n}}}}}
  ingress:
  - from: [{{podSelector: {{}}}}]
    ports: [{{port: 8080}}]
"""


def snapshot(pods: int, services: int) -> Iterator[dict[str, Any]]:
    """The objects of a cluster that runs: nodes, pods, Services with slices, a policy for every tenth."""
    each = pods // services
    for n in range(50):
        addresses = [{"type": "InternalIP", "address": f"172.18.{n // 200}.{n % 200 + 10}"}]
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"node-{n}"},
            "status": {"addresses": addresses},
        }
    for n in range(services):
        yield from _service(n, each)


def _service(n: int, each: int) -> Iterator[dict[str, Any]]:
    namespace, name = f"ns-{n % _NAMESPACES}", f"app-{n}"
    meta = {"namespace": namespace, "name": name}
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    kind = "NodePort" if n % 20 == 0 else "ClusterIP"
    ports = [{**ports[0], "nodePort": 30000 + n // 20}] if kind == "NodePort" and n // 20 < 2768 else ports
    cluster_ip = f"10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"
    spec = {
        "type": kind,
        "selector": {"app": name},
        "ports": ports,
        "clusterIP": cluster_ip,
        "clusterIPs": [cluster_ip],
    }
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    endpoints = []
    for m in range(each):
        number = n * each + m
        address = f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        pod = f"{name}-7d9f8b6c5-{m:05x}"
        node = f"node-{number % 50}"
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": namespace,
                "name": pod,
                "labels": {"app": name, "pod-template-hash": "7d9f8b6c5"},
            },
            "spec": {"nodeName": node, "containers": [{"name": "app", "ports": [{"containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }
        endpoints.append(
            {"addresses": [address], "nodeName": node, "conditions": {"ready": True}, "targetRef": {"name": pod}}
        )
    labels = {"kubernetes.io/service-name": name}
    slice_ = {
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints,
    }
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": labels},
        **slice_,
    }
    if n % 10 == 0:
        rule = {"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}
        spec = {"podSelector": {"matchLabels": {"app": name}}, "ingress": [rule], "policyTypes": ["Ingress"]}
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def timed(argv: list[str]) -> dict[str, float]:
    """Seconds by the clock and of CPU, and MB at most, of one process."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if os.waitstatus_to_exitcode(status) not in (0, 1, 3):
        raise SystemExit(f"{shlex.join(argv)} failed")
    return {"seconds": time.perf_counter() - began, "cpu": cpu, "mb": usage.ru_maxrss / 1024}


def main() -> None:
    """Prints a table; JSON=FILE saves the figures."""
    portway = [sys.executable, "-m", "portway"]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "all.yaml"
        files.write_text(manifests(_LINT))
        rows.append({"what": f"lint {_LINT} manifests", **timed([*portway, "lint", "-f", str(files)])})
        for peer in filter(None, os.environ.get("LINTERS", "").split(",")):
            if shutil.which(peer.split()[0]):
                rows.append({"what": f"{peer} {_LINT} manifests", **timed([*shlex.split(peer), str(files)])})
        for size in _SIZES.split(","):
            pods, services = map(int, size.split("x"))
            path = Path(folder) / f"{size}.json"
            items = list(snapshot(pods, services))
            path.write_text(json.dumps({"apiVersion": "portway.dev/v1", "kind": "Snapshot", "items": items}))
            rows.append({"what": f"audit {size}", **timed([*portway, "audit", "-f", str(path), "-o", "json"])})
            rows.append({"what": f"trace {size}", **timed([*portway, "trace", "-f", str(path), "node-1:30000"])})
            rows.append({"what": f"lint {size}", **timed([*portway, "lint", "-f", str(path), "-o", "json"])})
            for row in rows[-3:]:
                _show(row)
    _show(rows[0])
    save("analysis", rows)


def _show(row: dict[str, Any]) -> None:
    print(f"{row['what']:28} {row['seconds']:8.2f} s {row['cpu']:8.2f} s CPU {row['mb']:7.0f} MB", flush=True)


if __name__ == "__main__":
    main()
