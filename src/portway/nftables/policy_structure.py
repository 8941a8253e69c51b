"""The constant part of policies: containers and chains, whatever policies and pods there are.

README.md draws the packet's way and argues hooks, priorities, the mark and the scratch place ("Policies").
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from portway.model import Family, family_of
from portway.nftables.ruleset import Chain, Container, Hook
from portway.nftables.statement import (
    PORT,
    PROTOCOL,
    Accept,
    Among,
    CameBy,
    Count,
    Drop,
    Goto,
    Identify,
    InSet,
    IsFamily,
    IsNeighbourDiscovery,
    IsOtherProtocol,
    IsRelated,
    IsReply,
    IsScratch,
    IsStamped,
    IsStrayed,
    Jump,
    Key,
    Log,
    Lookup,
    Operand,
    Return,
    Rule,
    SetScratch,
    Stamp,
    Statement,
)
from portway.nftables.structure import FAMILIES, digit
from portway.policy import Reason
from portway.policy.table import EVERYTHING, FIRST_PORT_SET, NOBODY

Way = Literal["ingress", "egress"]
WAYS: tuple[Way, ...] = ("ingress", "egress")

OPEN, ALLOW, DENY = "policy-open", "policy-allow", "policy-deny"
_SCRATCH = Operand("priority")
PORT_KEY: Key = (_SCRATCH, PROTOCOL, PORT)
"""A port set, a protocol and a port."""
GENERATION = Container("policy_generation", (Operand("mark"),))
"""One number: that of the stamps that count now. No rule reads it; an agent that starts goes on from it."""
DENIED = 0x8000
"""The bit of a stamp that says that the connection was denied."""


class PolicyConfig(Struct, frozen=True):
    """What the node's rules for policies are told. CIDRs are canonical."""

    pod_cidrs: tuple[str, ...] = ()
    """Of this node: packets from and to an address of theirs that is no known pod's are dropped."""
    pod_interface: str = ""
    """The name of the interfaces by which pods' packets come (`*` at the end: any rest). A packet that comes by such
    an interface must be from an address to which that interface leads, and nobody else may send from `pod_cidrs`.
    Empty: neither is asked.
    """
    log_group: int = 0
    """The group of nfnetlink_log that is told of each packet that is dropped; 0: nobody is."""


def pod_sets() -> tuple[Container, ...]:
    """The sets of this node's known pods: who is in one, its rules are in."""
    return tuple(Container(f"pods{digit(f)}", (Operand("saddr", f),)) for f in FAMILIES)


def policy_containers() -> Iterator[Container]:
    """All named sets and maps of policies."""
    yield from pod_sets()
    for family in FAMILIES:
        d, source, destination = digit(family), Operand("saddr", family), Operand("daddr", family)
        yield Container(f"own_node{d}", (destination,))
        yield Container(f"hairpin_pods{d}", (source, destination))
        yield Container(f"classes{d}", (source,), (_SCRATCH,))
        yield Container(f"class_ranges{d}", (source,), (_SCRATCH,), interval=True)
        for way, pod in zip(WAYS, (destination, source), strict=True):
            yield Container(f"{way}{d}", (pod,), verdicts=True)
            yield Container(f"{way}_pairs{d}", (pod, _SCRATCH), (_SCRATCH,))
            yield Container(f"{way}_anybody{d}", (pod,), (_SCRATCH,))
    yield Container("allowed_ports", PORT_KEY)
    yield Container("allowed_port_ranges", PORT_KEY, interval=True)
    yield Container("allowed_other_protocols", (_SCRATCH,))
    yield GENERATION


def judged(way: Way, family: Family) -> bytes:
    """The verdict for a pod whose connections are judged."""
    return f"jump {way}{digit(family)}".encode()


def stamping_chains(judged_at: int, changed_at: int) -> tuple[Chain, ...]:
    """The chains that know the stamps: of connections allowed since `judged_at`, or denied since `changed_at`."""
    allowed, denied = judged_at << 16, changed_at << 16 | DENIED
    chains = {
        OPEN: ((IsStamped(allowed), Accept()), (IsStamped(denied), Drop())),
        ALLOW: ((Stamp(allowed),), (SetScratch(0),), (Accept(),)),
        DENY: ((Stamp(denied),),),
    }
    return tuple(Chain(name, rules, of_stamp=True) for name, rules in chains.items())


def policy_chains(config: PolicyConfig) -> Iterator[Chain]:
    """The chains that stand; a chain comes after those that it names, but for those that know the stamps."""
    yield from _endings(config)
    for family in FAMILIES:
        for way in WAYS:
            yield _judging(way, family)
        yield _judged_ends(config, family)
        yield _own_node(family)
    yield _forward()
    yield _input(config)
    if config.pod_interface:
        yield _prerouting(config)


def _endings(config: PolicyConfig) -> Iterator[Chain]:
    for name, reason, stamp in (
        ("denied-ingress", f"{Reason.NO_RULE_MATCHES.value} Ingress", True),
        ("denied-egress", f"{Reason.NO_RULE_MATCHES.value} Egress", True),
        ("unknown-pod", Reason.POD_UNKNOWN.value, True),
        ("spoofed", Reason.SOURCE_SPOOFED.value, False),
    ):
        stamped: tuple[Rule, ...] = ((Jump(DENY),),) if stamp else ()
        log: tuple[Statement, ...] = (Log(reason, config.log_group),) if config.log_group else ()
        yield Chain(name, (*stamped, (Count(), *log, Drop())))


