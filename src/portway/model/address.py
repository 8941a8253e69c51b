"""IP addresses and CIDRs as canonical strings, with cached parsing for the questions asked of them."""

import ipaddress
import re
from functools import lru_cache
from typing import Literal

Family = Literal["IPv4", "IPv6"]

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_CANONICAL_V4 = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}").fullmatch
_LEADING_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])|(?<=:)0+(?=[0-9]+\.)")


def family_of(address: str) -> Family:
    """The IP family of an address or CIDR in text form. Does not check that it is valid."""
    return "IPv6" if ":" in address else "IPv4"


def host_port(address: str, port: int | str) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`, `name:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def canonical_address(text: str) -> str:
    """An address as the API may hold it, in canonical form; "" when it is none.

    Takes what Kubernetes takes from stored objects: leading zeros are decimal (010.1.2.3 is 10.1.2.3) and an
    IPv4-mapped IPv6 address is the IPv4 address.
    """
    return text if _CANONICAL_V4(text) else _canonical_address(text)


@lru_cache(maxsize=16384)
def _canonical_address(text: str) -> str:
    if "%" in text:
        return ""
    try:
        ip = ipaddress.ip_address(_LEADING_ZEROS.sub("", text) if "." in text else text)
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return str(mapped or ip)


@lru_cache(maxsize=4096)
def canonical_cidr(text: str) -> str:
    """A CIDR as the API may hold it (see `canonical_address`), without host bits; "" when it is none."""
    head, slash, bits = text.partition("/")
    address = canonical_address(head)
    if not (slash and address and bits.isascii() and bits.isdigit()):
        return ""
    prefix = int(bits) - (96 if ":" in head and ":" not in address else 0)
    if not 0 <= prefix <= (128 if ":" in address else 32):
        return ""
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


@lru_cache(maxsize=4096)
def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(cidr, strict=False)


@lru_cache(maxsize=65536)
def _address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def contains(cidr: str, address: str) -> bool:
    """Whether `address` lies in `cidr`; False when their families differ or `address` is none."""
    network, ip = _network(cidr), _address(address)
    return ip is not None and network.version == ip.version and ip in network


def is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1."""
    ip = _address(address)
    return ip is not None and ip.is_loopback
