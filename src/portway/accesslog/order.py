"""Several nodes' files as one log, in the order of time.

A file is almost in order: an agent writes what ended when it learns of it, and learns of things a little late. So
entries wait until their file has moved on by `slack` seconds. Memory is that of the entries of `slack` seconds, however
long the files are. One that is later than that comes late; none is lost.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush, merge

from portway.accesslog.lines import Entry


def in_order(entries: Iterable[Entry], slack: float) -> Iterator[Entry]:
    """One file's entries by moment; those of one moment as they were written."""
    waiting: list[tuple[float, int, Entry]] = []
    latest = 0.0
    for number, entry in enumerate(entries):
        heappush(waiting, (entry.moment, number, entry))
        latest = max(latest, entry.moment)
        while waiting[0][0] < latest - slack:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def merged(files: Iterable[Iterable[Entry]], slack: float) -> Iterator[Entry]:
    """All files' entries by moment."""
    return merge(*(in_order(entries, slack) for entries in files), key=lambda entry: entry.moment)
