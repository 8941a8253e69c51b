"""Stamps of policies in connections' marks: wiped where they are, and only they."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from portway.agent import nft, stamps
from portway.nftables.statement import STAMP_MASK
from portway.testing.netns import Namespace, Unavailable, World

_STAMP, _OTHERS = 0x0005_0000, 0x21
_MARKING = f"""
table inet marking {{
  chain out {{ type filter hook output priority 0; ct mark set {_STAMP | _OTHERS:#x}; }}
  set left {{ typeof ct mark; flags dynamic; }}
  chain later {{ type filter hook output priority 10; add @left {{ ct mark }}; }}
}}
"""


@pytest.fixture(params=[None, True], ids=["as we are", "user namespace"])
def place(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace with a loopback."""
    try:
        with World(user=request.param) as world:
            namespace = world.namespace("stamped")
            namespace.command("ip", "link", "set", "lo", "up")
            yield namespace
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def _marks() -> list[int]:
    """Of each connection, as a rule sees it that meets its next packet."""
    nft.run("flush chain inet marking out\nflush set inet marking left\n")
    _talk_again()
    listed = nft.output("-j", "list", "set", "inet", "marking", "left")
    return sorted(int(word) for word in listed.partition('"elem": [')[2].partition("]")[0].split(",") if word.strip())


_SOCKETS: list[socket.socket] = []


def _open() -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.connect((address, 9))
        _SOCKETS.append(made)


def _talk_again() -> None:
    for each in _SOCKETS:
        # the answer that nobody listens may wait there, or come just now: it is told once, in place of sending
        with suppress(ConnectionRefusedError):
            each.send(b"x")
            continue
        each.send(b"x")


def _wiped(kept: int) -> tuple[int, int, list[int]]:
    """(from none, from those that are there, marks afterwards)."""
    none = stamps.wipe()
    nft.run(_MARKING)
    _open()
    _talk_again()
    return none, stamps.wipe(kept), _marks()


def test_stamps_go_and_other_bits_stay(place: Namespace) -> None:
    assert _STAMP & STAMP_MASK == _STAMP
    assert place.run(_wiped, 0) == (0, 2, [_OTHERS])


def test_the_stamp_that_counts_stays(place: Namespace) -> None:
    assert place.run(_wiped, _STAMP) == (0, 0, [_STAMP | _OTHERS])
