"""nf_tables over netlink: elements of sets and maps, chains of behaviours and of stamps, dumps, the generation.

What stands whatever Services there are is left to nft.

Source: include/uapi/linux/netfilter/nf_tables.h. A batch is atomic: all of it happens or nothing. The kernel goes on
after an error, so every message of a failed batch that is wrong gets its own errno.
"""

import errno
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain as chained
from itertools import groupby, zip_longest
from operator import itemgetter

from msgspec import Struct

from portway.agent.expression import VERDICT_CODES, expressions, string, verdict
from portway.agent.netlink import (
    ACK,
    APPEND,
    CREATE,
    REQUEST,
    Message,
    Netlink,
    attribute,
    attributes,
    message,
    nested,
)
from portway.nftables import TABLE, Chain, Container, Element

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_GETTABLE, _NEWCHAIN, _GETCHAIN, _DELCHAIN, _NEWRULE, _DELRULE = 1, 3, 4, 5, 6, 8
_GETSET, _DELSET = 10, 11
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _NEWGEN, _GETGEN = 12, 13, 14, 15, 16
_INET, _UNSPEC = 1, 0
EVENTS = 1 << (7 - 1)
"""The multicast group in which the kernel tells of each commit."""
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_ELEMENT_KEY, _ELEMENT_DATA, _ELEMENT_FLAGS, _ELEMENT_KEY_END = 1, 2, 3, 10
_INTERVAL_END = attribute(_ELEMENT_FLAGS, struct.pack(">I", 1))
_ANONYMOUS = 1
_DATA_VALUE, _VERDICT_CODE, _VERDICT_CHAIN = 1, 1, 2
_WORDS = {code: word for word, code in VERDICT_CODES.items()}
_CONTAINER = itemgetter(0)
_MESSAGE_LIMIT = 60_000
"""An attribute's length is 16 bits."""


class Refusal(Struct, frozen=True):
    """An element that the kernel did not take, and its errno."""

    verb: str
    element: Element
    error: int


class Refused(Exception):
    """A batch was refused as a whole: for its elements in `refusals`, or, where that is empty, as the text says."""

    def __init__(self, refusals: tuple[Refusal, ...], text: str) -> None:
        super().__init__(text)
        self.refusals = refusals


class Change(Struct, frozen=True):
    """Elements to add or delete, in order."""

    verb: str
    """"add" | "delete"."""
    elements: Sequence[Element]


def _type(kind: int) -> int:
    return _SUBSYSTEM << 8 | kind


def _family(family: int, resource: int = 0) -> bytes:
    return struct.pack(">BBH", family, 0, resource)


@lru_cache(maxsize=4096)
def _verdict(text: bytes) -> bytes:
    return nested(_ELEMENT_DATA, verdict(text.decode()))


def _encoded(container: Container, elements: Iterable[Element], with_values: bool) -> list[bytes]:
    """Each element as an attribute of a list."""
    if container.interval:
        encode = _range if len(container.key) > 1 else _boundaries
        return [encode(e.key, _plain_value(container, e.value) if with_values else b"") for e in elements]
    if container.verdicts and with_values:
        return [nested(1, nested(_ELEMENT_KEY, attribute(_DATA_VALUE, e.key)), _verdict(e.value)) for e in elements]
    return _encoded_plain(container, elements, with_values)


def _range(key: bytes, value: bytes) -> bytes:
    """One element, as the kernel keeps ranges of concatenations."""
    half = len(key) // 2
    first, last = attribute(_DATA_VALUE, key[:half]), attribute(_DATA_VALUE, key[half:])
    return nested(1, nested(_ELEMENT_KEY, first), nested(_ELEMENT_KEY_END, last), value)


def _boundaries(key: bytes, value: bytes) -> bytes:
    """Two elements, as the kernel keeps ranges of one field: where it begins, and where it has ended."""
    half = len(key) // 2
    begins = nested(1, nested(_ELEMENT_KEY, attribute(_DATA_VALUE, key[:half])), value)
    after = int.from_bytes(key[half:], "big") + 1
    if after >> 8 * half:
        return begins
    ended = attribute(_DATA_VALUE, after.to_bytes(half, "big"))
    return begins + nested(1, _INTERVAL_END, nested(_ELEMENT_KEY, ended))


def _plain_value(container: Container, value: bytes) -> bytes:
    return nested(_ELEMENT_DATA, attribute(_DATA_VALUE, value)) if container.value else b""


def _encoded_plain(container: Container, elements: Iterable[Element], with_values: bool) -> list[bytes]:
    # Keys of one container are equally long, values too: their headers are made once. This is the hot path.
    key_length = sum(kind.length for kind in container.key_types)
    value_length = sum(kind.length for kind in container.value_types) if with_values and container.value else 0
    zeros = b"\0" * key_length
    whole = nested(1, nested(_ELEMENT_KEY, attribute(_DATA_VALUE, zeros)), _plain_data(value_length))
    head = whole[:12]
    middle = whole[12 + key_length : len(whole) - value_length]
    if not value_length:
        return [head + key + middle for _, key, _ in elements]
    return [head + key + middle + value for _, key, value in elements]


