"""Commands that go on and on: they end quietly on Ctrl-C and when nobody reads them any more."""

import os
import select
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_INTERRUPTED = 130
"""128 + SIGINT, as shells say it."""
_UNLIMITED = 1 << 30


@contextmanager
def quietly() -> Iterator[None]:
    """Ctrl-C ends with exit code 130; a reader that went away (`| head -1`) got what it wanted: exit code 0."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def paused(seconds: float) -> bool:
    """Waits that long; False at once when whoever read stdout is gone."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # an error or a hang-up is told unasked
    return not poll.poll(seconds * 1000)


def width() -> int:
    """Columns of the terminal; no limit where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED


def coloured() -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
