"""Random tables of what a node enforces, and the connections worth opening into them.

The addresses are those of the random clusters' pods, so that Services lead to them.
"""

import ipaddress
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

from portway.model import Connection, Direction, Family
from portway.policy import PolicyChange, PolicyTable
from portway.policy.table import (
    EVERYTHING,
    FIRST_CLASS,
    FIRST_PORT_SET,
    OTHER_PROTOCOLS,
    AddressRange,
    Constrained,
    Pair,
    PortRange,
)
from tests.flows.strategies import NODE_ADDRESSES, OUTSIDE, PODS

POD_CIDRS = ("10.244.1.0/24", "fd00:244:1::/64")
OWN = tuple(pod for pod in PODS if pod.startswith(("10.244.1.", "fd00:244:1::")))
UNKNOWN = ("10.244.1.99", "fd00:244:1::99")
"""Addresses of this node's pod CIDRs at which no table has a pod."""
PORTS = (1, 79, 80, 81, 8080, 8081, 30000, 65535)

_DIRECTIONS: tuple[Direction, ...] = ("Ingress", "Egress")
_CLASSES = tuple(range(FIRST_CLASS, FIRST_CLASS + 4))
_PORT_SETS = tuple(range(FIRST_PORT_SET, FIRST_PORT_SET + 3))
_WIDTH: dict[Family, int] = {"IPv4": 32, "IPv6": 128}
_BORDERS: dict[Family, tuple[str, ...]] = {
    "IPv4": ("0.0.0.0", "10.244.1.0", "10.244.2.3", "203.0.113.5", "203.0.113.6", "203.0.113.200", "255.255.255.255"),
    "IPv6": ("::", "2001:db8::5", "2001:db8::6", "2001:db8:8000::", "fd00:244:2::3", "ffff:ffff::"),
}
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _some(
    keys: st.SearchStrategy[_Key], values: st.SearchStrategy[_Value], most: int
) -> st.SearchStrategy[dict[_Key, _Value]]:
    return st.dictionaries(keys, values, max_size=most)


def _ranges(family: Family) -> st.SearchStrategy[dict[AddressRange, int]]:
    """Pieces between some of the borders, to the last address."""
    after = 1 << _WIDTH[family]
    kind = ipaddress.IPv4Address if family == "IPv4" else ipaddress.IPv6Address
    borders = [int(kind(border)) for border in _BORDERS[family]]

    def pieces(cuts: set[int], numbers: list[int]) -> dict[AddressRange, int]:
        ends = pairwise((*sorted(cuts), after))
        named = zip(ends, numbers, strict=False)
        return {AddressRange(str(kind(a)), str(kind(b - 1))): number for (a, b), number in named if number}

    number = st.sampled_from((0, *_CLASSES))
    return st.builds(pieces, st.sets(st.sampled_from(borders)), st.lists(number, min_size=8, max_size=8))


@st.composite
def _port_ranges(draw: st.DrawFn) -> dict[PortRange, bool]:
    found: dict[PortRange, bool] = {}
    for port_set in _PORT_SETS:
        for protocol in draw(st.sets(st.sampled_from(("TCP", "UDP", "SCTP", OTHER_PROTOCOLS)))):
            cuts = sorted(draw(st.sets(st.sampled_from((0, *PORTS)), min_size=1)))
            pieces = [(a, b - 1) for a, b in pairwise((*cuts, 65536))]
            kept = draw(st.lists(st.sampled_from(pieces), unique=True, max_size=3))
            for first, last in [(0, 65535)] if protocol == OTHER_PROTOCOLS else kept:
                found[PortRange(port_set, protocol, first, last)] = True
    return found


@st.composite
def tables(draw: st.DrawFn) -> PolicyTable:
    """A table of some pods of node-1."""
    pods = draw(_some(st.sampled_from(OWN), st.builds(Constrained, st.booleans(), st.booleans()), 4))
    others = st.sampled_from((0, 1, *_CLASSES))
    pairs = st.builds(Pair, st.sampled_from(_DIRECTIONS), st.sampled_from(OWN), others)
    return PolicyTable(
        pods=pods,
        classes=draw(_some(st.sampled_from(PODS), st.sampled_from(_CLASSES), 8)),
        ranges={**draw(_ranges("IPv4")), **draw(_ranges("IPv6"))},
        pairs=draw(_some(pairs, st.sampled_from((EVERYTHING, *_PORT_SETS, *_PORT_SETS)), 25)),
        ports=draw(_port_ranges()),
        own_node=draw(st.sampled_from(((), NODE_ADDRESSES))),
        hairpin_judged=frozenset(draw(st.sets(st.sampled_from(sorted(pods)))) if pods else ()),
    )


def connections() -> st.SearchStrategy[list[Connection]]:
    """From and to pods of either node, unknown ones and the outside; never between families."""
    ends = (*PODS, *OWN, *OUTSIDE, *UNKNOWN, *NODE_ADDRESSES)
    protocols = st.sampled_from(("TCP", "TCP", "UDP", "SCTP", "ICMP"))

    def one(source: str, other: int, protocol: str, port: int) -> Connection:
        fitting = [end for end in ends if (":" in end) == (":" in source)]
        other_protocol = "ICMPv6" if ":" in source else "ICMP"
        if protocol == "ICMP":
            return Connection(source, fitting[other % len(fitting)], other_protocol)
        return Connection(source, fitting[other % len(fitting)], protocol, port)

    numbers = st.integers(0, len(ends) - 1)
    return st.lists(st.builds(one, st.sampled_from(ends), numbers, protocols, st.sampled_from(PORTS)), max_size=30)


def unknown(table: PolicyTable, address: str) -> bool:
    """Whether it is an address of the node's pod CIDRs that is none of its known pods."""
    return address in (*OWN, *UNKNOWN) and address not in table.pods


def change(old: PolicyTable, new: PolicyTable, revokes: bool = True) -> PolicyChange:
    """How the one becomes the other."""
    judged = {a: a in new.hairpin_judged or None for a in old.hairpin_judged ^ new.hairpin_judged}
    return PolicyChange(
        pods=_beyond(old.pods, new.pods),
        classes=_beyond(old.classes, new.classes),
        ranges=_beyond(old.ranges, new.ranges),
        pairs=_beyond(old.pairs, new.pairs),
        ports=_beyond(old.ports, new.ports),
        hairpin_judged=judged,
        own_node=new.own_node if new.own_node != old.own_node else None,
        revokes=revokes,
    )


def _beyond(old: Mapping[_Key, _Value], new: Mapping[_Key, _Value]) -> dict[_Key, _Value | None]:
    return {key: new.get(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
