"""The node's interfaces: which there are, whose addresses they carry, whether they have a link.

Source: include/uapi/linux/{if.h,if_addr.h,rtnetlink.h}. Asked with sockets, for /sys may show another namespace.
"""

import fcntl
import socket
import struct
from ipaddress import ip_address

from portway.agent.netlink import Netlink, attributes

ROUTE = 0
LINKS, ADDRESSES_4, ADDRESSES_6 = 0x1, 0x10, 0x100
"""Groups of NETLINK_ROUTE."""
_GET_ADDRESS = 22
_FLAGS, _HARDWARE_ADDRESS = 0x8913, 0x8927
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_ETHERNET = 1
_ADDRESS_HEAD = struct.Struct("=BBBBI")
_ADDRESS, _LOCAL = 1, 2


def changes() -> Netlink:
    """A socket that tells of every change of links and addresses."""
    return Netlink(ROUTE, LINKS | ADDRESSES_4 | ADDRESSES_6)


def with_link() -> dict[str, bytes]:
    """MAC addresses of Ethernet interfaces that are up and have a link, by name."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            mac = _mac(asking, name)
            if mac is not None:
                found[name] = mac
    return found


def _mac(asking: socket.socket, name: str) -> bytes | None:
    request = struct.pack("16s24x", name.encode())
    try:
        flags = struct.unpack_from("=16xH", fcntl.ioctl(asking, _FLAGS, request))[0]
        kind, mac = struct.unpack_from("=16xH6s", fcntl.ioctl(asking, _HARDWARE_ADDRESS, request))
    except OSError:  # it went meanwhile
        return None
    works = flags & _UP and flags & _RUNNING and not flags & _LOOPBACK
    return mac if works and kind == _ETHERNET else None


def carrying() -> dict[str, set[str]]:
    """The names of interfaces by the addresses that they carry."""
    names = dict(socket.if_nameindex())
    asking = Netlink(ROUTE)
    try:
        dumped = asking.dump_whole(_GET_ADDRESS, _ADDRESS_HEAD.pack(0, 0, 0, 0, 0))
    finally:
        asking.close()
    found: dict[str, set[str]] = {}
    for message in dumped:
        *_, index = _ADDRESS_HEAD.unpack_from(message.payload)
        said = dict(attributes(message.payload[_ADDRESS_HEAD.size :]))
        address = said.get(_LOCAL) or said.get(_ADDRESS)
        if address and index in names:
            found.setdefault(str(ip_address(address)), set()).add(names[index])
    return found
