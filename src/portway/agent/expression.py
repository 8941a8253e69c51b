"""Rules of behaviours and of stamps as the kernel's expressions.

A key's parts are loaded side by side into 4-byte registers; the map's answer is put over them.
Source: include/uapi/linux/netfilter/nf_tables.h.
"""

import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping

from portway.agent.netlink import attribute, nested
from portway.model import Family
from portway.nftables.statement import (
    MASQUERADE_BIT,
    PORT,
    STAMP_MASK,
    Accept,
    Among,
    CameBy,
    Dnat,
    Drop,
    Goto,
    Identify,
    IsLocalAddress,
    IsStamped,
    Key,
    Learn,
    Mark,
    Operand,
    Rule,
    SetScratch,
    Stamp,
    Statement,
    Unidentify,
    memory_key,
)

VERDICT_CODES = {"drop": 0, "accept": 1, "jump": -3, "goto": -4, "return": -5}
_FIRST = 8
"""NFT_REG32_00."""
_VERDICT_REGISTER = 0
_NETWORK, _TRANSPORT = 1, 2
_META_PRIORITY, _META_MARK, _META_IIFNAME, _META_FAMILY, _META_PROTOCOL = 2, 3, 6, 15, 16
_CT_MARK = 3
_EQUAL, _NOT_EQUAL = 0, 1
_PROTOCOL_FAMILY = {"IPv4": 2, "IPv6": 10}
_UPDATE = 1
_DNAT, _RANDOM, _ADDRESS_TYPE, _LOCAL = 1, 1, 3, 2
_NATIVE = struct.Struct("=I")
_FIB_FLAGS = {"saddr": 1, "daddr": 2}
_OFFSETS = {("saddr", "IPv4"): 12, ("daddr", "IPv4"): 16, ("saddr", "IPv6"): 8, ("daddr", "IPv6"): 24}


def string(kind: int, text: str) -> bytes:
    """A text attribute."""
    return attribute(kind, text.encode() + b"\0")


def verdict(text: str) -> bytes:
    """`drop`, `goto CHAIN`, … as data."""
    word, _, chain = text.partition(" ")
    target = string(2, chain) if chain else b""
    return nested(2, attribute(1, struct.pack(">i", VERDICT_CODES[word])), target)


def _number(kind: int, number: int) -> bytes:
    return attribute(kind, struct.pack(">I", number))


def _value(kind: int, data: bytes) -> bytes:
    return nested(kind, attribute(1, data))


def _expression(name: str, *inner: bytes) -> bytes:
    return nested(1, string(1, name), nested(2, *inner))


def _load(operand: Operand, register: int) -> bytes:
    if operand.name == "slot":
        return _expression("numgen", _number(1, register), _number(2, operand.modulus), _number(3, _RANDOM))
    if operand.name == "l4proto":
        return _expression("meta", _number(1, register), _number(2, _META_PROTOCOL))
    if operand.name == "priority":
        return _expression("meta", _number(1, register), _number(2, _META_PRIORITY))
    if operand.name == "dport":
        return _payload(register, _TRANSPORT, 2, 2)
    return _payload(register, _NETWORK, _OFFSETS[operand.name, operand.family], operand.type.length)


def _payload(register: int, base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _number(1, register), _number(2, base), _number(3, offset), _number(4, length))


def _compare(operation: int, data: bytes) -> bytes:
    return _expression("cmp", _number(1, _FIRST), _number(2, operation), _value(3, data))


def _masked(mask: bytes, flip: bytes) -> bytes:
    length = _number(3, len(mask))
    return _expression("bitwise", _number(1, _FIRST), _number(2, _FIRST), length, _value(4, mask), _value(5, flip))


def _is_family(family: Family) -> Iterator[bytes]:
    # Always true where behaviours are; but without it `nft list` cannot tell which header is read.
    yield _expression("meta", _number(1, _FIRST), _number(2, _META_FAMILY))
    yield _compare(_EQUAL, bytes([_PROTOCOL_FAMILY[family]]))


def _dnat(statement: Dnat) -> Iterator[bytes]:
    yield from _is_family(statement.family)
    yield from _look_up(statement.key, statement.map)
    yield _translate(statement.family, _FIRST)


def _side_by_side(key: Key, register: int) -> Iterator[bytes]:
    for operand in key:
        yield _load(operand, register)
        register += operand.type.length // 4


def _after(key: Key) -> int:
    """The first register behind the key."""
    return _FIRST + sum(operand.type.length for operand in key) // 4


def _look_up(key: Key, name: str) -> Iterator[bytes]:
    """The map's answer, in the place of the key."""
    yield from _side_by_side(key, _FIRST)
    yield _expression("lookup", string(1, name), _number(2, _FIRST), _number(3, _FIRST))


