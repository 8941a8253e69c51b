"""Elements of sets and maps as the kernel's attributes, there and back.

Source: include/uapi/linux/netfilter/nf_tables.h. Ranges of one field are kept as boundaries, those of concatenations
as elements with two keys.
"""

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import zip_longest

from portway.agent.expression import VERDICT_CODES, verdict
from portway.agent.netlink import attribute, attributes, nested
from portway.nftables import Container

Entry = tuple[bytes, bytes]
"""Key and value, in an Element's form."""

_KEY, _DATA, _FLAGS, _KEY_END = 1, 2, 3, 10
_INTERVAL_END = attribute(_FLAGS, struct.pack(">I", 1))
_DATA_VALUE, _VERDICT_CODE, _VERDICT_CHAIN = 1, 1, 2
_WORDS = {code: word for word, code in VERDICT_CODES.items()}
_LONGEST = 512
"""Bytes that one element takes at most: two keys of two dozen bytes each, or one and a chain's name."""


def encoded(container: Container, entries: Iterable[Entry], with_values: bool) -> list[bytes]:
    """Each element as an attribute of a list."""
    if container.interval:
        encode = _range if len(container.key) > 1 else _boundaries
        return [encode(key, _plain_value(container, value) if with_values else b"") for key, value in entries]
    if container.verdicts and with_values:
        return [nested(1, nested(_KEY, attribute(_DATA_VALUE, key)), _verdict(value)) for key, value in entries]
    return _encoded_plain(container, entries, with_values)


def length_at_most(container: Container) -> int:
    """Bytes that one element takes at most."""
    if container.interval or container.verdicts:
        return _LONGEST
    before, between, after = _frame(container, True)
    return len(before) + len(between) + sum(kind.length for kind in container.key_types) + after


def _encoded_plain(container: Container, entries: Iterable[Entry], with_values: bool) -> list[bytes]:
    # Keys of one container are equally long, values too: their headers are made once. This is the hot path.
    before, between, value_length = _frame(container, with_values)
    if not value_length:
        return [before + key + between for key, _ in entries]
    return [before + key + between + value for key, value in entries]


@lru_cache(maxsize=512)
def _frame(container: Container, with_values: bool) -> tuple[bytes, bytes, int]:
    """What stands before a key and between it and its value, and how long the value is."""
    key_length = sum(kind.length for kind in container.key_types)
    value_length = sum(kind.length for kind in container.value_types) if with_values and container.value else 0
    data = nested(_DATA, attribute(_DATA_VALUE, b"\0" * value_length)) if value_length else b""
    whole = nested(1, nested(_KEY, attribute(_DATA_VALUE, b"\0" * key_length)), data)
    return whole[:12], whole[12 + key_length : len(whole) - value_length], value_length


def _range(key: bytes, value: bytes) -> bytes:
    """One element, as the kernel keeps ranges of concatenations."""
    half = len(key) // 2
    first, last = attribute(_DATA_VALUE, key[:half]), attribute(_DATA_VALUE, key[half:])
    return nested(1, nested(_KEY, first), nested(_KEY_END, last), value)


def _boundaries(key: bytes, value: bytes) -> bytes:
    """Two elements, as the kernel keeps ranges of one field: where it begins, and where it has ended."""
    half = len(key) // 2
    begins = nested(1, nested(_KEY, attribute(_DATA_VALUE, key[:half])), value)
    after = int.from_bytes(key[half:], "big") + 1
    if after >> 8 * half:
        return begins
    ended = attribute(_DATA_VALUE, after.to_bytes(half, "big"))
    return begins + nested(1, _INTERVAL_END, nested(_KEY, ended))


def _plain_value(container: Container, value: bytes) -> bytes:
    return nested(_DATA, attribute(_DATA_VALUE, value)) if container.value else b""


@lru_cache(maxsize=4096)
def _verdict(text: bytes) -> bytes:
    return nested(_DATA, verdict(text.decode()))


def decoded(container: Container, lists: Iterable[bytes]) -> Iterator[Entry]:
    """The entries that are the elements of these lists."""
    if container.interval and len(container.key) == 1:
        return _between(element for some in lists for _, element in attributes(some))
    if container.interval or container.verdicts:
        return (_decoded(element) for some in lists for _, element in attributes(some))
    return (entry for some in lists for entry in _alike(container, some) or _each(some))


def _each(elements: bytes) -> Iterator[Entry]:
    return (_decoded(element) for _, element in attributes(elements))


def _alike(container: Container, elements: bytes) -> list[Entry]:
    """All at once where they are nothing but a key and a value of the container's lengths; else nothing."""
    before, between, value_length = _frame(container, with_values=True)
    key_length = sum(kind.length for kind in container.key_types)
    frame = struct.Struct(f"{len(before)}s{key_length}s{len(between)}s{value_length}s")
    if not elements or len(elements) % frame.size:
        return []
    rows = list(frame.iter_unpack(elements))
    # Whether the kernel says that an attribute is nested depends on its version.
    head, middle = rows[0][0], rows[0][2]
    known = (_plain(head), _plain(middle)) == (_plain(before), _plain(between))
    if not (known and all(row[0] == head and row[2] == middle for row in rows)):
        return []
    return [(key, value) for _, key, _, value in rows]


def _plain(headers: bytes) -> list[tuple[int, int]]:
    """Lengths and kinds without flags."""
    return [(length, kind & 0x3FFF) for length, kind in struct.iter_unpack("=HH", headers)]


def _decoded(data: bytes) -> Entry:
    found = dict(attributes(data))
    key = found[_KEY][4:]
    if _KEY_END in found:
        key += found[_KEY_END][4:]
    return key, _decoded_value(found[_DATA]) if _DATA in found else b""


def _between(elements: Iterable[bytes]) -> Iterator[Entry]:
    """(first and last, value) of ranges that are kept as boundaries."""
    boundaries = []
    for data in elements:
        ended = bool(int.from_bytes(dict(attributes(data)).get(_FLAGS, b""), "big") & 1)
        boundaries.append((*_decoded(data), ended))
    # Where one ends and the next begins there are two boundaries with one key.
    boundaries.sort(key=lambda boundary: (boundary[0], not boundary[2]))
    for (first, value, ended), following in zip_longest(boundaries, boundaries[1:]):
        if not ended:
            width = len(first)
            last = int.from_bytes(following[0], "big") - 1 if following else (1 << 8 * width) - 1
            yield first + last.to_bytes(width, "big"), value


@lru_cache(maxsize=4096)
def _decoded_value(data: bytes) -> bytes:
    kind, content = next(attributes(data))
    if kind == _DATA_VALUE:
        return content
    found = dict(attributes(content))
    word = _WORDS.get(struct.unpack(">i", found[_VERDICT_CODE])[0], "?")
    if _VERDICT_CHAIN not in found:
        return word.encode()
    return word.encode() + b" " + found[_VERDICT_CHAIN].rstrip(b"\0")
