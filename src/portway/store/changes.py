"""The values that go in and come out of the store."""

from typing import NamedTuple

from msgspec import Struct


class Key(NamedTuple):
    """Names a document; keys of one collection sort by namespace, then name."""

    collection: str
    """E.g. `services` or `apps/deployments`: no version, as all versions of an object are one object."""
    namespace: str
    """Empty for cluster-scoped resources."""
    name: str


class Entry(Struct, frozen=True):
    """A stored document and the revision of its last change."""

    key: Key
    revision: int
    value: bytes


class Put(Struct, frozen=True):
    """Store `value`. `expected`: the revision it replaces; 0 when there must be none."""

    key: Key
    value: bytes
    expected: int


class Delete(Struct, frozen=True):
    """Remove the document, if it still is at the revision `expected`."""

    key: Key
    expected: int


Change = Put | Delete


class Event(Struct, frozen=True):
    """A change that was made."""

    revision: int
    key: Key
    value: bytes | None
    """None: deleted."""
    previous: bytes | None
    """What was there before; None: created."""
    previous_revision: int = 0


class Done(Struct, frozen=True):
    """The changes were made; one revision each, ascending."""

    revisions: tuple[int, ...]

    @property
    def revision(self) -> int:
        """The last change's."""
        return self.revisions[-1]


class Refused(Struct, frozen=True):
    """Nothing was changed: the document under `key` is at `revision` (0: there is none), not at the expected one."""

    key: Key
    revision: int


Outcome = Done | Refused


class StoreError(Exception):
    """The database cannot be opened, read or written; the text names the file and says why."""
