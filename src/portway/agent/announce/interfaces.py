"""The node's interfaces: which there are, whose addresses they carry, whether they have a link.

Source: include/uapi/linux/{if.h,if_addr.h,rtnetlink.h}. Asked with sockets, for /sys may show another namespace.
"""

import contextlib
import fcntl
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from portway.agent.netlink import Netlink, attributes
from portway.loadbalancer.doubts import Face

ROUTE = 0
LINKS, ADDRESSES_4, ADDRESSES_6 = 0x1, 0x10, 0x100
"""Groups of NETLINK_ROUTE."""
_GET_ADDRESS = 22
_FLAGS, _HARDWARE_ADDRESS, _WIRELESS_NAME = 0x8913, 0x8927, 0x8B01
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_ETHERNET = 1
_ADDRESS_HEAD = struct.Struct("=BBBBI")
_ADDRESS, _LOCAL = 1, 2
_CONF = Path("/proc/sys/net/ipv4/conf")
_ROUTES = Path("/proc/thread-self/net/route")


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


def faces(names: Iterable[str]) -> list[Face]:
    """What of these interfaces may keep clients from being answered."""
    way_out = tuple(_default_routes())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        return [Face(name, _wireless(asking, name), _rp_filter(name), way_out) for name in sorted(names)]


def _wireless(asking: socket.socket, name: str) -> bool:
    """include/uapi/linux/wireless.h SIOCGIWNAME: what is not wireless has no name of a protocol."""
    try:
        fcntl.ioctl(asking, _WIRELESS_NAME, struct.pack("16s24x", name.encode()))
    except OSError:
        return False
    return True


def _rp_filter(name: str) -> int:
    """As the kernel takes it: the larger of the two. /proc/sys/net is that of who reads it."""
    try:
        return max(int((_CONF / one / "rp_filter").read_text()) for one in ("all", name))
    except OSError:  # it went meanwhile
        return 0


def _default_routes() -> Iterator[str]:
    """The interfaces that they lead to, of IPv4: rp_filter knows no IPv6."""
    with contextlib.suppress(OSError):
        for line in _ROUTES.read_text().splitlines()[1:]:
            name, destination, *_, mask, _, _, _ = line.split()
            if destination == mask == "00000000":
                yield name


def leading_to(addresses: Iterable[str]) -> set[str]:
    """The interfaces by which packets to these addresses leave."""
    places = carrying()
    return {name for address in addresses for name in places.get(_source_towards(address), ())}


def _source_towards(address: str) -> str:
    """The own address that packets there would have; empty when there is no way."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((address, 9))  # nothing is sent
        except OSError:
            return ""
        return str(asking.getsockname()[0])


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
