"""The SQLite file: its tables, and what is done to them. Used by one thread at a time.

`log` gives revisions (AUTOINCREMENT never reuses one, also when the log is cut), `obj` holds the present. In WAL mode
with synchronous=NORMAL a commit survives the death of the process; the death of the machine may cost the last commits
but never the file's integrity.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from portway.store.changes import Change, Done, Entry, Event, Key, Outcome, Put, Refused, StoreError

_LAYOUT = 1
_TABLES = """
CREATE TABLE log (
    rv INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    value BLOB, previous BLOB, previous_rv INTEGER NOT NULL
);
CREATE TABLE obj (
    collection TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    rv INTEGER NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (collection, namespace, name)
) WITHOUT ROWID;
INSERT INTO sqlite_sequence (name, seq) VALUES ('log', 1);
"""
_LOCK_SECONDS = 5.0
"""How long a new process waits for the one before it to let go of the file."""


class Database:
    """An open file. Raises StoreError when it is none of ours or another process has it."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        with self._failures("opened"):
            self._connection = sqlite3.connect(
                path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._open()

    def _open(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        layout = run("PRAGMA user_version").fetchone()[0]
        if layout == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_LAYOUT}; COMMIT;")
        elif layout != _LAYOUT:
            raise StoreError(f"{self.path} was written by another version of Portway (layout {layout}, not {_LAYOUT})")

    def close(self) -> None:
        """Give up the file."""
        self._connection.close()

    def head(self) -> int:
        """The last revision given."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        return int(row[0])

    def entries(self) -> Iterator[Entry]:
        """All documents."""
        rows = self._connection.execute("SELECT collection, namespace, name, rv, value FROM obj")
        return (Entry(Key(collection, namespace, name), rv, value) for collection, namespace, name, rv, value in rows)

    def events(self, newest: int) -> list[Event]:
        """The newest events of the log, in order."""
        rows = self._connection.execute("SELECT * FROM log ORDER BY rv DESC LIMIT ?", (newest,)).fetchall()
        return [Event(rv, Key(*key), value, previous, prv) for rv, *key, value, previous, prv in reversed(rows)]

    def cut(self, revision: int) -> None:
        """Forget the log up to and including `revision`."""
        with self._failures("written"):
            self._connection.execute("DELETE FROM log WHERE rv <= ?", (revision,))

    def commit(self, requests: Sequence[Sequence[Change]]) -> tuple[list[Outcome], list[Event]]:
        """Make each request's changes, all or none of them, in one transaction: outcomes in order, events in order.

        Raises StoreError when the file cannot be written; then nothing of any request was made.
        """
        events: list[Event] = []
        with self._failures("written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                outcomes = [self._attempt(changes, events) for changes in requests]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return outcomes, events

    def _attempt(self, changes: Sequence[Change], events: list[Event]) -> Outcome:
        made: list[Event] = []
        self._connection.execute("SAVEPOINT request")
        for change in changes:
            event = self._make(change)
            if isinstance(event, Refused):
                self._connection.execute("ROLLBACK TO request")
                self._connection.execute("RELEASE request")
                return event
            made.append(event)
        self._connection.execute("RELEASE request")
        events += made
        return Done(tuple(event.revision for event in made))

    def _make(self, change: Change) -> Event | Refused:
        run, key = self._connection.execute, change.key
        where = "WHERE collection = ? AND namespace = ? AND name = ?"
        row = run(f"SELECT rv, value FROM obj {where}", key).fetchone()
        before, previous = row or (0, None)
        if before != change.expected:
            return Refused(key, before)
        value = change.value if isinstance(change, Put) else None
        log = "INSERT INTO log (collection, namespace, name, value, previous, previous_rv) VALUES (?, ?, ?, ?, ?, ?)"
        revision = run(log, (*key, value, previous, before)).lastrowid or 0
        if value is None:
            run(f"DELETE FROM obj {where}", key)
        else:
            run("INSERT OR REPLACE INTO obj VALUES (?, ?, ?, ?, ?)", (*key, revision, value))
        return Event(revision, key, value, previous, before)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            reason = "another process uses it" if "locked" in str(error) else str(error)
            raise StoreError(f"{self.path} cannot be {what}: {reason}") from error
