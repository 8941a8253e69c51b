"""Whether something that was allowed may be no more."""

from collections.abc import Collection

from portway.policy.classes import Classes
from portway.policy.portsets import UNLISTED, PortSets
from portway.policy.profiles import View
from portway.policy.table import ANYBODY, EVERYTHING

Shift = tuple[int, int]
"""The class of some other end before and after."""
_OPEN: View = {ANYBODY: EVERYTHING}


def shrinks(
    before: View | None, now: View | None, shifts: Collection[Shift], classes: Classes, port_sets: PortSets
) -> bool:
    """Whether a pod that was told one view and is told another may do less than before.

    `shifts`: all moves of other ends from class to class. Nothing of what `before` holds has been forgotten yet.
    """
    if now is None:
        return False
    if before is None:
        return now != _OPEN
    if before is not now and any(
        not port_sets.covers(_told(now, other), _told(before, other))
        for other in dict(before.items() ^ now.items())
        if other == ANYBODY or classes.stayed(other)
    ):
        return True
    return any(not port_sets.covers(_told(now, after), _told(before, first)) for first, after in shifts)


def _told(view: View, other: int) -> int:
    found = view.get(other)
    return view.get(ANYBODY, UNLISTED) if found is None else found
