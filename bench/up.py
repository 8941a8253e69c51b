"""How long from nothing to a NodePort that answers on every node, and what it costs in memory.

    make bench-up            RUNS=7 make bench-up        JSON=out.json make bench-up

Each run starts a fleet of 3 nodes with examples/shop (6 pods, a NodePort) from an empty state folder and notes when
each node's loopback address first answers on port 32100. As root the fleet is run by an ordinary user (nobody).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import synthetic

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = {"k3d": 19.9, "kind": 33.0, "minikube": 50.8}
NODE_PORT = 32100
DEADLINE = 60.0


def main() -> int:
    """Runs the fleet RUNS times and prints medians."""
    from tests.people import ordinary_user

    runs = int(os.environ.get("RUNS", "5"))
    measured = []
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as scratch, ordinary_user(Path(scratch)) as person:
        for number in range(runs):
            measured.append(_one(person.command, person.environment, f"bench-{number}"))
            print(f"run {number + 1}/{runs}: {measured[-1]['seconds']:.2f} s", file=sys.stderr)
    _report(measured)
    return 0


def _one(command: list[str], environment: dict[str, str], name: str) -> dict[str, float]:
    started = time.monotonic()
    files = str(ROOT / "examples" / "shop")
    up = subprocess.Popen(
        [*command, "up", "--name", name, "--nodes", "3", "-f", files, "--detach"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        answered = _first_replies(Path(environment["PORTWAY_STATE"]) / name / "fleet.json", started)
        returned = _wait(up) and time.monotonic() - started
        memory = _memory(environment, command, name)
    finally:
        subprocess.run([*command, "down", "--name", name], env=environment, check=True, capture_output=True)
    return {"seconds": answered, "returned": float(returned), **memory}


def _wait(up: "subprocess.Popen[str]") -> bool:
    _, talk = up.communicate(timeout=DEADLINE)
    if up.returncode:
        raise SystemExit(f"portway up failed:\n{talk}")
    return True


def _first_replies(fleet: Path, started: float) -> float:
    """Seconds until every node's address has answered once."""
    waiting: set[str] | None = None
    while time.monotonic() - started < DEADLINE:
        waiting = _addresses(fleet) if waiting is None else {a for a in waiting if not _answers(a)}
        if waiting is not None and not waiting:
            return time.monotonic() - started
        time.sleep(0.005)
    raise SystemExit(f"no answer from {waiting or 'any node'} within {DEADLINE:.0f} s")


def _addresses(fleet: Path) -> set[str] | None:
    try:
        state = json.loads(fleet.read_text())
        return {f"{state['loopback']}.{k}" for k in range(1, state["config"]["nodes"] + 1)}
    except (OSError, ValueError):
        return None


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{NODE_PORT}/", timeout=1) as reply:
            return "pod" in json.load(reply)
    except (OSError, ValueError):
        return False


def _memory(environment: dict[str, str], command: list[str], name: str) -> dict[str, float]:
    """Resident and proportional memory of all the fleet's processes, MB."""
    status = subprocess.run(
        [*command, "status", "--name", name, "-o", "json"], env=environment, check=True, capture_output=True
    )
    pids = [process["pid"] for process in json.loads(status.stdout)["processes"]]
    return {
        "processes": float(len(pids)),
        "rss_mb": sum(_rss(pid) for pid in pids) / 2**20,
        "pss_mb": sum(_pss(pid) for pid in pids) / 2**20,
    }


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _pss(pid: int) -> int:
    """Shared pages divided among their sharers; 0 where the kernel does not let us read it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _report(measured: list[dict[str, float]]) -> None:
    medians = {key: statistics.median(run[key] for run in measured) for key in measured[0]}
    seconds = [run["seconds"] for run in measured]
    print(f"{os.cpu_count()} cores, {len(measured)} runs, 3 nodes, 6 pods, ordinary user")
    print(f"  first reply on every node   median {medians['seconds']:.2f} s  ({min(seconds):.2f}-{max(seconds):.2f})")
    print(f"  `up --detach` returned      median {medians['returned']:.2f} s")
    print(f"  memory, {medians['processes']:.0f} processes       {medians['pss_mb']:.0f} MB shared pages counted once")
    print(f"                              {medians['rss_mb']:.0f} MB sum of resident sizes")
    print("published by others, on other machines, cluster only:")
    for tool, figure in PUBLISHED.items():
        print(f"  {tool:10} {figure:5.1f} s   {figure / medians['seconds']:.0f} x")
    synthetic.save("up", measured)


if __name__ == "__main__":
    raise SystemExit(main())
