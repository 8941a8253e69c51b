"""Where lines go: a file that is rotated, or standard output. Neither ever makes the agent wait for long.

NODE.jsonl is being written, NODE.jsonl.1 came before it, and so on. A file that is full (or a day old) is renamed, so
that a reader that has it open reads it to its end, and then finds a new one under the name. The file's time of change
is renewed now and then, also when there is nothing to write: up to then, the log is whole.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from portway.accesslog.lines import read

log = logging.getLogger(__name__)

_MOST_WAITING = 64
"""Pieces that wait for a slow reader of standard output."""


class Retention(Struct, frozen=True):
    """How much is kept."""

    max_bytes: int = 64 << 20
    """Of one file."""
    files: int = 4
    """Full ones, besides the one that is being written."""
    seconds: float = 86400.0
    """A file that was begun so long ago is full; 0: never for its age."""

    @property
    def most_bytes(self) -> int:
        """What all files together may have; a piece that is longer than a file's bound has a file for itself."""
        return self.max_bytes * (self.files + 1)


class Lines(Protocol):
    """Takes lines."""

    def write(self, lines: bytes, count: int) -> int:
        """Whole lines; how many of them are lost."""

    def keep(self) -> None:
        """Nothing was left out up to now."""

    def close(self) -> None:
        """Write what waits, and no more."""


class LogFile:
    """A rotated file. `clock` gives seconds since 1970. What cannot be written is lost, and said once."""

    def __init__(self, path: Path, retention: Retention, clock: Callable[[], float]) -> None:
        self.path, self._retention, self._clock = path, retention, clock
        self._file: int | None = None
        self._size, self._begun = 0, 0.0
        self._complaint = ""

    def kept_until(self) -> float | None:
        """Up to when an earlier agent kept it, in seconds since 1970; None when there is none."""
        with suppress(OSError):
            return self.path.stat().st_mtime
        return None

    def write(self, lines: bytes, count: int) -> int:
        """Append; a file that would get too long is rotated first, so no record is ever in two."""
        try:
            self._ready(len(lines))
            assert self._file is not None
            written = os.write(self._file, lines)
            self._size += written
            if written < len(lines):
                raise OSError(28, os.strerror(28))
        except OSError as error:
            self._complain(error)
            return count
        self._complaint = ""
        return 0

    def keep(self) -> None:
        """Renew the file's time, and rotate it when it is due."""
        try:
            self._ready(0)
            assert self._file is not None
            now = self._clock()
            os.utime(self._file, (now, now))
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _ready(self, more: int) -> None:
        """Have the right file open: somebody may have moved or removed ours."""
        if self._file is not None and not self._is_ours():
            self.close()
        if self._file is None:
            self._open()
        self._begun = min(self._begun, self._clock()) if self._size else self._clock()
        if self._size and (self._size + more > self._retention.max_bytes or self._is_old()):
            self.close()
            self._rotate()
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        held = os.fstat(self._file)
        self._size = held.st_size
        self._begun = min(self._clock(), _first_moment(self.path) or held.st_mtime) if self._size else self._clock()

    def _is_ours(self) -> bool:
        assert self._file is not None
        try:
            there, ours = self.path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return False
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _is_old(self) -> bool:
        seconds = self._retention.seconds
        return bool(seconds) and self._clock() - self._begun >= seconds

    def _rotate(self) -> None:
        """The oldest one first, so that at no moment two have one name or a newer one is gone before it."""
        for number, path in sorted(_numbered(self.path), reverse=True):
            if number >= self._retention.files:
                path.unlink()
            else:
                path.rename(_with_number(self.path, number + 1))
        if self._retention.files:
            self.path.rename(_with_number(self.path, 1))
        else:
            self.path.unlink()

    def _complain(self, error: OSError) -> None:
        complaint = error.strerror or str(error)
        if complaint != self._complaint:
            log.error("the access log cannot be written to %s: %s", self.path, complaint)
        self._complaint = complaint


def _first_moment(path: Path) -> float:
    """What its first line tells of: a file was begun then, whoever keeps it now. 0 when that is no record."""
    with path.open("rb") as file:
        entry, _ = read(file.readline(1 << 16).strip())
    return entry.moment if entry else 0.0


def _with_number(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _numbered(path: Path) -> Iterator[tuple[int, Path]]:
    for found in path.parent.glob(f"{path.name}.*"):
        number = found.name.removeprefix(f"{path.name}.")
        if number.isdecimal():
            yield int(number), found


class LogStream:
    """Standard output, by a thread of its own: whoever reads it may be slow. Then what is too much is lost."""

    def __init__(self, file: int = 1) -> None:
        self._file = file
        self._waiting: queue.Queue[bytes] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._pass_on, name="access-log", daemon=True)
        self._thread.start()

    def write(self, lines: bytes, count: int) -> int:
        """Pass on, if there is room."""
        try:
            self._waiting.put_nowait(lines)
        except queue.Full:
            return count
        return 0

    def keep(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Give the reader a second."""
        with suppress(queue.Full):
            self._waiting.put(b"", timeout=1.0)
            self._thread.join(1.0)

    def _pass_on(self) -> None:
        while lines := self._waiting.get():
            with suppress(OSError):  # nobody reads any more
                while lines:
                    lines = lines[os.write(self._file, lines) :]
