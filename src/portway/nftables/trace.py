"""What a compiled Ruleset does with a packet: its values interpreted, chain by chain, as the kernel would.

The second witness beside `forwarding.lookup` (meaning) and real packets (fact). It knows nothing of Services: only
hooks, rules, sets and maps. It follows the first packet of a connection; where the kernel draws a number, it follows
every draw.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from msgspec import Struct, field

from portway.model import Packet, contains, family_of
from portway.model.address import host_port
from portway.nftables.datatype import (
    ADDRESS,
    Type,
    address_bytes,
    comparable,
    native,
    parts,
    protocol_number,
    service_bytes,
    text,
)
from portway.nftables.ruleset import Chain, Ruleset
from portway.nftables.statement import (
    STAMP_MASK,
    Accept,
    Among,
    CameBy,
    Count,
    DialsRange,
    Dnat,
    Drop,
    Goto,
    HasSocket,
    Identify,
    InSet,
    IsFamily,
    IsLocalAddress,
    IsMarked,
    IsNeighbourDiscovery,
    IsNew,
    IsOtherProtocol,
    IsRelated,
    IsReply,
    IsScratch,
    IsStamped,
    IsStrayed,
    IsTcp,
    IsTranslated,
    Jump,
    Key,
    Learn,
    Log,
    Lookup,
    Mark,
    Masquerade,
    Operand,
    Reject,
    Return,
    SetScratch,
    Stamp,
    Statement,
    Unidentify,
    Unmark,
)

End = Literal["accept", "drop", "reject", "masquerade", "dnat", "return", ""]
"""How a chain ended; "" fell off its end."""


class Step(Struct, frozen=True):
    """A rule that matched and what it did, e.g. ("services4", "… vmap @frontends4 → goto cluster4-3")."""

    hook: str
    chain: str
    did: str


class Flow(Struct, frozen=True):
    """What the kernel knows of the packet's connection."""

    opened: bool = False
    """Another packet of it passed before: nobody translates it any more."""
    mark: int = 0
    """The connection's mark."""
    reply: bool = False
    related: bool = False


class Trace(Struct, frozen=True):
    """A packet's way through the rules."""

    steps: tuple[Step, ...]
    outcome: Literal["FORWARD", "REJECT", "DROP", ""]
    candidates: tuple[str, ...] = ()
    """"ip:port" of each draw, in slot order; who has several slots is here so often."""
    masquerade: bool = False
    """The mark: for every candidate; for REJECT and DROP, as it was then."""
    hairpin: tuple[str, ...] = ()
    """Candidates for which the source is translated although the mark is not set."""
    holes: int = 0
    """Draws for which the map had no answer: 0 but where a share of the connections is refused."""
    refused_by: str = ""
    """The chain that stops those draws; empty if nobody does."""
    ended_by: str = ""
    """For REJECT and DROP: the chain that did it."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """Candidates that the packet does not reach although it is translated, and the chain that drops it."""
    mark: int = 0
    """The connection's mark afterwards, when it was not translated."""

    @property
    def output(self) -> str:
        """As in packet tables: candidates in string order, "REJECT", "DROP" or ""."""
        return ", ".join(sorted(set(self.candidates))) if self.outcome == "FORWARD" else self.outcome


_FIRST = Flow()
_NONE = native(0)


class _Way(Struct):
    """The packet as it is now, and what was seen on the way."""

    ruleset: Ruleset
    packet: Packet
    local: frozenset[str]
    flow: Flow
    routes: Mapping[str, str] | None
    destination: str
    port: int
    mark: int
    hook: str = ""
    marked: bool = False
    translated: bool = False
    scratch: bytes = _NONE
    """The packet's priority, once written."""
    candidates: list[bytes] = field(default_factory=list)
    holes: int = 0
    steps: list[Step] = field(default_factory=list)

    def value(self, operand: Operand, slot: int = 0) -> bytes:
        """What a register would hold."""
        if operand.name == "saddr":
            return address_bytes(self.packet.source)
        if operand.name == "daddr":
            return address_bytes(self.destination)
        if operand.name == "slot":
            return native(slot)
        if operand.name == "priority":
            return self.scratch
        if operand.name == "l4proto":
            return bytes((protocol_number(self.packet.protocol), 0, 0, 0))
        return service_bytes("TCP", self.port)[4:]

    @property
    def is_elsewhere(self) -> bool:
        """Whether the kernel calls it translated: not if it was to what the client dialled anyway."""
        return self.translated and (self.destination, self.port) != (self.packet.destination, self.packet.port)

    def key(self, key: Key, slot: int = 0) -> bytes:
        """The concatenation of its parts."""
        return b"".join(self.value(operand, slot) for operand in key)

    def is_family(self, operand: Operand) -> bool:
        """An address can be read only from a packet of its family."""
        return operand.name not in ("saddr", "daddr") or operand.family == family_of(self.destination)