def _plain_data(length: int) -> bytes:
    return nested(_ELEMENT_DATA, attribute(_DATA_VALUE, b"\0" * length)) if length else b""


class _Piece(Struct, frozen=True):
    """One message of a batch, not yet numbered."""

    kind: int
    flags: int
    payload: bytes
    verb: str
    elements: Sequence[Element] = ()
    chain: str = ""


def _pieces(container: Container, change: Change, limit: int) -> Iterator[_Piece]:
    """A change of one container as messages of at most `limit` bytes of elements."""
    head = _family(_INET) + string(_LIST_TABLE, TABLE) + string(_LIST_SET, container.name)
    kind, flags = (_NEWSETELEM, REQUEST | CREATE) if change.verb == "add" else (_DELSETELEM, REQUEST)
    elements, adds = change.elements, change.verb == "add"
    longest = max(elements, key=_value_length) if container.verdicts else elements[0]
    count = max(1, limit // len(_encoded(container, (longest,), adds)[0]))
    for start in range(0, len(elements), count):
        some = elements[start : start + count]
        yield _Piece(kind, flags, head + nested(_LIST_ELEMENTS, *_encoded(container, some, adds)), change.verb, some)


def _value_length(element: Element) -> int:
    return len(element.value)


def _chain_creation(chains: Sequence[Chain]) -> Iterator[_Piece]:
    """Make the chains where they are missing, empty them, then write their rules."""
    table = _family(_INET) + string(1, TABLE)
    for chain in chains:
        yield _Piece(_NEWCHAIN, REQUEST | CREATE, table + string(3, chain.name), "add chain", (), chain.name)
    for chain in chains:
        yield _Piece(_DELRULE, REQUEST, table + string(2, chain.name), "flush chain", (), chain.name)
    for chain in chains:
        for rule in chain.rules:
            payload = table + string(2, chain.name) + nested(4, *expressions(rule))
            yield _Piece(_NEWRULE, REQUEST | CREATE | APPEND, payload, "add rule", (), chain.name)


def _deletion(chains: Sequence[str], containers: Sequence[str]) -> Iterator[_Piece]:
    """Empty the chains, then delete what they read and then them: they may go to each other, and maps lead to them."""
    table = _family(_INET) + string(1, TABLE)
    for kind, name_attribute, verb, names in (
        (_DELRULE, 2, "flush chain", chains),
        (_DELSET, 2, "delete set", containers),
        (_DELCHAIN, 3, "delete chain", chains),
    ):
        yield from (_Piece(kind, REQUEST, table + string(name_attribute, name), verb, (), name) for name in names)


class NfTables:
    """Reads and writes elements of our table in this network namespace."""

    def __init__(self) -> None:
        self._netlink = Netlink()
        self.commits = 0
        """Batches that the kernel took from us."""

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def generation(self) -> int:
        """The number of the last commit by anyone in this namespace."""
        sequence = self._netlink.next_sequence()
        self._netlink.send(message(_type(_GETGEN), REQUEST, sequence, _family(_UNSPEC)))
        return next(g for m in self._netlink.pending() if (g := generation_of(m)) is not None)

    def exists(self) -> bool:
        """Whether our table is there."""
        sequence = self._netlink.next_sequence()
        self._netlink.send(message(_type(_GETTABLE), REQUEST, sequence, _family(_INET) + string(1, TABLE)))
        return all(m.error is None for m in self._netlink.pending())

    def chains(self) -> tuple[str, ...]:
        """The names of our table's chains."""
        found = (dict(attributes(m.payload[4:])) for m in self._dump(_GETCHAIN, _family(_INET)))
        return tuple(_text(a[3]) for a in found if _text(a[1]) == TABLE)

    def containers(self) -> tuple[str, ...]:
        """The names of our table's sets and maps."""
        asked = _family(_INET) + string(1, TABLE)
        found = (dict(attributes(m.payload[4:])) for m in self._dump(_GETSET, asked))
        return tuple(_text(a[2]) for a in found if not int.from_bytes(a.get(3, b""), "big") & _ANONYMOUS)

    def elements(self, container: Container) -> dict[bytes, bytes]:
        """All elements of one set or map. Raises OSError ENOENT when it is not there."""
        asked = _family(_INET) + string(_LIST_TABLE, TABLE) + string(_LIST_SET, container.name)
        lists = (attributes(answer.payload[4:]) for answer in self._dump(_GETSETELEM, asked))
        listed = (data for some in lists for kind, data in some if kind == _LIST_ELEMENTS)
        elements = (element for data in listed for _, element in attributes(data))
        if container.interval and len(container.key) == 1:
            return dict(_between(elements))
        return dict(map(_decoded, elements))

    def _dump(self, kind: int, payload: bytes) -> list[Message]:
        return self._netlink.dump_whole(_type(kind), payload)

    def commit(
        self,
        changes: Sequence[Change],
        containers: Mapping[str, Container],
        set_chains: Sequence[Chain] = (),
        delete_chains: Sequence[str] = (),
        delete_containers: Sequence[str] = (),
        *,
        single: bool = False,
    ) -> int:
        """Carry out the changes: in one atomic batch where the socket can take it, else in as few as possible.

        `single` puts each element in a message of its own, so that a Refused names exactly the culprits. Returns
        the number of batches.
        """
        limit = 0 if single else min(_MESSAGE_LIMIT, self._netlink.longest // 2)
        parts = (part for change in changes for part in _by_container(change))
        # Made while they are sent: a large cluster's bytes are never all there.
        pieces = chained(
            _chain_creation([chain for chain in set_chains if not chain.of_stamp]),
            (piece for p in parts for piece in _pieces(containers[p.elements[0].container], p, limit)),
            _chain_creation([chain for chain in set_chains if chain.of_stamp]),
            _deletion(delete_chains, delete_containers),
        )
        sent = 0
        for batch in _batches(pieces, self._netlink.longest - 256):
            self._send(batch)
            sent += 1
        return sent

    def _send(self, pieces: Sequence[_Piece]) -> None:
        list(self._netlink.pending())
        number = self._netlink.next_sequence
        sent = [message(_BATCH_BEGIN, REQUEST, number(), _family(_UNSPEC, _SUBSYSTEM))]
        known: dict[int, _Piece] = {}
        for piece in pieces:
            sequence = number()
            known[sequence] = piece
            flags = piece.flags | ACK if piece is pieces[-1] else piece.flags
            sent.append(message(_type(piece.kind), flags, sequence, piece.payload))
        sent.append(message(_BATCH_END, REQUEST, number(), _family(_UNSPEC, _SUBSYSTEM)))
        self._netlink.send(b"".join(sent))
        failed = [m for m in self._netlink.pending() if m.error]
        if failed:
            raise _refused([(known.get(m.sequence), m.error or 0) for m in failed])
        self.commits += 1


def _refused(blamed: Sequence[tuple[_Piece | None, int]]) -> Refused:
    """What to say of the pieces of a batch that failed; a chain's failure explains those of elements that name it."""
    for piece, error in blamed:
        if piece is None or not piece.elements:
            subject = f"{piece.verb} {piece.chain}" if piece else "commit"
            return Refused((), f"{subject}: {errno.errorcode.get(error, str(error))}")
    refusals = tuple(Refusal(p.verb, e, error) for p, error in blamed if p for e in p.elements)
    return Refused(refusals, f"{len(refusals)} elements or their neighbours")


def _by_container(change: Change) -> Iterator[Change]:
    for _, group in groupby(change.elements, _CONTAINER):
        yield Change(change.verb, tuple(group))


def _batches(pieces: Iterable[_Piece], limit: int) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    size = 0
    for piece in pieces:
        length = len(piece.payload) + 16
        if batch and size + length > limit:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += length
    if batch:
        yield batch


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()


def _decoded(data: bytes) -> tuple[bytes, bytes]:
    """(key, value) of a dumped element, in an Element's form."""
    found = dict(attributes(data))
    key = found[_ELEMENT_KEY][4:]
    if _ELEMENT_KEY_END in found:
        key += found[_ELEMENT_KEY_END][4:]
    return key, _decoded_value(found[_ELEMENT_DATA]) if _ELEMENT_DATA in found else b""


def _between(elements: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(first and last, value) of ranges that are kept as boundaries."""
    boundaries = []
    for data in elements:
        ended = bool(int.from_bytes(dict(attributes(data)).get(_ELEMENT_FLAGS, b""), "big") & 1)
        boundaries.append((*_decoded(data), ended))
    # Where one ends and the next begins there are two boundaries with one key.
    boundaries.sort(key=lambda boundary: (boundary[0], not boundary[2]))
    for (first, value, ended), following in zip_longest(boundaries, boundaries[1:]):
        if not ended:
            width = len(first)
            last = int.from_bytes(following[0], "big") - 1 if following else (1 << 8 * width) - 1
            yield first + last.to_bytes(width, "big"), value


def _decoded_value(data: bytes) -> bytes:
    kind, content = next(attributes(data))
    if kind == _DATA_VALUE:
        return content
    verdict = dict(attributes(content))
    word = _WORDS.get(struct.unpack(">i", verdict[_VERDICT_CODE])[0], "?")
    return f"{word} {_text(verdict[_VERDICT_CHAIN])}".encode() if _VERDICT_CHAIN in verdict else word.encode()


def generation_of(received: Message) -> int | None:
    """The generation that a message tells of; None when it is about something else."""
    if received.kind != _type(_NEWGEN):
        return None
    found = dict(attributes(received.payload[4:]))
    return int(struct.unpack(">I", found[1])[0])
