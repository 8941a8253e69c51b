"""Addresses as the kernel's messages carry them, and as people read them."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=65536)
def address_text(packed: bytes) -> str:
    """Canonical; "" for no address."""
    if len(packed) == 4:
        return f"{packed[0]}.{packed[1]}.{packed[2]}.{packed[3]}"
    return str(ipaddress.IPv6Address(packed)) if len(packed) == 16 else ""


def packed_address(text: str) -> bytes:
    """4 or 16 bytes in network order. The address is valid: it came in by a door that saw to it."""
    return ipaddress.ip_address(text).packed
