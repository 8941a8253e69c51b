"""NetworkPolicies on one node: from decoded objects to rules in the kernel, and one change.

    make bench-policy        SIZES=10000x1000 CHANGES=50 make bench-policy       PEER=0 leaves the peer out

SIZES are pods x policies; one pod in forty is the node's. The peer, in the same run: a ruleset of the shape that
policy agents with a chain for each policy load (a verdict map to a chain for each pod, which jumps to a chain for
each of its policies, whose rules name sets of addresses), by `nft -f`; its change is one policy's chain and set
written anew.
What a packet pays is not measured here.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import synthetic, synthetic_policies
from portway.agent.table import KernelTable
from portway.model import NetworkPolicy, PolicySnapshot
from portway.nftables import PolicyConfig, PolicyProgram
from portway.policy import PolicyInputs
from portway.testing.netns import World

CHANGES = int(os.environ.get("CHANGES", "50"))
_PEER_CHANGES = 15
_CONFIG = PolicyConfig(("10.0.0.0/8",), "v*", 0)


def main() -> int:
    """Prints one line for each size."""
    rows = []
    print(f"{'pods':>7} {'policies':>8} {'load':>8} {'pod':>8} {'policy':>8} {'peer load':>10} {'peer policy':>12}")
    for pods, policies in synthetic.sizes("1000x100,10000x1000"):
        row = _measure(pods, policies)
        rows.append(row)
        ours = f"{row['load']:6.2f} s {row['pod'] * 1000:5.1f} ms {row['policy'] * 1000:5.1f} ms"
        theirs = f"{row['peer_load']:8.2f} s {row['peer_policy'] * 1000:9.1f} ms" if row["peer_load"] else "-"
        print(f"{pods:7} {policies:8} {ours} {theirs}", flush=True)
    synthetic.save("policy", rows)
    return 0


def _measure(pods: int, policies: int) -> dict[str, Any]:
    row: dict[str, Any] = {"pods": pods, "policies": policies, "peer_load": 0.0, "peer_policy": 0.0}
    with World() as world:
        row |= world.namespace("ours").run(_ours, pods, policies)
    if os.environ.get("PEER") != "0":
        with World() as world:
            row |= world.namespace("peer").run(_peer, pods, policies)
    return row


def _ours(pods: int, policies: int) -> dict[str, float]:
    inputs = synthetic_policies.cluster(pods, policies)
    kernel, program = KernelTable(), PolicyProgram(_CONFIG)
    began = time.perf_counter()
    inputs.take()
    program.load(inputs.table)
    kernel.adopt(program.ruleset, whole=False)
    load = time.perf_counter() - began

    def change(put: Callable[[int], None]) -> float:
        return statistics.median(_one(inputs, program, kernel, put, number) for number in range(CHANGES))

    own = synthetic_policies.NODES
    return {
        "load": load,
        "pod": change(lambda n: synthetic_policies.put(inputs, synthetic_policies.pod(n % 5 * own, n))),
        "policy": change(lambda n: synthetic_policies.put_policy(inputs, synthetic_policies.policy(n % 7, 400 + n))),
    }


def _one(
    inputs: PolicyInputs, program: PolicyProgram, kernel: KernelTable, put: Callable[[int], None], number: int
) -> float:
    began = time.perf_counter()
    put(number)
    transaction = program.update(inputs.take())
    kernel.apply(transaction, program.ruleset.containers)
    return time.perf_counter() - began


def _peer(pods: int, policies: int) -> dict[str, float]:
    known = synthetic_policies.cluster(pods, policies).snapshot
    text = "".join(_chains(known))
    began = time.perf_counter()
    _nft(text)
    load = time.perf_counter() - began
    changed = [synthetic_policies.policy(number % 7, 400 + number) for number in range(_PEER_CHANGES)]
    return {"peer_load": load, "peer_policy": statistics.median(_rewritten(known, one) for one in changed)}


def _rewritten(known: PolicySnapshot, policy: NetworkPolicy) -> float:
    began = time.perf_counter()
    _nft(f"flush chain inet peer {policy.name}\n" + "".join(_policy_rules(known, policy)))
    return time.perf_counter() - began


def _nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, capture_output=True)


def _chains(known: PolicySnapshot) -> Iterator[str]:
    yield "table inet peer {\n map pods { type ipv4_addr : verdict; }\n}\n"
    for policy in known.policies.values():
        yield f"add chain inet peer {policy.name}\n"
    for policy in known.policies.values():
        yield from _policy_rules(known, policy)
    for pod in known.pods.values():
        if pod.node_name == synthetic_policies.NODE:
            mine = [p for p in known.policies.values() if p.namespace == pod.namespace and p.pods.matches(pod.labels)]
            yield f"add chain inet peer pod-{pod.name}\n"
            yield from (f"add rule inet peer pod-{pod.name} jump {policy.name}\n" for policy in mine)
            yield f"add rule inet peer pod-{pod.name} drop\n" if mine else ""
            yield f"add element inet peer pods {{ {pod.addresses[0]} : jump pod-{pod.name} }}\n"
    yield "add chain inet peer forward { type filter hook forward priority 0; }\n"
    yield "add rule inet peer forward ct state established accept\nadd rule inet peer forward ip daddr vmap @pods\n"


def _policy_rules(known: PolicySnapshot, policy: NetworkPolicy) -> Iterator[str]:
    """Its set of addresses and its rule; only ingress, and no blocks."""
    name = f"from-{policy.name}"
    yield f"add set inet peer {name} {{ type ipv4_addr; }}\nflush set inet peer {name}\n"
    yield f"add element inet peer {name} {{ {', '.join(_sources(known, policy))} }}\n"
    port = policy.ingress[0].ports[0].port
    yield f"add rule inet peer {policy.name} ip saddr @{name} tcp dport {{ {port}, 8080 }} accept\n"


def _sources(known: PolicySnapshot, policy: NetworkPolicy) -> list[str]:
    same, team = policy.ingress[0].peers[:2]
    assert same.pods is not None and team.pods is not None and team.namespaces is not None
    teams = {name for name, namespace in known.namespaces.items() if team.namespaces.matches(namespace.labels)}
    return [
        pod.addresses[0]
        for pod in known.pods.values()
        if (pod.namespace == policy.namespace and same.pods.matches(pod.labels))
        or (pod.namespace in teams and team.pods.matches(pod.labels))
    ]


if __name__ == "__main__":
    sys.exit(main())
