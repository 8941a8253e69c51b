"""ARP and NDP as bytes: questions read, answers and announcements made.

Sources: RFC 826 and 5227 (ARP), RFC 4861 (Neighbor Discovery), RFC 4443 2.3 (checksum).
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

ETH_ARP, ETH_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ALL_NODES = IPv6Address("ff02::1")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_HEAD = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ICMPV6 = 58
_SOLICITED, _OVERRIDE = 0x40000000, 0x20000000
NEIGHBORS = (
    (0x30, 0, 0, 20),  # the next header of IPv6
    (0x15, 0, 4, _ICMPV6),
    (0x30, 0, 0, 54),  # ICMPv6's type
    (0x15, 1, 0, _SOLICITATION),
    (0x15, 0, 1, _ADVERTISEMENT),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
"""Classic BPF: of IPv6 frames only neighbor solicitations and advertisements without extension headers."""


class Question(Struct, frozen=True):
    """Somebody asks who has `target`."""

    target: str
    asker: str
    """Its address; 0.0.0.0 or :: for who only checks that nobody has the target."""
    mac: bytes


class Claim(Struct, frozen=True):
    """Somebody says that `mac` has `address`."""

    address: str
    mac: bytes


def arp_claim(frame: bytes) -> Claim | None:
    """The claim in an Ethernet frame: an answer to us, or gratuitous ARP of either form."""
    if len(frame) < 42:
        return None
    *head, operation, mac, sender, _, target = _ARP.unpack_from(frame, 14)
    if tuple(head) != _ARP_HEAD or not (operation == _REPLY or (operation == _REQUEST and sender == target)):
        return None
    return Claim(str(IPv4Address(sender)), mac)


def arp_probe(address: str, mac: bytes) -> bytes:
    """Who else has it? (RFC 5227 2.1.1: asked by nobody, so that no table learns from the question)."""
    body = _ARP.pack(*_ARP_HEAD, _REQUEST, mac, bytes(4), bytes(6), IPv4Address(address).packed)
    return _ethernet(_BROADCAST, mac, ETH_ARP) + body


def arp_question(frame: bytes) -> Question | None:
    """The question in an Ethernet frame, if it is one (gratuitous ARP is not)."""
    if len(frame) < 42:
        return None
    *head, operation, mac, asker, _, target = _ARP.unpack_from(frame, 14)
    if tuple(head) != _ARP_HEAD or operation != _REQUEST or asker == target:
        return None
    return Question(str(IPv4Address(target)), str(IPv4Address(asker)), mac)


def arp_answer(question: Question, mac: bytes) -> bytes:
    """The frame that says: `mac` has it."""
    target, asker = IPv4Address(question.target).packed, IPv4Address(question.asker).packed
    body = _ARP.pack(*_ARP_HEAD, _REPLY, mac, target, question.mac, asker)
    return _ethernet(question.mac, mac, ETH_ARP) + body


def arp_announcements(address: str, mac: bytes) -> list[bytes]:
    """Gratuitous ARP in both forms: some listen to requests only, some to replies only."""
    own = IPv4Address(address).packed
    head = _ethernet(_BROADCAST, mac, ETH_ARP)
    request = _ARP.pack(*_ARP_HEAD, _REQUEST, mac, own, bytes(6), own)
    return [head + request, head + _ARP.pack(*_ARP_HEAD, _REPLY, mac, own, _BROADCAST, own)]


def ndp_claim(frame: bytes) -> Claim | None:
    """The neighbor advertisement in an Ethernet frame, if it is one; the MAC is the sender's."""
    if len(frame) < 78 or frame[20] != _ICMPV6 or frame[21] != 255 or frame[54] != _ADVERTISEMENT:
        return None
    return Claim(str(IPv6Address(frame[62:78])), frame[6:12])


def ndp_probe(address: str, mac: bytes) -> bytes:
    """Who else has it? As duplicate address detection asks (RFC 4862 5.4.2): from no address, answered to all."""
    group = IPv6Address(solicited_node(address))
    body = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + IPv6Address(address).packed
    return _ndp(body, mac, b"\x33\x33" + group.packed[12:], IPv6Address("::"), group)


def ndp_question(frame: bytes) -> Question | None:
    """The neighbor solicitation in an Ethernet frame, if it is one."""
    if len(frame) < 78 or frame[20] != _ICMPV6 or frame[21] != 255 or frame[54] != _SOLICITATION:
        return None
    asker, target = IPv6Address(frame[22:38]), IPv6Address(frame[62:78])
    return Question(str(target), str(asker), frame[6:12])


def ndp_answer(question: Question, mac: bytes) -> bytes:
    """The neighbor advertisement that says: `mac` has it. Who asks without an address is told with everybody."""
    asker = IPv6Address(question.asker)
    if asker.is_unspecified:
        return ndp_announcement(question.target, mac)
    return _advertisement(question.target, mac, question.mac, asker, _SOLICITED | _OVERRIDE)


def ndp_announcement(address: str, mac: bytes) -> bytes:
    """An unsolicited neighbor advertisement to all nodes."""
    return _advertisement(address, mac, b"\x33\x33\x00\x00\x00\x01", _ALL_NODES, _OVERRIDE)


def solicited_node(address: str) -> str:
    """The multicast group at which questions about the address come."""
    low = int(IPv6Address(address)) & 0xFFFFFF
    return str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | low))


def _advertisement(address: str, mac: bytes, to_mac: bytes, to: IPv6Address, flags: int) -> bytes:
    target = IPv6Address(address)
    body = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, flags) + target.packed + b"\x02\x01" + mac
    return _ndp(body, mac, to_mac, target, to)


def _ndp(body: bytes, mac: bytes, to_mac: bytes, sender: IPv6Address, to: IPv6Address) -> bytes:
    """A frame of ICMPv6; `body`'s checksum is put in."""
    ends = sender.packed + to.packed
    checksum = _checksum(ends + struct.pack("!II", len(body), _ICMPV6) + body)
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255)
    return _ethernet(to_mac, mac, ETH_IPV6) + header + ends + body[:2] + struct.pack("!H", checksum) + body[4:]


def _ethernet(to: bytes, sender: bytes, kind: int) -> bytes:
    return to + sender + kind.to_bytes(2, "big")


def _checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