def trace(
    ruleset: Ruleset,
    packet: Packet,
    local_addresses: tuple[str, ...] = (),
    flow: Flow = _FIRST,
    routes: Mapping[str, str] | None = None,
) -> Trace:
    """The packet's way. `local_addresses` are those of the machine, by which a packet is its own or ends there;
    `routes` the interface by which each address is reached, where somebody asks (None: as they should be).
    """
    local = frozenset(local_addresses)
    way = _Way(ruleset, packet, local, flow, routes, packet.destination, packet.port, flow.mark)
    end = _pass_hooks(way, ("output",) if packet.source in way.local else ("prerouting",), translating=True)
    if not end and not way.translated:
        end = _pass_hooks(way, _onwards(way))
    if end:
        outcome: Literal["REJECT", "DROP"] = "REJECT" if end == "reject" else "DROP"
        ended_by = way.steps[-1].chain
        return Trace(tuple(way.steps), outcome, masquerade=way.marked, ended_by=ended_by, mark=way.mark)
    if not way.translated:
        return Trace(tuple(way.steps), "", masquerade=way.marked, mark=way.mark)
    return _arrive(way)


def _onwards(way: _Way) -> tuple[str, ...]:
    """The hooks between the choice of where it goes and the way out."""
    own = ("output",) if way.packet.source in way.local else ()
    return (*own, "input") if way.destination in way.local else own or ("forward",)


def _arrive(way: _Way) -> Trace:
    """Each candidate's way out of the machine, and that of draws without an answer."""
    marked = way.marked
    refused_by = _unanswered(way) if way.holes else ""
    family = family_of(way.packet.destination)
    names: dict[bytes, str] = {}
    hairpin: list[str] = []
    stopped: dict[str, str] = {}
    for candidate in dict.fromkeys(way.candidates):
        address, _, port = text((ADDRESS[family], Type.PORT), candidate).partition(" . ")
        name = host_port(address, port)
        way.destination, way.port, way.marked, way.mark, way.scratch = address, int(port), marked, way.flow.mark, _NONE
        names[candidate] = name
        if _pass_hooks(way, _onwards(way)):
            stopped[name] = way.steps[-1].chain
        elif _pass_hooks(way, ("postrouting",)) == "masquerade" and not marked:
            hairpin.append(name)
    drawn = tuple(names[candidate] for candidate in way.candidates)
    return Trace(
        tuple(way.steps), "FORWARD", drawn, marked, tuple(hairpin), way.holes, refused_by=refused_by, stopped=stopped
    )


def _unanswered(way: _Way) -> str:
    """The chain that stops the packet where it is not translated."""
    way.translated = False
    end = _pass_hooks(way, _onwards(way))
    way.translated = True
    return way.steps[-1].chain if end else ""


def _pass_hooks(way: _Way, hooks: tuple[str, ...], translating: bool = False) -> End:
    """The end that stops the packet (or translates its source), or "". `translating`: what comes before it is known
    where it goes, and only that; else what comes after.
    """
    for hook in hooks:
        way.hook = hook
        for chain in _base_chains(way.ruleset, hook, translating):
            if way.flow.opened and chain.hook and chain.hook.type == "nat":
                continue
            end = _pass_chain(way, chain)
            if end in ("drop", "reject", "masquerade"):
                return end
    return ""


def _base_chains(ruleset: Ruleset, hook: str, translating: bool) -> list[Chain]:
    hooks = [(c.hook, c) for c in ruleset.chains.values() if c.hook and c.hook.name == hook]
    found = [(on.priority, chain) for on, chain in hooks if (on.priority < 0) == translating]
    return [chain for _, chain in sorted(found, key=lambda pair: pair[0])]


def _pass_chain(way: _Way, chain: Chain) -> End:
    for rule in chain.rules:
        for statement in rule:
            result = _MEANINGS[type(statement)](way, statement)
            if result is False:
                break
            if result is not True:
                end = _follow(way, chain, statement, result)
                if end is not None:
                    return end
    return ""


def _follow(way: _Way, chain: Chain, statement: Statement, verdict: str) -> End | None:
    """Do what a verdict says; None to go on with the next statement."""
    shown = f"{statement} → {verdict}" if isinstance(statement, Lookup) else str(statement)
    way.steps.append(Step(way.hook, chain.name, shown))
    word, _, target = verdict.partition(" ")
    if word == "goto":
        return _pass_chain(way, way.ruleset.chains[target])
    if word == "jump":
        end = _pass_chain(way, way.ruleset.chains[target])
        return None if end in ("", "return") else end
    return word  # type: ignore[return-value]


def _lookup(way: _Way, statement: Lookup) -> bool | str:
    if not all(map(way.is_family, statement.key)):
        return False
    found = way.ruleset.elements[statement.map].get(way.key(statement.key))
    return found.decode() if found else False


def _in_set(way: _Way, statement: InSet) -> bool:
    if not all(map(way.is_family, statement.key)):
        return False
    return statement.wanted == (_found(way, statement.key, statement.set) is not None)


