"""nf_tables over netlink: elements of sets and maps, chains of behaviours and of stamps, dumps, the generation.

What stands whatever Services there are is left to nft.

Source: include/uapi/linux/netfilter/nf_tables.h. A batch is atomic: all of it happens or nothing. The kernel goes on
after an error, so every message of a failed batch that is wrong gets its own errno.
"""

import errno
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain as chained
from itertools import islice

from msgspec import Struct

from portway.agent.elements import Entry, decoded, encoded, length_at_most
from portway.agent.expression import expressions, string
from portway.agent.netlink import (
    APPEND,
    CREATE,
    REQUEST,
    Interrupted,
    Message,
    Netlink,
    attribute,
    attributes,
    message,
    messages,
    nested,
)
from portway.nftables import TABLE, Chain, Container, Element

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_GETTABLE, _NEWCHAIN, _GETCHAIN, _DELCHAIN, _NEWRULE, _GETRULE, _DELRULE = 1, 3, 4, 5, 6, 7, 8
_GETSET, _DELSET = 10, 11
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _NEWGEN, _GETGEN = 12, 13, 14, 15, 16
_INET, _UNSPEC = 1, 0
EVENTS = 1 << (7 - 1)
"""The multicast group in which the kernel tells of each commit."""
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_ANONYMOUS = 1
_USER_DATA, _FINGERPRINT, _DIGEST = 7, 0xF0, 8
_VERBS = {_NEWSETELEM: "add", _DELSETELEM: "delete"}
_OF_CHAINS = {
    _NEWCHAIN: ("add chain", 3),
    _DELRULE: ("flush chain", 2),
    _NEWRULE: ("add rule", 2),
    _DELSET: ("delete set", 2),
    _DELCHAIN: ("delete chain", 3),
}
"""What else a batch does, and which attribute names whom it concerns."""
_MESSAGE_LIMIT = 60_000
"""An attribute's length is 16 bits."""

Concern = tuple[str, str, bytes]
"""What is done to an element: "add" or "delete", its container, its key."""


class Refusal(Struct, frozen=True):
    """An element that the kernel did not take, or that stood in one message with one, and the errno."""

    verb: str
    element: Element
    error: int

    @property
    def concern(self) -> Concern:
        """What was refused."""
        return self.verb, self.element.container, self.element.key


class Refused(Exception):
    """A batch was refused as a whole: for its elements in `refusals`, or, where that is empty, as the text says."""

    def __init__(self, refusals: tuple[Refusal, ...], text: str) -> None:
        super().__init__(text)
        self.refusals = refusals


class Change(Struct, frozen=True):
    """Elements of one container to add or delete, in order; gone through once."""

    verb: str
    """"add" | "delete"."""
    container: str
    entries: Iterable[Entry]
    """What is deleted needs no value."""


def _type(kind: int) -> int:
    return _SUBSYSTEM << 8 | kind


def _family(family: int, resource: int = 0) -> bytes:
    return struct.pack(">BBH", family, 0, resource)


class _Piece(Struct, frozen=True):
    """One message of a batch, not yet numbered."""

    kind: int
    flags: int
    payload: bytes


