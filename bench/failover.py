"""How long a LoadBalancer's address is silent when its announcer dies, hangs, ends or loses its link.

    make bench-failover      RUNS=9 make bench-failover

Three nodes on a bridge, two clients; one asks (ARP) every 20 ms, and the longest time between two answers counts. The
lease lasts 0.8 s, as `portway serve` has it. Says also whether ever two nodes answered one question.
"""

import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.contract import lan
from tests.contract.lan import Lan, silence

ENDS = ("killed", "frozen", "told to end", "cut off")


def main() -> int:
    """RUNS of each end, in turn."""
    lan.LEASE_SECONDS = 0.8
    runs = int(os.environ.get("RUNS", "5"))
    silences: dict[str, list[float]] = {end: [] for end in ENDS}
    twice = 0
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as scratch, lan.lan(Path(scratch), None) as net:
        for number in range(runs):
            for place, end in enumerate(ENDS):
                silent, both = _one(net, f"192.0.2.{100 + number * len(ENDS) + place}", end, Path(scratch))
                silences[end].append(silent)
                twice += both
    print(f"{'':12} {'median':>8} {'longest':>8}   seconds without an answer, {runs} runs each")
    for end, found in silences.items():
        print(f"{end:12} {statistics.median(found):8.2f} {max(found):8.2f}")
    print(f"two nodes answered one question: {twice} times")
    return 0


def _one(net: Lan, address: str, end: str, folder: Path) -> tuple[float, int]:
    name = f"s{address.rpartition('.')[2]}"
    net.balance(name, address)
    first = net.announced_by(address)
    with net.recording(address, folder / name) as rounds:
        if end == "cut off":
            net.link(first, "down")
        else:
            net.kill(first, {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP, "told to end": signal.SIGTERM}[end])
        net.announced_by(address, first)
        _mend(net, first, end)
        net.announced_by(address, first)
    return silence(rounds), sum(len(nodes) > 1 for _, nodes in rounds)


def _mend(net: Lan, node: str, end: str) -> None:
    if end == "cut off":
        net.link(node, "up")
    elif end == "frozen":
        net.kill(node, signal.SIGCONT)
    else:
        net.start(node)


if __name__ == "__main__":
    sys.exit(main())
