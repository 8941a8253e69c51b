"""The addresses of this network namespace's interfaces, by rtnetlink.

Source: include/uapi/linux/rtnetlink.h and if_addr.h.
"""

import ipaddress
from collections.abc import Iterator

from portway.agent.netlink import Message, Netlink, attributes

_ROUTE = 0
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_ADDRESS, _LOCAL = 1, 2
_HEADER = 8
"""struct ifaddrmsg"""


def local_addresses() -> tuple[str, ...]:
    """Of both families, loopback's too. Raises OSError."""
    netlink = Netlink(_ROUTE)
    try:
        found = netlink.dump_whole(_GET_ADDRESS, bytes(_HEADER))
    finally:
        netlink.close()
    return tuple(_addresses(found))


def _addresses(found: list[Message]) -> Iterator[str]:
    for message in found:
        told = dict(attributes(message.payload[_HEADER:]))
        # Where an interface has a peer, the other one is the peer's.
        own = told.get(_LOCAL, told.get(_ADDRESS))
        if message.kind == _NEW_ADDRESS and own:
            yield str(ipaddress.ip_address(own))
