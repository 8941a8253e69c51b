"""Which of a node's pod addresses are free: lowest first, and one that was just given back rests for a while."""

import ipaddress
from collections import deque

_RESTING = 32
"""How many released addresses are kept back, so that a stale connection does not reach a new pod."""
_FIRST = 2
"""The network's own address is no host's, and .1 is by custom a gateway's."""


class PoolExhausted(Exception):
    """No address is free; the text names the range."""


class AddressPool:
    """The addresses of one range."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        self._cidr = cidr
        self._base = network.network_address
        # The last address of an IPv4 range is its broadcast address.
        self._end = network.num_addresses - (network.version == 4)
        self._taken: set[int] = set()
        self._resting: deque[int] = deque()

    def take(self) -> str:
        """The lowest free address, or the one that has rested longest when only resting ones are left."""
        resting = set(self._resting)
        number = _FIRST
        while number in self._taken or number in resting:
            number += 1
        if number >= self._end:
            if not self._resting:
                raise PoolExhausted(f"no address left in pod range {self._cidr}")
            number = self._resting.popleft()
        self._taken.add(number)
        return str(self._base + number)

    def claim(self, address: str) -> None:
        """Mark an address as taken, e.g. by a pod that was here before."""
        self._taken.add(int(ipaddress.ip_address(address)) - int(self._base))

    def release(self, address: str) -> None:
        """Give an address back."""
        number = int(ipaddress.ip_address(address)) - int(self._base)
        self._taken.discard(number)
        self._resting.append(number)
        if len(self._resting) > _RESTING:
            self._resting.popleft()
