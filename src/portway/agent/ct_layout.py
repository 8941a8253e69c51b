"""ctnetlink's messages become Flows, with as few steps as Python can do it in.

Messages of one kind look alike to the byte: the same attributes with the same lengths in the same order. So a
message is taken apart once, attribute by attribute, and the next ones of that **layout** by one `unpack_from`. A
message is of a layout when all its attributes' headers are the same, which one AND and one comparison of long
integers tell. Source: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from portway.accesslog.flow import Flow

_HEADER = struct.Struct("=HH")
_NESTED = 0x8000
_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_STATE, _TIMEOUT, _IN, _OUT, _ID, _TIMES = 1, 2, 3, 4, 7, 9, 10, 12, 20

Path = tuple[int, ...]
"""An attribute by its kind and those of the attributes that it lies in, the outermost first."""

_FIELDS: Sequence[tuple[str, str, tuple[Path, ...]]] = (
    # name, how it is written (big-endian; "s": as it is), where it may be
    ("source", "s", ((_ORIGINAL, 1, 1), (_ORIGINAL, 1, 3))),
    ("destination", "s", ((_ORIGINAL, 1, 2), (_ORIGINAL, 1, 4))),
    ("protocol", "B", ((_ORIGINAL, 2, 1),)),
    ("source_port", "H", ((_ORIGINAL, 2, 2),)),
    ("port", "H", ((_ORIGINAL, 2, 3),)),
    ("answerer", "s", ((_REPLY, 1, 1), (_REPLY, 1, 3))),
    ("answered", "s", ((_REPLY, 1, 2), (_REPLY, 1, 4))),
    ("answerer_port", "H", ((_REPLY, 2, 2),)),
    ("identity", "I", ((_ID,),)),
    ("status", "I", ((_STATUS,),)),
    ("packets_in", "Q", ((_IN, 1),)),
    ("bytes_in", "Q", ((_IN, 2),)),
    ("packets_out", "Q", ((_OUT, 1),)),
    ("bytes_out", "Q", ((_OUT, 2),)),
    ("started", "Q", ((_TIMES, 1),)),
    ("stopped", "Q", ((_TIMES, 2),)),
    ("remaining", "I", ((_TIMEOUT,),)),
    ("state", "B", ((_PROTOCOL_STATE, 1, 1), (_PROTOCOL_STATE, 3, 1))),
)
_PLACES = {path: number for number, (_, _, paths) in enumerate(_FIELDS) for path in paths}
_CONTAINERS = {path[:depth] for path in _PLACES for depth in range(1, len(path))}
_MOST_LAYOUTS = 64
"""There are a handful; more would be somebody's joke, and then each message is taken apart."""


class _Layout(Struct, frozen=True):
    mask: int
    """Ones where the attributes' headers are."""
    headers: int
    unpack: Callable[[bytes], tuple[Any, ...]]
    in_order: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    """The values in the order of Flow's fields, with 0 for those that are not there."""


class FlowReader:
    """Takes messages apart, and remembers how."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[_Layout]] = {}

    def read(self, message: bytes) -> Flow:
        """The Flow of a message's attributes: what comes after its struct nfgenmsg."""
        number = int.from_bytes(message, "little")
        for layout in self._layouts.get(len(message), ()):
            if number & layout.mask == layout.headers:
                return Flow(*layout.in_order(layout.unpack(message)))
        layout = _learned(message)
        if sum(map(len, self._layouts.values())) < _MOST_LAYOUTS:
            self._layouts.setdefault(len(message), []).append(layout)
        return Flow(*layout.in_order(layout.unpack(message)))


def _learned(message: bytes) -> _Layout:
    mask = bytearray(len(message))
    found: list[tuple[int, int, int]] = []
    for path, start, end in _walk(message, 0, len(message), ()):
        mask[start - 4 : start] = b"\xff" * 4
        if path in _PLACES:
            found.append((start, end, _PLACES[path]))
    bits = int.from_bytes(mask, "little")
    places = {field: position for position, (_, _, field) in enumerate(found)}
    # what is missing is taken from behind the last value: 0, or no bytes where an address should be
    missing = [len(found) + (written == "s") for _, written, _ in _FIELDS]
    pick = itemgetter(*(places.get(field, missing[field]) for field in range(len(_FIELDS))))
    return _Layout(
        bits,
        int.from_bytes(message, "little") & bits,
        struct.Struct(_format(found, len(message))).unpack,
        lambda values: pick((*values, 0, b"")),
    )


def _walk(data: bytes, start: int, end: int, outer: Path) -> Iterator[tuple[Path, int, int]]:
    """(path, where its content begins and ends) of every attribute whose header tells something, in order."""
    while start + 4 <= end:
        length, kind = _HEADER.unpack_from(data, start)
        if length < 4:
            return
        path = (*outer, kind & ~_NESTED & 0xFFFF)
        yield path, start + 4, start + length
        if path in _CONTAINERS:
            yield from _walk(data, start + 4, start + length, path)
        start += (length + 3) & ~3


def _format(found: Sequence[tuple[int, int, int]], length: int) -> str:
    text, at = ">", 0
    for start, end, field in found:
        written = _FIELDS[field][1]
        size = end - start if written == "s" else struct.calcsize(">" + written)
        text += f"{start - at}x" + (f"{size}s" if written == "s" else written)
        at = start + size
    return f"{text}{length - at}x"
