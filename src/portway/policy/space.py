"""The space of all addresses, cut into pieces where some block begins or ends.

IPv4 and IPv6 addresses lie on one line, far from each other.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from portway.model import IpBlock
from portway.policy.spans import Span, Spans, minus, union
from portway.policy.table import AddressRange

_V6 = 1 << 128
"""Where IPv6 begins."""
Place = frozenset[int]
"""The numbers of the peers by address that hold a piece."""
NOWHERE: Place = frozenset()


def point(address: str) -> int:
    """Where a canonical address lies."""
    if ":" in address:
        return _V6 + int(ipaddress.IPv6Address(address))
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def address_range(piece: Span) -> AddressRange:
    """A piece in text."""
    first, last = map(_text, piece)
    return AddressRange(first, last)


def _text(number: int) -> str:
    return str(ipaddress.IPv6Address(number - _V6) if number >= _V6 else ipaddress.IPv4Address(number))


@lru_cache(maxsize=4096)
def block_spans(block: IpBlock) -> Spans:
    """The addresses of a block."""
    return minus((_cidr(block.cidr),), union(map(_cidr, block.excepts)))


def _cidr(cidr: str) -> Span:
    network = ipaddress.ip_network(cidr, strict=False)
    offset = _V6 if network.version == 6 else 0
    return offset + int(network.network_address), offset + int(network.broadcast_address)


class Space(NamedTuple):
    """Pieces in order, each with its place; what lies in no block is in no piece."""

    starts: list[int]
    ends: list[int]
    places: list[Place]

    def at(self, number: int) -> Place:
        """The place of one address."""
        index = bisect_right(self.starts, number) - 1
        return self.places[index] if index >= 0 and number <= self.ends[index] else NOWHERE

    def pieces(self) -> Iterator[tuple[Span, Place]]:
        """All of them."""
        for first, last, place in zip(self.starts, self.ends, self.places, strict=True):
            yield (first, last), place


def cut(blocks: Mapping[int, Spans]) -> Space:
    """The space as these numbered sets of addresses cut it; neighbours of one place are one piece."""
    borders: dict[int, list[int]] = {}
    for number, spans in blocks.items():
        for first, last in spans:
            borders.setdefault(first, []).append(number)
            borders.setdefault(last + 1, []).append(number)
    space = Space([], [], [])
    place, known = NOWHERE, {NOWHERE: NOWHERE}
    for border in sorted(borders):
        if place:
            space.ends[-1] = border - 1
        # What begins and ends here at once (two neighbouring spans of one block) stays as it is.
        turned: set[int] = set()
        for number in borders[border]:
            turned ^= {number}
        after = place ^ turned
        after = known.setdefault(after, after)
        if after and after is not place:
            space.starts.append(border)
            space.ends.append(border)
            space.places.append(after)
        place = after
    return space
