"""Domain names: tuples of labels. Their letters' case is kept, and means nothing (RFC 4343)."""

import ipaddress

Name = tuple[bytes, ...]
"""Labels of 1 to 63 bytes, the leftmost first; () is the root."""

LONGEST_LABEL, LONGEST_NAME = 63, 255
"""In bytes; a name's counts a length byte for each label and for the root (RFC 1035 2.3.4)."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/*")


def from_text(text: str) -> Name:
    """`a.b.c` or `a.b.c.`; ValueError when a label is empty, or label or name is too long. No escapes."""
    stripped = text.removesuffix(".")
    if not stripped:
        return ()
    name = tuple(label.encode() for label in stripped.split("."))
    if not all(1 <= len(label) <= LONGEST_LABEL for label in name) or length(name) > LONGEST_NAME:
        raise ValueError(f"{text!r} is no domain name: labels have 1 to 63 bytes, names at most 255")
    return name


def to_text(name: Name) -> str:
    """With the final dot; bytes that are not plain are written as RFC 1035 5.1 says."""
    return "".join(_label(label) + "." for label in name) or "."


def _label(label: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in label)


def length(name: Name) -> int:
    """Bytes on the wire, uncompressed."""
    return sum(map(len, name)) + len(name) + 1


def packed(name: Name) -> bytes:
    """The bytes on the wire, uncompressed."""
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"


def lower(name: Name) -> Name:
    """The form in which equal names are equal."""
    return tuple(label.lower() for label in name)


def above(name: Name, zone: Name) -> Name | None:
    """The labels of `name` before those of `zone`; None when it is not in it. Both lower-case."""
    cut = len(name) - len(zone)
    return name[:cut] if cut >= 0 and name[cut:] == zone else None


def reverse(address: str) -> Name:
    """The name that PTR records of an address have; ValueError when it is none."""
    return from_text(ipaddress.ip_address(address).reverse_pointer)


_V4, _V6 = (b"in-addr", b"arpa"), (b"ip6", b"arpa")


def reversed_address(name: Name) -> str | None:
    """The canonical address that a lower-case PTR name stands for; None when it stands for none (or for many)."""
    octets = above(name, _V4)
    if octets is not None and len(octets) == 4 and all(_is_octet(octet) for octet in octets):
        return ".".join(octet.decode() for octet in octets[::-1])
    nibbles = above(name, _V6)
    if nibbles is not None and len(nibbles) == 32 and all(n in b"0123456789abcdef" and len(n) == 1 for n in nibbles):
        return str(ipaddress.IPv6Address(int(b"".join(nibbles[::-1]), 16)))
    return None


def _is_octet(label: bytes) -> bool:
    return label.isdigit() and len(label) <= 3 and int(label) < 256 and str(int(label)).encode() == label
