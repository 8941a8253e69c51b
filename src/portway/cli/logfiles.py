"""The nodes' access logs as files: NODE.jsonl is being written, NODE.jsonl.1 came before it, and so on.

An agent rotates by renaming, whenever it likes. So a file is known by its inode: what is open stays the same file
under another name, and what was read once is not read again.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from portway.cli.failure import Failure
from portway.fleet import FleetState


def accesslog_files(state: FleetState) -> dict[str, Path]:
    """Each node's newest file, which may not be there yet, and each door's. Raises Failure when no log is kept."""
    folder = state.paths.folder / "access"
    if not folder.is_dir():
        raise Failure(f"fleet {state.name} keeps no access log: there is no {folder}")
    doors = {path.stem: path for path in sorted(folder.glob("gateway-*.jsonl"))}
    return {node.name: folder / f"{node.name}.jsonl" for node in state.nodes} | doors


class NodeLog:
    """One node's log, oldest line first: what is in it now, and each time it is asked again, what came since."""

    def __init__(self, newest: Path, since: float = 0.0) -> None:
        """Files that were last written before `since` (seconds since the epoch) are not read."""
        self._newest, self._since = newest, since
        self._file: BinaryIO | None = None
        self._half = b""
        self.lost = False
        """Rotated away before it could be read."""

    def lines(self) -> Iterator[bytes]:
        """Whole lines. Raises OSError for a file that may not be read."""
        while True:
            newer = self._newer()
            yield from self._rest()
            if not newer:
                return
            if self._half:
                yield self._end()
            self._take(newer)

    def last_words(self) -> Iterator[bytes]:
        """What the last line has so far, for who will not ask again."""
        if self._half:
            yield self._end()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rest(self) -> Iterator[bytes]:
        for piece in self._file or ():
            self._half += piece
            if piece.endswith(b"\n"):
                yield self._end()

    def _end(self) -> bytes:
        line, self._half = self._half, b""
        return line

    def _newer(self) -> list[BinaryIO]:
        """The files after the one that is open, the next one first."""
        if self._file is None:
            return _opened(self._newest, self._since)
        mine = _inode(self._file)
        try:
            if self._newest.stat().st_ino == mine:
                return []
        except FileNotFoundError:
            return []
        files = _opened(self._newest)
        inodes = [_inode(file) for file in files]
        self.lost |= mine not in inodes
        keep = inodes.index(mine) + 1 if mine in inodes else 0
        for file in files[:keep]:
            file.close()
        return files[keep:]

    def _take(self, newer: list[BinaryIO]) -> None:
        """Go on with the next one; the others are found again."""
        self.close()
        self._file, *others = newer
        for file in others:
            file.close()


def _opened(newest: Path, since: float = 0.0) -> list[BinaryIO]:
    """All of a node's files, oldest first, each once, whatever is renamed meanwhile."""
    found: dict[int, BinaryIO] = {}
    complete = False
    while not complete:
        complete = True
        for path in _numbered(newest):
            file: BinaryIO
            try:
                file = path.open("rb")
            except FileNotFoundError:
                complete = False
                continue
            if _inode(file) in found:
                file.close()
            else:
                found[_inode(file)] = file
                complete = False
    files = sorted(found.values(), key=lambda file: os.fstat(file.fileno()).st_mtime_ns)
    for file in files:
        if os.fstat(file.fileno()).st_mtime < since:
            file.close()
    return [file for file in files if not file.closed]


def _numbered(newest: Path) -> Iterator[Path]:
    for path in newest.parent.glob(f"{newest.name}*"):
        number = path.name.removeprefix(newest.name)
        if not number or (number[0] == "." and number[1:].isdecimal()):
            yield path


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino
