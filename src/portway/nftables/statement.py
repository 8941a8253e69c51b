"""Rules as values: what a rule reads, matches and does.

Each statement knows its own nft text; `trace` interprets the same values. Nothing else is ever in a rule of ours,
so a statement that is added here needs a line in `trace` (a test checks that all have one).
"""

from typing import Literal

from msgspec import Struct

from portway.model import Family
from portway.nftables.datatype import ADDRESS, Type

MASQUERADE_BIT = 0x4000
"""The bit of the packet mark that says "masquerade", the one that kube-proxy uses."""

LOGGED_BYTES = 128
"""Of a packet that is logged: headers, no content to speak of."""

PREFIX: dict[Family, str] = {"IPv4": "ip", "IPv6": "ip6"}


class Operand(Struct, frozen=True):
    """What a key is made of: a field of the packet, a register of its own, or a drawn number."""

    name: Literal["saddr", "daddr", "l4proto", "dport", "slot", "mark", "priority"]
    family: Family = "IPv4"
    modulus: int = 2
    """Of a slot: drawn from 0 to modulus-1."""

    @property
    def type(self) -> Type:
        """The type of its value."""
        return _TYPES.get(self.name) or ADDRESS[self.family]

    def __str__(self) -> str:
        if self.name in ("saddr", "daddr"):
            return f"{PREFIX[self.family]} {self.name}"
        return f"numgen random mod {self.modulus}" if self.name == "slot" else _TEXTS[self.name]


_TYPES = {
    "l4proto": Type.PROTOCOL,
    "dport": Type.PORT,
    "slot": Type.SLOT,
    "mark": Type.MARK,
    "priority": Type.PRIORITY,
}
_TEXTS = {"l4proto": "meta l4proto", "dport": "th dport", "mark": "meta mark", "priority": "meta priority"}

Key = tuple[Operand, ...]
PROTOCOL = Operand("l4proto")
PORT = Operand("dport")


def concatenation(key: Key) -> str:
    """`ip daddr . meta l4proto . th dport`."""
    return " . ".join(map(str, key))


class IsFamily(Struct, frozen=True):
    """The packet is of this family."""

    family: Family

    def __str__(self) -> str:
        return f"meta nfproto {self.family.lower()}"


class IsNew(Struct, frozen=True):
    """The packet starts a connection."""

    def __str__(self) -> str:
        return "ct state new"


class IsTranslated(Struct, frozen=True):
    """The connection's destination was (or was not) translated."""

    wanted: bool

    def __str__(self) -> str:
        return "ct status dnat" if self.wanted else "ct status ! dnat"


class IsTcp(Struct, frozen=True):
    """The packet is TCP."""

    def __str__(self) -> str:
        return "meta l4proto tcp"


class DialsRange(Struct, frozen=True):
    """The packet is TCP or UDP and for one of these ports."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"meta l4proto {{ tcp, udp }} th dport {self.first}-{self.last}"


class HasSocket(Struct, frozen=True):
    """A process of the machine's own takes the packet: it has the connection, or listens. For TCP and UDP."""

    def __str__(self) -> str:
        # The question is only whether there is an answer: either will do.
        return "socket transparent <= 1"


class IsLocalAddress(Struct, frozen=True):
    """The address is one of this machine's."""

    operand: Operand

    def __str__(self) -> str:
        return f"fib {self.operand.name} type local"


class Among(Struct, frozen=True):
    """The address lies in one of these CIDRs, or (`wanted` False) in none."""

    operand: Operand
    cidrs: tuple[str, ...]
    wanted: bool = True

    def __str__(self) -> str:
        return f"{self.operand} {'' if self.wanted else '!= '}{{ {', '.join(self.cidrs)} }}"


class CameBy(Struct, frozen=True):
    """The packet came in by an interface of this name (`*` at the end: any rest), or did not."""

    interface: str
    wanted: bool = True

    def __str__(self) -> str:
        return f'iifname {"" if self.wanted else "!= "}"{self.interface}"'


class InSet(Struct, frozen=True):
    """The key is in the set, or (`wanted` False) is not."""

    key: Key
    set: str
    wanted: bool = True

    def __str__(self) -> str:
        return f"{concatenation(self.key)} {'' if self.wanted else '!= '}@{self.set}"


class IsMarked(Struct, frozen=True):
    """The masquerade bit is set."""

    def __str__(self) -> str:
        return f"meta mark and {MASQUERADE_BIT:#x} != 0"


class Mark(Struct, frozen=True):
    """Set the masquerade bit."""

    def __str__(self) -> str:
        return f"meta mark set meta mark or {MASQUERADE_BIT:#x}"


class Unmark(Struct, frozen=True):
    """Clear the masquerade bit again."""

    def __str__(self) -> str:
        return f"meta mark set meta mark and {0xFFFFFFFF ^ MASQUERADE_BIT:#x}"


class Lookup(Struct, frozen=True):
    """Do what the map says for the key; go on when it says nothing."""

    key: Key
    map: str

    def __str__(self) -> str:
        return f"{concatenation(self.key)} vmap @{self.map}"


class Dnat(Struct, frozen=True):
    """Translate the destination to what the map says for the key; go on when it says nothing.

    nft 1.0.6 reads this text only while the map is empty ("conflicting protocols specified: tcp vs. th", a fault of
    its check of a port of several protocols), so the agent writes such rules by netlink.
    """

    family: Family
    key: Key
    map: str

    def __str__(self) -> str:
        to = f"{concatenation(self.key)} map @{self.map}"
        return f"meta l4proto {{ tcp, udp, sctp }} dnat {PREFIX[self.family]} addr . port to {to}"


class Identify(Struct, frozen=True):
    """Put what the map says into the scratch place, the priority; go on with the next rule when it says nothing.

    Session affinity: what stands for the frontend's ServicePort. Policies: a class, or a port set.
    """

    family: Family
    key: Key
    map: str

    def __str__(self) -> str:
        return f"meta priority set {concatenation(self.key)} map @{self.map}"


class Unidentify(Struct, frozen=True):
    """Clear the scratch place."""

    def __str__(self) -> str:
        return "meta priority set 0"


class SetScratch(Struct, frozen=True):
    """Write a number into the scratch place."""

    number: int

    def __str__(self) -> str:
        return f"meta priority set {classid(self.number)}"


class IsScratch(Struct, frozen=True):
    """The scratch place holds this number; or (`below`) a lesser one."""

    number: int
    below: bool = False

    def __str__(self) -> str:
        return f"meta priority {'< ' if self.below else ''}{classid(self.number)}"


def classid(number: int) -> str:
    """As nft writes a priority: `1:2`."""
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


class IsOtherProtocol(Struct, frozen=True):
    """The packet is of a protocol without ports that policies could name."""

    def __str__(self) -> str:
        return "meta l4proto != { tcp, udp, sctp }"


class IsNeighbourDiscovery(Struct, frozen=True):
    """The packet looks for an IPv6 neighbour and was not routed: pods on a bridge find each other by such."""

    def __str__(self) -> str:
        kinds = ("nd-router-solicit", "nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert", "nd-redirect")
        return f"ip6 hoplimit 255 icmpv6 type {{ {', '.join(kinds)} }}"


class IsReply(Struct, frozen=True):
    """The packet answers those that opened its connection."""

    def __str__(self) -> str:
        return "ct direction reply"


class IsRelated(Struct, frozen=True):
    """The packet belongs to a connection without being of it, as an ICMP error does."""

    def __str__(self) -> str:
        return "ct state related"


class IsStrayed(Struct, frozen=True):
    """Packets to the source would not leave by the interface that this one came by."""

    def __str__(self) -> str:
        return "fib saddr . iif oif missing"


STAMP_MASK = 0xFFFF8000
"""The part of a connection's mark that is ours; the low 15 bits belong to others and stay as they are."""


class IsStamped(Struct, frozen=True):
    """Our part of the connection's mark is this."""

    stamp: int

    def __str__(self) -> str:
        return f"ct mark and {STAMP_MASK:#x} == {self.stamp:#x}"


class Stamp(Struct, frozen=True):
    """Set our part of the connection's mark."""

    stamp: int

    def __str__(self) -> str:
        return f"ct mark set ct mark and {0xFFFFFFFF ^ STAMP_MASK:#x} or {self.stamp:#x}"


class Learn(Struct, frozen=True):
    """Session affinity: remember for so many seconds where this client was sent, if that is not known; else renew.

    Goes on with the next rule when the map is full.
    """

    family: Family
    map: str
    seconds: int

    def __str__(self) -> str:
        key, endpoint = (concatenation(k) for k in (memory_key(self.family), (Operand("daddr", self.family), PORT)))
        # nft 1.0.6 fails on so long a key and value, so the text is a comment then; the agent writes it by netlink
        comment = "# by netlink: " if self.family == "IPv6" else ""
        return f"{comment}update @{self.map} {{ {key} timeout {self.seconds}s : {endpoint} }}"


def memory_key(family: Family) -> Key:
    """`client . ServicePort`, of what is remembered."""
    return (Operand("saddr", family), Operand("priority"))


class Masquerade(Struct, frozen=True):
    """Translate the source to the node's address, on a random port."""

    def __str__(self) -> str:
        return "masquerade fully-random"


class Reject(Struct, frozen=True):
    """Refuse: by a TCP reset, or an ICMP port-unreachable."""

    reset: bool = False

    def __str__(self) -> str:
        return "reject with tcp reset" if self.reset else "reject with icmpx type port-unreachable"


class Log(Struct, frozen=True):
    """Tell whoever listens to this group of nfnetlink_log; `prefix` is a reason's code. Goes on with the rule."""

    prefix: str
    group: int

    def __str__(self) -> str:
        return f'log prefix "{self.prefix}" group {self.group} snaplen {LOGGED_BYTES}'


class Count(Struct, frozen=True):
    """Count packets and bytes, for people who list the rules."""

    def __str__(self) -> str:
        return "counter"


class Accept(Struct, frozen=True):
    """Done with this base chain: on to the next."""

    def __str__(self) -> str:
        return "accept"


class Drop(Struct, frozen=True):
    """Discard silently."""

    def __str__(self) -> str:
        return "drop"


class Return(Struct, frozen=True):
    """Back to the chain that jumped here."""

    def __str__(self) -> str:
        return "return"


class Jump(Struct, frozen=True):
    """Visit a chain and come back."""

    chain: str

    def __str__(self) -> str:
        return f"jump {self.chain}"


class Goto(Struct, frozen=True):
    """Go to a chain; its end is the end of this one."""

    chain: str

    def __str__(self) -> str:
        return f"goto {self.chain}"


Statement = (
    IsFamily
    | IsNew
    | IsTranslated
    | IsTcp
    | DialsRange
    | HasSocket
    | IsLocalAddress
    | Among
    | CameBy
    | InSet
    | IsMarked
    | Mark
    | Unmark
    | Lookup
    | Dnat
    | Identify
    | Unidentify
    | SetScratch
    | IsScratch
    | IsOtherProtocol
    | IsNeighbourDiscovery
    | IsReply
    | IsRelated
    | IsStrayed
    | IsStamped
    | Stamp
    | Learn
    | Masquerade
    | Reject
    | Log
    | Count
    | Accept
    | Drop
    | Return
    | Jump
    | Goto
)
Rule = tuple[Statement, ...]