def _judging(way: Way, family: Family) -> Chain:
    """For a pod that is judged in this direction: back when the connection is allowed."""
    d, source, destination = digit(family), Operand("saddr", family), Operand("daddr", family)
    pod, other = (source, destination) if way == "egress" else (destination, source)
    return Chain(
        f"{way}{d}",
        (
            (SetScratch(NOBODY),),
            (Identify(family, (other,), f"classes{d}"),),
            (IsScratch(NOBODY), Identify(family, (other,), f"class_ranges{d}")),
            (Identify(family, (pod, _SCRATCH), f"{way}_pairs{d}"),),
            (IsScratch(FIRST_PORT_SET, below=True), Identify(family, (pod,), f"{way}_anybody{d}")),
            (IsScratch(EVERYTHING), Return()),
            (InSet(PORT_KEY, "allowed_ports"), Return()),
            (InSet(PORT_KEY, "allowed_port_ranges"), Return()),
            (IsOtherProtocol(), InSet((_SCRATCH,), "allowed_other_protocols"), Return()),
            (Goto(f"denied-{way}"),),
        ),
    )


def _judged_ends(config: PolicyConfig, family: Family) -> Chain:
    """Both ends of a packet that is not yet known to be allowed, the client's first."""
    d, ends = digit(family), (Operand("saddr", family), Operand("daddr", family))
    cidrs = _of_family(config.pod_cidrs, family)
    unknown = tuple(
        (Among(end, cidrs), InSet((end,), f"pods{d}", wanted=False), Goto("unknown-pod")) for end in ends if cidrs
    )
    return Chain(
        f"policies{d}",
        (
            *unknown,
            (InSet(ends, f"hairpin_pods{d}"), Goto(ALLOW)),
            (Lookup(ends[:1], f"egress{d}"),),
            (Lookup(ends[1:], f"ingress{d}"),),
            (Goto(ALLOW),),
        ),
    )


def _own_node(family: Family) -> Chain:
    """From a pod to its own node, where only egress is asked: ClusterNetworkPolicies may deny it."""
    return Chain(
        f"policies-own-node{digit(family)}",
        ((Lookup((Operand("saddr", family),), f"egress{digit(family)}"),), (Goto(ALLOW),)),
    )


def _input(config: PolicyConfig) -> Chain:
    """What ends on the node itself. What does not come from a pod passes, and so do addresses that are not the Node's
    own by its object: nobody can tell what policies think of those.
    """
    rules: list[Rule] = [
        (Jump(OPEN),),
        *((rule, Accept()) for rule in (IsReply(), IsRelated(), IsNeighbourDiscovery())),
    ]
    for family in FAMILIES:
        d, source, destination = digit(family), Operand("saddr", family), Operand("daddr", family)
        if config.pod_interface and (cidrs := _of_family(config.pod_cidrs, family)):
            unknown = InSet((source,), f"pods{d}", wanted=False)
            rules.append((CameBy(config.pod_interface), Among(source, cidrs), unknown, Goto("unknown-pod")))
        known = InSet((source,), f"pods{d}"), InSet((destination,), f"own_node{d}")
        rules.append((*known, Goto(f"policies-own-node{d}")))
    return Chain("policy-input", tuple(rules), Hook("filter", "input", 10), fails_closed=True)


def _of_family(cidrs: Iterable[str], family: Family) -> tuple[str, ...]:
    """Those of one family, none inside another."""
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs if family_of(cidr) == family]
    return tuple(map(str, ipaddress.collapse_addresses(networks)))  # type: ignore[type-var]


def _forward() -> Chain:
    families = tuple((IsFamily(f), Goto(f"policies{digit(f)}")) for f in FAMILIES)
    rules: tuple[Rule, ...] = (
        (Jump(OPEN),),
        (IsReply(), Accept()),
        (IsRelated(), Accept()),
        (IsNeighbourDiscovery(), Accept()),
        *families,
    )
    return Chain("policy-forward", rules, Hook("filter", "forward", 10), fails_closed=True)


_LINK_LOCAL: dict[Family, tuple[str, ...]] = {"IPv4": (), "IPv6": ("::", "fe80::/10")}
"""Sources that belong to a link; nobody forwards their packets, and neighbours look for each other by them."""


def _prerouting(config: PolicyConfig) -> Chain:
    by_pod = CameBy(config.pod_interface)
    rules: list[Rule] = []
    for family in FAMILIES:
        source, local = Operand("saddr", family), _LINK_LOCAL[family]
        routable = (Among(source, local, wanted=False),) if local else ()
        rules.append((by_pod, IsFamily(family), *routable, IsStrayed(), Goto("spoofed")))
        if cidrs := _of_family(config.pod_cidrs, family):
            # A bridge's own address lies there too: the node may talk to itself by it.
            strange = replace(by_pod, wanted=False), Among(source, cidrs), CameBy("lo", wanted=False)
            rules.append((*strange, Goto("spoofed")))
    return Chain("policy-prerouting", tuple(rules), Hook("filter", "prerouting", -300))
