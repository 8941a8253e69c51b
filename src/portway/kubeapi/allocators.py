"""Numbers that Services hold: cluster IPs and node ports, each given to one holder at a time.

A range has two **bands**: automatic allocation draws from the upper, dynamic one and only when that is full from
the lower, static one, so that numbers people choose by hand in the lower band seldom collide (KEP-3070, KEP-3668).
Within a band the search starts at a random number and goes upwards, around.

Source: pkg/registry/core/service/{allocator,ipallocator,portallocator}. Nothing here is stored: what is held is
derived from the Services, so a crash cannot leak a number.
"""

import bisect
import ipaddress
import itertools
from collections.abc import Callable, Iterable

from msgspec import Struct

from portway.kubeapi import ip

Pick = Callable[[int], int]
"""pick(n) is a random number in [0, n): chance is injected."""


class AllocationError(Exception):
    """A number cannot be had; the text is Kubernetes'."""


class RangeFull(AllocationError):
    """Nothing is left."""

    def __init__(self) -> None:
        super().__init__("range is full")


class Band(Struct, frozen=True):
    """Consecutive numbers, both ends included; empty when `last` < `first`."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    @property
    def size(self) -> int:
        """How many numbers."""
        return max(0, self.last - self.first + 1)


class Held:
    """A set of numbers with the search for a free one."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.reserved: set[int] = set()
        """Not held, and not to be given either: somebody said so."""

    def __contains__(self, number: int) -> bool:
        return number in self.numbers or number in self.reserved

    def take(self, number: int) -> None:
        """Holds the number; holding it twice is the same."""
        self.numbers.add(number)

    def give_back(self, number: int) -> None:
        """Frees the number; one that is free stays free."""
        self.numbers.discard(number)

    def free_in(self, band: Band, pick: Pick) -> int | None:
        """The first free number of the band from a random one upwards, around; None when all are held."""
        if not band.size:
            return None
        start = band.first + pick(band.size)
        taken = self.numbers | self.reserved if self.reserved else self.numbers
        if 2 * len(taken) < band.size:  # at least half are free: walking finds one in a few steps
            upwards = itertools.chain(range(start, band.last + 1), range(band.first, start))
            return next(number for number in upwards if number not in taken)
        free = sorted(set(range(band.first, band.last + 1)) - taken)
        return free[bisect.bisect_left(free, start) % len(free)] if free else None

    def take_free(self, bands: Iterable[Band], pick: Pick) -> int:
        """Takes a free number from the first band that has one. Raises RangeFull."""
        for band in bands:
            number = self.free_in(band, pick)
            if number is not None:
                self.take(number)
                return number
        raise RangeFull


def _static_size(size: int, share: int, most: int) -> int:
    """The lower band's size: a `share`-th of the range, at least 16 and at most `most`; none in a tiny range."""
    return 0 if size <= 16 else min(max(16, size // share), most)


def _split(whole: Band, static: int) -> tuple[Band, Band]:
    """Dynamic band, static band."""
    return Band(whole.first + static, whole.last), Band(whole.first, whole.first + static - 1)


class PortRange(Struct, frozen=True):
    """The node port range, both ends included: ValueError when it is empty or leaves 1-65535."""

    first: int = 30000
    last: int = 32767

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 65535:
            raise ValueError(f"node port range {self}: must be FIRST-LAST within 1-65535, e.g. 30000-32767")

    @property
    def static_size(self) -> int:
        """86 for the default range."""
        return _static_size(self.last - self.first + 1, share=32, most=128)

    @property
    def bands(self) -> tuple[Band, Band]:
        """Dynamic, static."""
        return _split(Band(self.first, self.last), self.static_size)

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class NodePorts:
    """Node ports and health check node ports; a port number is held whatever its protocol."""

    def __init__(self, ports: PortRange, pick: Pick) -> None:
        self.range = ports
        self.held = Held()
        self._pick = pick

    def allocate(self, port: int) -> None:
        """Takes this port. Raises AllocationError when it is out of range or held."""
        if port not in self.range:
            message = f"provided port is not in the valid range. The range of valid ports is {self.range}"
            raise AllocationError(message)
        if port in self.held:
            raise AllocationError("provided port is already allocated")
        self.held.take(port)

    def allocate_next(self) -> int:
        """Takes a free port. Raises RangeFull."""
        return self.held.take_free(self.range.bands, self._pick)


class AddressRange(Struct, frozen=True):
    """One CIDR of service addresses; what may be given leaves out the network and the IPv4 broadcast address.

    `cidr` must be canonical and an IPv6 prefix at least 64 long: ValueError otherwise.
    """

    cidr: str

    def __post_init__(self) -> None:
        if errors := ip.validate_strict_cidr("service CIDR", self.cidr):
            raise ValueError(str(errors[0]))
        network = ipaddress.ip_network(self.cidr)
        if network.version == 6 and network.prefixlen < 64:
            raise ValueError(f"shortest allowed prefix length for service CIDR is 64, got {network.prefixlen}")

    @property
    def _network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(self.cidr)

    @property
    def whole(self) -> Band:
        """Every address that may be given."""
        network = self._network
        broadcast = 1 if network.version == 4 else 0
        return Band(int(network.network_address) + 1, int(network.broadcast_address) - broadcast)

    @property
    def static_size(self) -> int:
        """256 for a /16."""
        return _static_size(self._network.num_addresses, share=16, most=256)

    @property
    def bands(self) -> tuple[Band, Band]:
        """Dynamic, static."""
        return _split(self.whole, self.static_size)

    @property
    def network_address(self) -> str:
        """What a dry run shows instead of an allocated address."""
        return str(self._network.network_address)


class Addresses:
    """The service addresses of one family, out of one or several CIDRs."""

    def __init__(self, ranges: Iterable[AddressRange], pick: Pick, *, bare: bool = False) -> None:
        self.held = Held()
        self.serve(ranges)
        self._pick = pick
        self._bare = bare
        self._version = 6 if ":" in self.ranges[0].cidr else 4

    def serve(self, ranges: Iterable[AddressRange]) -> None:
        """Gives addresses of these from now on, and of the first ones first; what is held stays held."""
        self.ranges = list(ranges)
        self._wholes = [item.whole for item in self.ranges]
        self._bands = [band for item in self.ranges for band in item.bands]

    def check(self, address: str, *, bare: bool = False) -> int:
        """The number of an address that may be given. Raises AllocationError when it is out of range."""
        number = int(ip.parse(address) or 0)
        if any(number in whole for whole in self._wholes):
            return number
        if not (bare or self._bare):
            raise AllocationError("the provided network does not match the current range")
        message = (
            f"the provided IP ({ip.canonical(address)}) is not in the valid range. "
            f"The range of valid IPs is {self.ranges[0].cidr}"
        )
        raise AllocationError(message)

    def allocate(self, address: str) -> None:
        """Takes this address. Raises AllocationError when it is out of range or held."""
        number = self.check(address)
        if number in self.held:
            raise AllocationError("provided IP is already allocated")
        self.held.take(number)

    def allocate_next(self) -> str:
        """Takes a free address. Raises RangeFull."""
        number = self.held.take_free(self._bands, self._pick)
        text = ipaddress.IPv6Address(number) if self._version == 6 else ipaddress.IPv4Address(number)
        return str(text)

    def observe(self, address: str) -> None:
        """Holds an address that a stored Service has, in range or not."""
        self.held.take(int(ip.parse(address) or 0))

    def release(self, address: str) -> None:
        """Frees the address."""
        self.held.give_back(int(ip.parse(address) or 0))

    def reserve(self, address: str) -> None:
        """Nobody gets this address."""
        self.held.reserved.add(int(ip.parse(address) or 0))

    def unreserve(self, address: str) -> None:
        """Whoever asks may have it, if it is free."""
        self.held.reserved.discard(int(ip.parse(address) or 0))