def _translate(family: Family, register: int) -> bytes:
    port = register + (1 if family == "IPv4" else 4)
    registers = (_number(3, register), _number(4, register), _number(5, port), _number(6, port))
    return _expression("nat", _number(1, _DNAT), _number(2, _PROTOCOL_FAMILY[family]), *registers)


def _identify(statement: Identify) -> Iterator[bytes]:
    yield from _is_family(statement.family)
    yield from _look_up(statement.key, statement.map)
    yield _expression("meta", _number(3, _FIRST), _number(2, _META_PRIORITY))


def _set_scratch(number: int) -> Iterator[bytes]:
    yield _expression("immediate", _number(1, _FIRST), _value(2, _NATIVE.pack(number)))
    yield _expression("meta", _number(3, _FIRST), _number(2, _META_PRIORITY))


def _is_stamped(statement: IsStamped) -> Iterator[bytes]:
    yield _expression("ct", _number(1, _FIRST), _number(2, _CT_MARK))
    yield _masked(_NATIVE.pack(STAMP_MASK), _NATIVE.pack(0))
    yield _compare(_EQUAL, _NATIVE.pack(statement.stamp))


def _stamp(statement: Stamp) -> Iterator[bytes]:
    yield _expression("ct", _number(1, _FIRST), _number(2, _CT_MARK))
    yield _masked(_NATIVE.pack(0xFFFFFFFF ^ STAMP_MASK), _NATIVE.pack(statement.stamp))
    yield _expression("ct", _number(4, _FIRST), _number(2, _CT_MARK))


def _learn(statement: Learn) -> Iterator[bytes]:
    key, timeout = memory_key(statement.family), attribute(6, struct.pack(">Q", statement.seconds * 1000))
    endpoint = _after(key)
    yield from _is_family(statement.family)
    yield from _side_by_side(key, _FIRST)
    yield from _side_by_side((Operand("daddr", statement.family), PORT), endpoint)
    registers = (_number(4, _FIRST), _number(5, endpoint))
    yield _expression("dynset", string(1, statement.map), _number(3, _UPDATE), *registers, timeout)


def _mark(_: Mark) -> Iterator[bytes]:
    yield _expression("meta", _number(1, _FIRST), _number(2, _META_MARK))
    yield _masked(struct.pack("=I", 0xFFFFFFFF ^ MASQUERADE_BIT), struct.pack("=I", MASQUERADE_BIT))
    yield _expression("meta", _number(3, _FIRST), _number(2, _META_MARK))


def _is_local(statement: IsLocalAddress) -> Iterator[bytes]:
    flags = _number(3, _FIB_FLAGS[statement.operand.name])
    yield _expression("fib", _number(1, _FIRST), _number(2, _ADDRESS_TYPE), flags)
    yield _compare(_EQUAL, struct.pack("=I", _LOCAL))


def _among(statement: Among) -> Iterator[bytes]:
    (cidr,) = statement.cidrs
    network = ipaddress.ip_network(cidr)
    yield from _is_family(statement.operand.family)
    yield _load(statement.operand, _FIRST)
    yield _masked(network.netmask.packed, b"\0" * len(network.netmask.packed))
    yield _compare(_EQUAL if statement.wanted else _NOT_EQUAL, network.network_address.packed)


def _came_by(statement: CameBy) -> Iterator[bytes]:
    name = statement.interface
    # A prefix is compared without the zeros that end a name.
    data = name[:-1].encode() if name.endswith("*") else name.encode().ljust(16, b"\0")
    yield _expression("meta", _number(1, _FIRST), _number(2, _META_IIFNAME))
    yield _compare(_EQUAL if statement.wanted else _NOT_EQUAL, data)


def _verdict(statement: Goto | Accept | Drop) -> Iterator[bytes]:
    yield _expression("immediate", _number(1, _VERDICT_REGISTER), nested(2, verdict(str(statement))))


_ENCODERS: Mapping[type[Statement], Callable[..., Iterator[bytes]]] = {
    Dnat: _dnat,
    Identify: _identify,
    Unidentify: lambda _: _set_scratch(0),
    SetScratch: lambda statement: _set_scratch(statement.number),
    IsStamped: _is_stamped,
    Stamp: _stamp,
    Learn: _learn,
    Mark: _mark,
    IsLocalAddress: _is_local,
    Among: _among,
    CameBy: _came_by,
    Goto: _verdict,
    Accept: _verdict,
    Drop: _verdict,
}
"""What the chains of behaviours and of stamps are made of."""


def expressions(rule: Rule) -> Iterator[bytes]:
    """The rule's expressions, as attributes of a list."""
    for statement in rule:
        yield from _ENCODERS[type(statement)](statement)
