"""IP addresses and CIDRs as canonical strings, with cached parsing for the questions asked of them."""

import ipaddress
from functools import lru_cache
from typing import Literal

Family = Literal["IPv4", "IPv6"]


def family_of(address: str) -> Family:
    """The IP family of an address or CIDR in text form. Does not check that it is valid."""
    return "IPv6" if ":" in address else "IPv4"


@lru_cache(maxsize=4096)
def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(cidr, strict=False)


@lru_cache(maxsize=65536)
def _address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address)


def contains(cidr: str, address: str) -> bool:
    """Whether `address` lies in `cidr`; False when their families differ."""
    network, ip = _network(cidr), _address(address)
    return network.version == ip.version and ip in network
