"""NetworkPolicies on one node: from documents to rules in the kernel, one change, and what packets pay.

    make bench-policy        SIZES=10000x1000 CHANGES=50 make bench-policy       PEER=0 no peer, PACKETS=0 no packets

SIZES are pods x policies; one pod in forty is the node's. Loading goes from JSON to the kernel: decoded, indexed,
compiled, committed. Each change goes the same way, and is one that alters rules of this node; those that alter none
are a fraction of these. "first of its kind" is a policy that tells pods apart as no policy did before: the node must
be told which pods it means, up to half of the cluster's.

The peer, in the same run: a ruleset of the shape that policy agents with a chain for each policy load (a verdict map to
a chain for each pod, which jumps to a chain for each of its policies, whose rules name sets of addresses), by `nft -f`.
Nothing is decoded, indexed or computed for it; its change is one policy's chain and set written anew.
What packets pay is bench/policy_packets.py.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from msgspec import Struct

from bench import policy_packets, policy_peer, synthetic
from bench import synthetic_policies as cluster
from portway.agent.table import KernelTable
from portway.nftables import PolicyConfig, PolicyProgram
from portway.policy import PolicyInputs
from portway.testing.netns import World

CHANGES = int(os.environ.get("CHANGES", "40"))
_CONFIG = PolicyConfig((cluster.POD_CIDR,), "v*", 0)
_UNSELECTED = cluster.APPLICATIONS - 1
Row = dict[str, Any]


def main() -> int:
    """Prints a line for each thing measured."""
    rows = []
    print(f"{'pods':>7} {'policies':>8} {'':20} {'median':>10} {'most':>10} {'elements':>9} {'peer':>10}")
    for pods, policies in synthetic.sizes("1000x100,10000x1000"):
        for row in _measure(pods, policies):
            rows.append(row)
            shown = f"{row['median'] * 1000:7.1f} ms {row['most'] * 1000:7.1f} ms {row['elements']:9.0f}"
            peer = f"{row['peer'] * 1000:7.0f} ms" if row["peer"] else "-"
            print(f"{pods:7} {policies:8} {row['what']:20} {shown} {peer:>10}", flush=True)
    synthetic.save("policy", rows)
    return 0 if os.environ.get("PACKETS") == "0" else policy_packets.main()


def _measure(pods: int, policies: int) -> list[Row]:
    theirs: dict[str, float] = {}
    with World() as world:
        rows = world.namespace("ours").run(_ours, pods, policies)
    if os.environ.get("PEER") != "0":
        with World() as world:
            theirs = world.namespace("peer").run(policy_peer.measured, pods, policies)
    return [{"pods": pods, "policies": policies, "peer": theirs.get(row["what"], 0.0)} | row for row in rows]


class _Change(Struct, frozen=True):
    """A document that comes, or goes."""

    document: bytes
    goes: bool = False


def _ours(pods: int, policies: int) -> list[Row]:
    documents = [*cluster.documents(pods, policies)]
    kernel, program = KernelTable(), PolicyProgram(_CONFIG)
    began = time.perf_counter()
    inputs = cluster.inputs(iter(documents))
    inputs.take()
    program.load(inputs.table)
    done = kernel.adopt(program.ruleset, whole=False)
    rows = [_row("load", [time.perf_counter() - began], [done])]
    for what, changes in _changes(pods, policies).items():
        taken, elements = zip(*(_carry_out(inputs, program, kernel, each) for each in changes), strict=True)
        assert min(elements) > 2, f"{what}: every change alters rules, besides the stamps' number"
        rows.append(_row(what, taken, elements))
    return rows


def _row(what: str, taken: Sequence[float], elements: Sequence[int]) -> Row:
    return {
        "what": what,
        "median": statistics.median(taken),
        "most": max(taken),
        "elements": statistics.median(elements),
    }


def _carry_out(inputs: PolicyInputs, program: PolicyProgram, kernel: KernelTable, change: _Change) -> tuple[float, int]:
    began = time.perf_counter()
    document = msgspec.json.decode(change.document)
    (cluster.take_away if change.goes else cluster.put)(inputs, document)
    transaction = program.update(inputs.take())
    kernel.apply(transaction, program.ruleset.containers)
    return time.perf_counter() - began, transaction.element_count


def _changes(pods: int, policies: int) -> dict[str, list[_Change]]:
    """What comes or goes, by what it is; each follows the ones before."""
    applications = max(1, policies // cluster.NAMESPACES)
    own = [number for number in range(0, pods, cluster.NODES) if _application(number) < applications]
    fresh = [(pods + number * cluster.NODES, number % applications) for number in range(CHANGES)]
    elsewhere = [number for number in range(0, pods, cluster.NAMESPACES) if number % cluster.NODES]
    edited = cycle(_selecting(range(policies), pods))
    added = [cluster.policy(number) for number in islice(_selecting(count(policies), pods), CHANGES)]
    return {
        "pod added": _each(cluster.pod(*each) for each in fresh),
        "pod removed": _each((cluster.pod(*each) for each in fresh), goes=True),
        "pod deselected": _each(cluster.pod(number, _UNSELECTED) for number in own[:CHANGES]),
        "pod selected": _each(cluster.pod(number, _application(number)) for number in own[:CHANGES]),
        "other node's pod": _each(cluster.pod(elsewhere[n % 5], (0, _UNSELECTED)[n // 5 % 2]) for n in range(CHANGES)),
        "policy edited": _each(cluster.policy(next(edited), 400 + 10 * n) for n in range(CHANGES)),
        "policy added": _each(added),
        "policy removed": _each(added, goes=True),
        "first of its kind": _each(cluster.wide_policy("ns0", 0, tiers) for tiers in (("x0",), ("x1", "x9"), ("x8",))),
    }


def _selecting(numbers: Iterable[int], pods: int) -> Iterator[int]:
    """The policies that select pods of this node."""
    own = {(number % cluster.NAMESPACES, _application(number)) for number in range(0, pods, cluster.NODES)}
    return (number for number in numbers if (number % cluster.NAMESPACES, _application(number)) in own)


def _application(number: int) -> int:
    return number // cluster.NAMESPACES % cluster.APPLICATIONS


def _each(documents: Iterable[cluster.Doc], goes: bool = False) -> list[_Change]:
    return [_Change(msgspec.json.encode(document), goes) for document in documents]


if __name__ == "__main__":
    sys.exit(main())
