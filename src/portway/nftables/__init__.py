"""ForwardingTable → Ruleset (values); diff → Transaction; render; trace; apply to an in-memory ruleset.

Nothing per Service is a rule: rules and chains are constant, Services and endpoints are elements of maps.
"""

from portway.nftables.elements import elements_of
from portway.nftables.program import Program, compile, program
from portway.nftables.render import element_text, render
from portway.nftables.ruleset import TABLE, Chain, Container, Element, Hook, Ruleset, Transaction
from portway.nftables.trace import Step, Trace, trace
from portway.nftables.transaction import KernelError, apply, diff

__all__ = [
    "TABLE",
    "Chain",
    "Container",
    "Element",
    "Hook",
    "KernelError",
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
    "program",
    "render",
    "trace",
]
