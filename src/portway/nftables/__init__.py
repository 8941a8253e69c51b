"""ForwardingTable → Ruleset (values); diff → Transaction; render; trace; apply to an in-memory ruleset.

Nothing per Service is a rule: rules and chains are constant, Services and endpoints are elements of maps.
"""

from portway.nftables.elements import elements_of
from portway.nftables.policy import PolicyProgram, next_generation
from portway.nftables.policy_structure import GENERATION, PolicyConfig, pod_sets, policy_containers
from portway.nftables.program import Program, compile, program
from portway.nftables.render import element_text, render
from portway.nftables.ruleset import TABLE, Chain, Container, Element, Hook, Ruleset, Transaction
from portway.nftables.trace import Flow, Step, Trace, trace
from portway.nftables.transaction import KernelError, apply, diff
from portway.nftables.union import unite_rulesets, unite_transactions

__all__ = [
    "GENERATION",
    "TABLE",
    "Chain",
    "Container",
    "Element",
    "Flow",
    "Hook",
    "KernelError",
    "PolicyConfig",
    "PolicyProgram",
    "Program",
    "Ruleset",
    "Step",
    "Trace",
    "Transaction",
    "apply",
    "compile",
    "diff",
    "element_text",
    "elements_of",
    "next_generation",
    "pod_sets",
    "policy_containers",
    "program",
    "render",
    "trace",
    "unite_rulesets",
    "unite_transactions",
]