def _found(way: _Way, key: Key, name: str) -> bytes | None:
    """What the set or map holds for the key; b"" in a set."""
    held, value = way.ruleset.elements[name], way.key(key)
    if not way.ruleset.containers[name].interval:
        return held.get(value)
    types = tuple(operand.type for operand in key)
    value = comparable(types, value)
    return next((found for element, found in held.items() if _covers(types, element, value)), None)


def _covers(types: tuple[Type, ...], element: bytes, key: bytes) -> bool:
    half = len(element) // 2
    ends = zip(parts(types, element[:half]), parts(types, key), parts(types, element[half:]), strict=True)
    return all(first <= part <= last for first, part, last in ends)


def _dnat(way: _Way, statement: Dnat) -> bool | str:
    if statement.family != family_of(way.destination):
        return False
    held = way.ruleset.elements[statement.map]
    draws = next((o.modulus for o in statement.key if o.name == "slot"), 0)
    found = [held.get(way.key(statement.key, slot)) for slot in range(max(draws, 1))]
    # nobody promises that a client is remembered
    way.holes += found.count(None) if draws else 0
    way.candidates = [backend for backend in found if backend is not None]
    way.translated = bool(way.candidates)
    return "dnat" if way.translated else False


def _identify(way: _Way, statement: Identify) -> bool:
    found = _found(way, statement.key, statement.map)
    way.scratch = found or way.scratch
    return found is not None


def _set_scratch(way: _Way, number: int) -> bool:
    way.scratch = native(number)
    return True


def _is_scratch(way: _Way, statement: IsScratch) -> bool:
    number = int.from_bytes(way.scratch, sys.byteorder)
    return number < statement.number if statement.below else number == statement.number


def _stamp(way: _Way, statement: Stamp) -> bool:
    way.mark = way.mark & ~STAMP_MASK | statement.stamp
    return True


def _is_strayed(way: _Way, _: IsStrayed) -> bool:
    return way.routes is not None and way.routes.get(way.packet.source) != way.packet.interface


def _among(way: _Way, statement: Among) -> bool:
    address = way.packet.source if statement.operand.name == "saddr" else way.destination
    if family_of(address) != statement.operand.family:
        return False
    return statement.wanted == any(contains(cidr, address) for cidr in statement.cidrs)


def _came_by(way: _Way, statement: CameBy) -> bool:
    name, wanted = way.packet.interface, statement.interface
    matches = name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
    return statement.wanted == matches


def _is_local(way: _Way, statement: IsLocalAddress) -> bool:
    address = way.packet.source if statement.operand.name == "saddr" else way.destination
    return address in way.local


def _set_mark(way: _Way, marked: bool) -> bool:
    way.marked = marked
    return True


_MEANINGS: Mapping[type[Statement], Callable[..., bool | str]] = {
    IsFamily: lambda way, s: s.family == family_of(way.destination),
    IsNew: lambda way, s: not way.flow.opened,
    IsTranslated: lambda way, s: way.is_elsewhere == s.wanted,
    IsTcp: lambda way, s: way.packet.protocol == "TCP",
    DialsRange: lambda way, s: way.packet.protocol in ("TCP", "UDP") and s.first <= way.port <= s.last,
    # the machine's processes are nobody's here
    HasSocket: lambda way, s: False,
    IsLocalAddress: _is_local,
    Among: _among,
    CameBy: _came_by,
    InSet: _in_set,
    IsMarked: lambda way, s: way.marked,
    Mark: lambda way, s: _set_mark(way, True),
    Unmark: lambda way, s: _set_mark(way, False),
    Lookup: _lookup,
    Dnat: _dnat,
    Identify: _identify,
    Unidentify: lambda way, s: _set_scratch(way, 0),
    SetScratch: lambda way, s: _set_scratch(way, s.number),
    IsScratch: _is_scratch,
    IsOtherProtocol: lambda way, s: way.packet.protocol not in ("TCP", "UDP", "SCTP"),
    # neighbours are looked for outside of any connection
    IsNeighbourDiscovery: lambda way, s: False,
    IsReply: lambda way, s: way.flow.reply,
    IsRelated: lambda way, s: way.flow.related,
    IsStrayed: _is_strayed,
    IsStamped: lambda way, s: way.mark & STAMP_MASK == s.stamp,
    Stamp: _stamp,
    # what it remembers is of use to the next connection only
    Learn: lambda way, s: True,
    Masquerade: lambda way, s: "masquerade",
    Reject: lambda way, s: "reject",
    Log: lambda way, s: True,
    Count: lambda way, s: True,
    Accept: lambda way, s: "accept",
    Drop: lambda way, s: "drop",
    Return: lambda way, s: "return",
    Jump: lambda way, s: str(s),
    Goto: lambda way, s: str(s),
}
"""True: go on with the rule; False: the next rule; a text: that verdict."""


def meanings() -> Iterator[type[Statement]]:
    """The statements that a trace understands: all there are."""
    return iter(_MEANINGS)
