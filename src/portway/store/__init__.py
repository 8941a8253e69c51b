"""Whole documents in one SQLite file, every change numbered, all of them watchable.

Five words. A **Key** names a document: its collection, namespace and name. A **Change** (`Put`, `Delete`) says which
revision it expects to replace. A **commit** makes changes all or not at all and gives each the next **revision**,
which never goes back, not even over a restart. An **Event** is a change that was made, with the value before it. The
**history** is the last events; a watch starts anywhere in it.

What is acknowledged is on disk: killing the process at any moment loses nothing that a caller was told is stored.
Reads come from memory and always see every event that watchers have been told.
"""

from portway.store.changes import Change, Delete, Done, Entry, Event, Key, Outcome, Put, Refused, StoreError
from portway.store.history import Expired
from portway.store.store import Store
from portway.store.watcher import Ended, Overflow, Watcher

__all__ = [
    "Change",
    "Delete",
    "Done",
    "Ended",
    "Entry",
    "Event",
    "Expired",
    "Key",
    "Outcome",
    "Overflow",
    "Put",
    "Refused",
    "Store",
    "StoreError",
    "Watcher",
]
