"""Packets made and read byte by byte: the first packet of a connection, of any protocol and from any source.

No socket can send from addresses that are not there, or speak SCTP where the kernel does not; rules do not mind. Each
packet carries a number by which it is recognised wherever it turns up, or in whatever answers it.
"""

import socket
import struct
from typing import Literal

from msgspec import Struct

from portway.model import Packet

NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_NAMES = {number: name for name, number in NUMBERS.items()}
_ICMP, _ICMP6 = 1, 58
_SYN, _RST = 0x02, 0x04
_NUMBER_AT = {6: 4, 17: 8, 132: 16}
"""Where the number is, from the beginning of the transport header: TCP's sequence, UDP's data, SCTP's initiate tag."""

Kind = Literal["packet", "reset", "port unreachable", "prohibited", "unreachable"]


class Sighting(Struct, frozen=True):
    """A packet that was seen, or what answered it."""

    number: int
    kind: Kind
    source: str = ""
    destination: str = ""
    source_port: int = 0
    port: int = 0


def first_packet(packet: Packet, source_port: int, number: int) -> bytes:
    """TCP's SYN, a UDP datagram or SCTP's INIT, from its IP header on. `number` fits in 31 bits."""
    family = socket.AF_INET6 if ":" in packet.destination else socket.AF_INET
    source, destination = (socket.inet_pton(family, a) for a in (packet.source, packet.destination))
    ports = struct.pack("!HH", source_port, packet.port)
    if packet.protocol == "TCP":
        segment = tcp(source, destination, ports, _SYN, number)
    elif packet.protocol == "UDP":
        segment = _summed(17, source, destination, ports + struct.pack("!HHI", 12, 0, number), 6)
    else:
        # without CRC32c: conntrack of the namespace must not insist on it (nf_conntrack_checksum 0)
        segment = ports + struct.pack("!IIBBHIIHHI", 0, 0, 1, 0, 20, number, 65536, 1, 1, 1)
    return in_ip(NUMBERS[packet.protocol], source, destination, segment)


def tcp(source: bytes, destination: bytes, ports: bytes, flags: int, sequence: int, acknowledged: int = 0) -> bytes:
    """A segment without data; `ports` are both, packed."""
    header = ports + struct.pack("!IIBBHHH", sequence, acknowledged, 0x50, flags, 65535, 0, 0)
    return _summed(6, source, destination, header, 16)


def in_ip(protocol: int, source: bytes, destination: bytes, segment: bytes) -> bytes:
    """The segment behind an IPv4 or IPv6 header, by the addresses' length."""
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + source + destination + segment
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0) + source + destination
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment


def checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _summed(protocol: int, source: bytes, destination: bytes, segment: bytes, at: int) -> bytes:
    pseudo = source + destination + struct.pack("!II", len(segment), protocol)
    total = checksum(pseudo + segment) or 0xFFFF
    return segment[:at] + struct.pack("!H", total) + segment[at + 2 :]


def sighting(packet: bytes) -> Sighting | None:
    """What an IP packet says of one of ours; None for anything else."""
    split = _split(packet)
    if split is None:
        return None
    protocol, source, destination, rest = split
    if protocol in (_ICMP, _ICMP6):
        return _refusal(protocol, rest)
    if protocol not in _NAMES or len(rest) < _NUMBER_AT[protocol] + 4:
        return None
    source_port, port = struct.unpack_from("!HH", rest)
    if protocol == 6 and rest[13] & _RST:
        return Sighting(int.from_bytes(rest[8:12], "big") - 1, "reset")
    return Sighting(_number(protocol, rest), "packet", source, destination, source_port, port)


def _number(protocol: int, segment: bytes) -> int:
    at = _NUMBER_AT[protocol]
    return int.from_bytes(segment[at : at + 4], "big")


def _refusal(protocol: int, icmp: bytes) -> Sighting | None:
    """An ICMP error quotes the packet that it is about."""
    kind, code = icmp[0], icmp[1]
    quoted = _split(icmp[8:]) if kind == (3 if protocol == _ICMP else 1) else None
    if quoted is None or quoted[0] not in _NAMES:
        return None
    port, prohibited = (3, 13) if protocol == _ICMP else (4, 1)
    said: Kind = {port: "port unreachable", prohibited: "prohibited"}.get(code, "unreachable")  # type: ignore[assignment]
    return Sighting(_number(quoted[0], quoted[3]), said)


def _split(packet: bytes) -> tuple[int, str, str, bytes] | None:
    """(protocol, source, destination, what is inside)."""
    if len(packet) >= 20 and packet[0] == 0x45:
        source, destination = (socket.inet_ntop(socket.AF_INET, packet[i : i + 4]) for i in (12, 16))
        return packet[9], source, destination, packet[20:]
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        source, destination = (socket.inet_ntop(socket.AF_INET6, packet[i : i + 16]) for i in (8, 24))
        return packet[6], source, destination, packet[40:]
    return None
