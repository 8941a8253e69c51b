"""A folder of a process's own: sockets, configuration, keys, passwords. It goes with the process.

What a killed one has left, the next of its kind takes away: a folder is in use as long as its process holds the lock on
it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    """Private (0700), below TMPDIR. `prefix`: of the names of all of this kind. Raises OSError."""
    below = Path(tempfile.gettempdir())
    _sweep(below, prefix)
    # made under another name, and locked before it has one that is looked for
    draft = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=below))
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    folder = draft.with_name(draft.name.removeprefix("."))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft.rename(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(below: Path, prefix: str) -> None:
    for folder in below.glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, or gone already, or in use
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
