"""What a prober is asked."""

import struct

from msgspec import Struct

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: a closed connection leaves nothing behind."""


class Question(Struct, frozen=True, array_like=True):
    """Whether a client in the network of that name (`pod-UID`, `node-1`, `outside`) gets an answer."""

    network: str
    address: str
    port: int
    protocol: str
    """"TCP": a connection. "UDP": a datagram back."""
