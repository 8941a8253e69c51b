"""How long lint, audit, diff and trace take, how much memory, and how that grows: make bench-analysis.

`LINT=1000` manifests (a Service, a Deployment and a policy a time); `SIZES=1000x200,…` pods x Services of snapshots,
with nodes, namespaces and policies in proportion; `GROWTH=1`: up to 100,000 pods, which takes minutes and 2 GB. Each is
a process of its own, start-up included, but for "a trace after load": one that has read everything is asked. Peers are
named by LINTERS, e.g. LINTERS="kube-linter lint".
"""

import json
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.analysis_cluster import write
from bench.synthetic import save

_LINT = int(os.environ.get("LINT", "1000"))
_GROWTH = "1000x200,5000x1000,20000x4000,50000x10000,100000x20000"
_SIZES = os.environ.get("SIZES") or (_GROWTH if os.environ.get("GROWTH") else "1000x200,5000x1000")
_ROOT = Path(__file__).resolve().parents[1]
_PORTWAY = [sys.executable, "-m", "portway"]
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


def traced(path: Path) -> dict[str, float]:
    """Seconds of the first trace of a process that has read everything, and of the next ones at the median."""
    code = "import sys; from bench.analysis import after_load; after_load(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def after_load(path: str) -> None:
    """Reads a snapshot, then follows packets from outside through nodePorts; prints what they took."""
    from portway.analysis.target import Place, parse_target
    from portway.analysis.trace import trace
    from portway.cli.ground import of_inputs
    from portway.cli.sources import from_files

    terrain = of_inputs(from_files([path])).terrain
    took = []
    for number in range(30000, 30010):
        began = time.perf_counter()
        trace(terrain, Place("outside"), parse_target(f"node-1:{number}"))
        took.append(time.perf_counter() - began)
    print(json.dumps({"first": took[0], "next": statistics.median(took[1:])}))


def main() -> None:
    """Prints a table; JSON=FILE saves the figures."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += _of_manifests(Path(folder) / "all.yaml")
        for size in _SIZES.split(","):
            pods, services = map(int, size.split("x"))
            for row in _of_cluster(Path(folder), pods, services):
                rows.append({**row, "pods": pods, "services": services})
                _show(rows[-1])
    save("analysis", rows)


def _of_manifests(files: Path) -> Iterator[dict[str, Any]]:
    files.write_text(manifests(_LINT))
    for name in ("portway lint -f", *filter(None, os.environ.get("LINTERS", "").split(","))):
        if shutil.which(name.split()[0]) or name.startswith("portway"):
            argv = [*_PORTWAY, "lint", "-f"] if name.startswith("portway") else shlex.split(name)
            row = {"what": f"{name.removesuffix(' -f')}, {_LINT:,} manifests", **timed([*argv, str(files)])}
            _show(row)
            yield row


def _of_cluster(folder: Path, pods: int, services: int) -> Iterator[dict[str, Any]]:
    now, later = folder / "now.json", folder / "later.json"
    write(now, pods, services)
    write(later, pods, services, later=True)
    for what, argv in {
        "lint": ["lint", "-f", str(now), "-o", "json"],
        "audit": ["audit", "-f", str(now), "-o", "json"],
        "diff": ["diff", str(now), str(later), "-o", "json"],
        "trace": ["trace", "-f", str(now), "node-1:30000"],
    }.items():
        yield {"what": what, **timed([*_PORTWAY, *argv])}
    yield {"what": "a trace after load", **traced(now)}


def _show(row: dict[str, Any]) -> None:
    size = f"{row['pods']:,} pods" if "pods" in row else ""
    told = {"seconds": "{:8.2f} s", "cpu": "{:8.2f} s CPU", "mb": "{:7.0f} MB"}
    told |= {"first": "first {:8.4f} s", "next": "next {:8.4f} s"}
    figures = " ".join(form.format(row[key]) for key, form in told.items() if key in row)
    print(f"{row['what']:32} {size:>13} {figures}", flush=True)


if __name__ == "__main__":
    main()