def _pieces(container: Container, change: Change, limit: int, apart: Collection[Concern]) -> Iterator[_Piece]:
    """A change as messages of at most `limit` bytes of elements; those `apart` in messages of their own."""
    head = _family(_INET) + string(_LIST_TABLE, TABLE) + string(_LIST_SET, container.name)
    kind, flags = (_NEWSETELEM, REQUEST | CREATE) if change.verb == "add" else (_DELSETELEM, REQUEST)
    adds, entries = change.verb == "add", iter(change.entries)
    count = max(1, limit // length_at_most(container))
    while some := list(islice(entries, count)):
        for group in _told_apart(change, some, apart) if apart else (some,):
            yield _Piece(kind, flags, head + nested(_LIST_ELEMENTS, *encoded(container, group, adds)))


def _told_apart(change: Change, entries: Sequence[Entry], apart: Collection[Concern]) -> Iterator[Sequence[Entry]]:
    together = [e for e in entries if (change.verb, change.container, e[0]) not in apart]
    if together:
        yield together
    yield from ([e] for e in entries if (change.verb, change.container, e[0]) in apart)


def _chain_creation(chains: Sequence[Chain]) -> Iterator[_Piece]:
    """Make the chains where they are missing, empty them, then write their rules."""
    table = _family(_INET) + string(1, TABLE)
    for chain in chains:
        yield _Piece(_NEWCHAIN, REQUEST | CREATE, table + string(3, chain.name))
    for chain in chains:
        yield _Piece(_DELRULE, REQUEST, table + string(2, chain.name))
    for chain in chains:
        for rule in chain.rules:
            content = nested(4, *expressions(rule))
            payload = table + string(2, chain.name) + content + attribute(_USER_DATA, _fingerprint(content))
            yield _Piece(_NEWRULE, REQUEST | CREATE | APPEND, payload)


def _fingerprint(content: bytes) -> bytes:
    """What a rule is known by when it is there again: of a kind of user data that nft passes over."""
    return bytes((_FINGERPRINT, _DIGEST)) + blake2b(content, digest_size=_DIGEST).digest()


def fingerprints(chain: Chain) -> list[bytes]:
    """As `NfTables.rules` finds them where the chain's rules are what it says."""
    return [_fingerprint(nested(4, *expressions(rule))) for rule in chain.rules]


def _deletion(chains: Sequence[str], containers: Sequence[str]) -> Iterator[_Piece]:
    """Empty the chains, then delete what they read and then them: they may go to each other, and maps lead to them."""
    table = _family(_INET) + string(1, TABLE)
    for kind, names in ((_DELRULE, chains), (_DELSET, containers), (_DELCHAIN, chains)):
        _, naming = _OF_CHAINS[kind]
        yield from (_Piece(kind, REQUEST, table + string(naming, name)) for name in names)


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

    def rules(self) -> dict[str, list[bytes]]:
        """What we wrote beside each rule, by chain; empty beside those of nft's or of anybody else's."""
        found: dict[str, list[bytes]] = {}
        for answer in self._dump(_GETRULE, _family(_INET) + string(1, TABLE)):
            told = dict(attributes(answer.payload[4:]))
            found.setdefault(_text(told[2]), []).append(told.get(_USER_DATA, b""))
        return found

    def containers(self) -> tuple[str, ...]:
        """The names of our table's sets and maps."""
        asked = _family(_INET) + string(1, TABLE)
        found = (dict(attributes(m.payload[4:])) for m in self._dump(_GETSET, asked))
        return tuple(_text(a[2]) for a in found if not int.from_bytes(a.get(3, b""), "big") & _ANONYMOUS)

    def elements(self, container: Container) -> dict[bytes, bytes]:
        """All elements of one set or map. Raises OSError ENOENT when it is not there."""
        asked = _family(_INET) + string(_LIST_TABLE, TABLE) + string(_LIST_SET, container.name)
        while True:
            try:
                # Taken apart as they come: a large cluster's answers are never all there.
                answers = self._netlink.dump(_type(_GETSETELEM), asked)
                return dict(decoded(container, (some for a in answers for some in _lists(a.payload))))
            except Interrupted:
                continue

    def _dump(self, kind: int, payload: bytes) -> list[Message]:
        return self._netlink.dump_whole(_type(kind), payload)

    def commit(
        self,
        changes: Iterable[Change],
        containers: Mapping[str, Container],
        set_chains: Sequence[Chain] = (),
        delete_chains: Sequence[str] = (),
        delete_containers: Sequence[str] = (),
        *,
        apart: Collection[Concern] = frozenset(),
        longest: int = 1 << 30,
    ) -> int:
        """Carry out the changes: in one atomic batch where the socket can take it and `longest` (bytes) lets it, else
        in as few as possible.

        Elements of `apart` are sent in messages of their own, so that a Refused names exactly the culprits among them.
        Returns the number of batches.
        """
        limit = min(_MESSAGE_LIMIT, self._netlink.longest // 2)
        # Made while they are sent: a large cluster's elements are never all there.
        pieces = chained(
            _chain_creation([chain for chain in set_chains if not chain.of_stamp]),
            (piece for c in changes for piece in _pieces(containers[c.container], c, limit, apart)),
            _chain_creation([chain for chain in set_chains if chain.of_stamp]),
            _deletion(delete_chains, delete_containers),
        )
        sent = 0
        for batch in self._batches(pieces, min(longest, self._netlink.longest - 256)):
            self._send(batch, containers)
            sent += 1
        return sent

    def _batches(self, pieces: Iterable[_Piece], limit: int) -> Iterator[bytearray]:
        """Messages between a beginning and an end."""
        batch = self._bracket(_BATCH_BEGIN)
        empty = len(batch)
        for piece in pieces:
            if len(batch) > empty and len(batch) + len(piece.payload) > limit:
                yield batch + self._bracket(_BATCH_END)
                batch = self._bracket(_BATCH_BEGIN)
            batch += message(_type(piece.kind), piece.flags, self._netlink.next_sequence(), piece.payload)
        if len(batch) > empty:
            batch += self._bracket(_BATCH_END)
            yield batch

    def _bracket(self, kind: int) -> bytearray:
        return bytearray(message(kind, REQUEST, self._netlink.next_sequence(), _family(_UNSPEC, _SUBSYSTEM)))

    def _send(self, batch: bytearray, containers: Mapping[str, Container]) -> None:
        list(self._netlink.pending())
        self._netlink.send(batch)
        failed = {m.sequence: m.error for m in self._netlink.pending() if m.error}
        if failed:
            raise _refused(batch, failed, containers)
        self.commits += 1


def _lists(payload: bytes) -> Iterator[bytes]:
    """The elements in a message."""
    return (data for kind, data in attributes(payload[4:]) if kind == _LIST_ELEMENTS)


def _refused(batch: bytearray, failed: Mapping[int, int], containers: Mapping[str, Container]) -> Refused:
    """What to say of a batch of which some messages failed; a chain's failure explains those of elements that name it.

    Read from what was sent, so that nothing is remembered of batches that do not fail.
    """
    refusals: list[Refusal] = []
    for sent in messages(bytes(batch)):
        if sent.sequence not in failed:
            continue
        error, kind = failed[sent.sequence], sent.kind & 0xFF
        found = dict(attributes(sent.payload[4:]))
        if kind not in _VERBS:
            verb, naming = _OF_CHAINS.get(kind, ("commit", 0))
            subject = f"{verb} {_text(found[naming])}" if naming in found else verb
            return Refused((), f"{subject}: {errno.errorcode.get(error, str(error))}")
        container = containers[_text(found[_LIST_SET])]
        entries = decoded(container, _lists(sent.payload))
        refusals += (Refusal(_VERBS[kind], Element(container.name, *entry), error) for entry in entries)
    return Refused(tuple(refusals), f"{len(refusals)} elements or their neighbours")


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()


def generation_of(received: Message) -> int | None:
    """The generation that a message tells of; None when it is about something else."""
    if received.kind != _type(_NEWGEN):
        return None
    found = dict(attributes(received.payload[4:]))
    return int(struct.unpack(">I", found[1])[0])
