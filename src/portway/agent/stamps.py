"""What policies wrote into the marks of the kernel's connections (nftables/README.md, "Policies").

A connection that bears the stamp that counts now is not judged again. Stamps are numbers that go round, so those of
earlier times are wiped before a number comes again.
"""

import contextlib
import errno
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from portway.agent.netlink import REQUEST, Netlink, attribute, attributes, message, nested
from portway.agent.nf_tables import NfTables
from portway.nftables import GENERATION, next_generation
from portway.nftables.statement import STAMP_MASK

_SUBSYSTEM = 1
_NEW, _GET = 0, 1
_ORIGINAL, _MARK, _ZONE, _MASK = 1, 8, 18, 21
_EVERY_FAMILY = 0
_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_AT_ONCE = 200


def first_generation() -> int:
    """The number with which a PolicyProgram is to begin in this network namespace. Raises OSError.

    Where our table enforces policies, the number after its own; else the first of all, and so after the last: then
    connections may bear it already, and `wipe` is due.
    """
    kernel = NfTables()
    try:
        held = kernel.elements(GENERATION)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        held = {}
    finally:
        kernel.close()
    if not held:
        return next_generation(0)
    return next_generation(struct.unpack("=I", next(iter(held)))[0])


def wipe(kept: int = 0) -> int:
    """Take the stamps from all connections but those that bear `kept`; from how many. Raises OSError."""
    if _nothing_tracked():
        return 0
    netlink = Netlink()
    try:
        stamped = list(_stamped(netlink, kept))
        for start in range(0, len(stamped), _AT_ONCE):
            _take(netlink, stamped[start : start + _AT_ONCE])
        return len(stamped)
    finally:
        netlink.close()


def _nothing_tracked() -> bool:
    """Whether there are no connections here: a dump looks through all the machine's, some 10 ms."""
    with contextlib.suppress(OSError, ValueError):
        return int(_COUNT.read_text()) == 0
    return False


def _stamped(netlink: Netlink, kept: int) -> Iterator[bytes]:
    """What tells the kernel which connection is meant, for each that bears another stamp."""
    for answer in netlink.dump_whole(_SUBSYSTEM << 8 | _GET, struct.pack("=BBH", _EVERY_FAMILY, 0, 0)):
        found = dict(attributes(answer.payload[4:]))
        stamp = int.from_bytes(found.get(_MARK, b""), "big") & STAMP_MASK
        if stamp not in (0, kept):
            zone = attribute(_ZONE, found[_ZONE]) if _ZONE in found else b""
            yield struct.pack("=BBH", answer.payload[0], 0, 0) + nested(_ORIGINAL, found[_ORIGINAL]) + zone


def _take(netlink: Netlink, connections: Sequence[bytes]) -> None:
    unstamped = attribute(_MARK, struct.pack(">I", 0)) + attribute(_MASK, struct.pack(">I", STAMP_MASK))
    kind = _SUBSYSTEM << 8 | _NEW
    netlink.send(b"".join(message(kind, REQUEST, netlink.next_sequence(), each + unstamped) for each in connections))
    for answer in netlink.pending():
        # it may have ended meanwhile
        if answer.error and answer.error != errno.ENOENT:
            raise OSError(answer.error, "conntrack")
