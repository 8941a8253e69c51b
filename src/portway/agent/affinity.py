"""Clients that were sent to an endpoint that left are sent to another next time: what is remembered goes with it."""

from portway.agent.table import KernelTable
from portway.nftables import Program


def forget_stale(kernel: KernelTable, program: Program) -> int:
    """Look through what the kernel remembers, if an endpoint left since; how much was forgotten. Raises NftError."""
    if not program.affinity.lost:
        return 0
    containers = program.ruleset.containers
    stale = tuple(e for d in "46" for e in program.affinity.stale(d, kernel.learned(containers[f"affinity{d}"])))
    kernel.forget(stale, containers)
    program.affinity.lost = False
    return len(stale)
