"""The kernel's data types and how their values lie in a register.

A key or value of a map is kept as the kernel keeps it: the bytes of its parts, each padded to four. Addresses and
ports are in network order, what nft calls integers (slot, mark, priority) in the machine's own. The codec sends
these bytes as they are and a dump of the kernel's maps compares with them directly; text is only for people.
"""

import ipaddress
import struct
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache

from portway.model import Backend, Family, Protocol


class Type(Enum):
    """nft's name of the type, and its length in a register."""

    IPV4 = ("ipv4_addr", 4)
    IPV6 = ("ipv6_addr", 16)
    PROTOCOL = ("inet_proto", 4)
    PORT = ("inet_service", 4)
    SLOT = ("integer", 4)
    """What `numgen` draws."""
    MARK = ("mark", 4)
    PRIORITY = ("classid", 4)
    """What `meta priority` holds."""
    VERDICT = ("verdict", 0)

    @property
    def length(self) -> int:
        """Bytes in a concatenation, padding included."""
        return self.value[1]


ADDRESS: dict[Family, Type] = {"IPv4": Type.IPV4, "IPv6": Type.IPV6}
_NUMBERS: dict[Protocol, int] = {"TCP": 6, "UDP": 17, "SCTP": 132}
_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}
_OTHER_NUMBERS = {"ICMP": 1, "ICMPv6": 58}
_NATIVES = (Type.SLOT, Type.MARK, Type.PRIORITY)
_NATIVE = struct.Struct("=I")
_PORT = struct.Struct(">H2x")


_OCTETS = {str(number): number for number in range(256)}
_octet = _OCTETS.__getitem__


def address_bytes(address: str) -> bytes:
    """4 or 16 bytes in network order. The address is canonical: it came in by a door that saw to it."""
    return _ipv6_bytes(address) if ":" in address else bytes(map(_octet, address.split(".")))


@lru_cache(maxsize=65536)
def _ipv6_bytes(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


@lru_cache(maxsize=4096)
def service_bytes(protocol: Protocol, port: int) -> bytes:
    """`inet_proto . inet_service`."""
    return bytes((_NUMBERS[protocol], 0, 0, 0)) + _PORT.pack(port)


def protocol_number(name: str) -> int:
    """Of any protocol: TCP's is 6, that of `47` is 47. KeyError for a name that is none of ours."""
    return int(name) if name.isdecimal() else (_OTHER_NUMBERS | _NUMBERS)[name]


@lru_cache(maxsize=65536)
def native(number: int) -> bytes:
    """A slot, mark or priority."""
    return _NATIVE.pack(number)


@lru_cache(maxsize=65536)
def _port_bytes(port: int) -> bytes:
    return _PORT.pack(port)


def backend_bytes(backend: Backend) -> bytes:
    """`ip daddr . th dport`, what `dnat` takes."""
    return address_bytes(backend.address) + _port_bytes(backend.port)


@lru_cache(maxsize=512)
def native_many(first: int, count: int) -> tuple[bytes, ...]:
    """`count` slots from `first` on."""
    packed = struct.pack(f"={count}I", *range(first, first + count))
    return tuple([packed[start : start + 4] for start in range(0, 4 * count, 4)])


def backend_bytes_many(backends: Sequence[Backend]) -> list[bytes]:
    """`backend_bytes` of each; of one family. Where millions are made: subnets are few and ports are fewer."""
    if not backends or ":" in backends[0].address:
        return [backend_bytes(backend) for backend in backends]
    parts = [backend.address.rpartition(".") for backend in backends]
    port = backends[0].port
    if all(backend.port == port for backend in backends):
        ends = _ends(port)
        return [_subnet(subnet) + ends[last] for subnet, _, last in parts]
    return [_subnet(subnet) + _ends(b.port)[last] for (subnet, _, last), b in zip(parts, backends, strict=True)]


@lru_cache(maxsize=65536)
def _subnet(three: str) -> bytes:
    """The first three octets."""
    return bytes(map(_octet, three.split(".")))


@lru_cache(maxsize=1024)
def _ends(port: int) -> dict[str, bytes]:
    """The last octet and the port."""
    return {text: bytes((number,)) + _PORT.pack(port) for text, number in _OCTETS.items()}


def comparable(types: tuple[Type, ...], data: bytes) -> bytes:
    """The same key for a set of ranges, where what is elsewhere in the machine's order is in network order."""
    return b"".join(_turned(kind, part) for kind, part in zip(types, parts(types, data), strict=True))


def _turned(kind: Type, data: bytes) -> bytes:
    return int(_NATIVE.unpack(data)[0]).to_bytes(4, "big") if kind in _NATIVES else data


def _part_text(kind: Type, data: bytes) -> str:
    if kind in (Type.IPV4, Type.IPV6):
        return str(ipaddress.ip_address(data))
    if kind is Type.PROTOCOL:
        return _NAMES.get(data[0], str(data[0]))
    if kind is Type.PORT:
        return str(_PORT.unpack(data)[0])
    number = int(_NATIVE.unpack(data)[0])
    return f"{number >> 16:x}:{number & 0xFFFF:x}" if kind is Type.PRIORITY else str(number)


def parts(types: tuple[Type, ...], data: bytes) -> Iterator[bytes]:
    """The bytes of each part of a concatenation."""
    start = 0
    for kind in types:
        yield data[start : start + kind.length]
        start += kind.length


def text(types: tuple[Type, ...], data: bytes) -> str:
    """As nft writes it: `10.96.0.1 . tcp . 80`; a verdict is its own text."""
    if types == (Type.VERDICT,):
        return data.decode()
    return " . ".join(_part_text(kind, part) for kind, part in zip(types, parts(types, data), strict=True))


def interval_text(types: tuple[Type, ...], data: bytes) -> str:
    """The same for an element of an interval set, whose bytes are its first key and then its last."""
    half = len(data) // 2
    # Turning is undone by turning.
    first, last = (comparable(types, some) for some in (data[:half], data[half:]))
    pairs = zip(types, parts(types, first), parts(types, last), strict=True)
    return " . ".join(
        _part_text(kind, first) if first == last else f"{_part_text(kind, first)}-{_part_text(kind, last)}"
        for kind, first, last in pairs
    )
